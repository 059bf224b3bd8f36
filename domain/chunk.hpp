#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "domain/bytes.hpp"
#include "domain/time.hpp"

namespace tally {

/// What a log record tells of one chunk: many events of one shard, in order.
struct chunk_header {
  std::uint16_t shard = 0;
  std::uint32_t epoch = 0;
  std::uint64_t base = 0;   // offset of the first event; the first of a shard is 1
  std::uint32_t count = 0;  // events
  event_time stamped_at{};  // the leader's clock, monotone per shard
  std::uint32_t size = 0;   // bytes of payload
  std::uint32_t crc = 0;    // crc32c of the payload
  std::uint64_t chain = 0;  // next_chain(previous chain, this header)

  /// Offset of the last event.
  [[nodiscard]] std::uint64_t last() const { return base + count - 1; }
};

/// All fields but the chain value, big endian: shard 2, epoch 4, base 8, count 4, stamped_at 8
/// (ms), size 4, crc 4.
void write_fields(byte_writer& out, const chunk_header& header);

/// xxh3_64 over the previous chunk's chain value and this header's other fields. A shard's first
/// chunk follows 0.
[[nodiscard]] std::uint64_t next_chain(std::uint64_t previous, const chunk_header& header);

/// A chunk in memory. The payload is `count` times a varint length and an encoded event.
struct chunk {
  chunk_header header;
  std::string payload;
};
using chunk_ptr = std::shared_ptr<const chunk>;

}  // namespace tally

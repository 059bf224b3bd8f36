#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "domain/result.hpp"
#include "domain/time.hpp"

namespace tally::persistence {

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
};

/// xxh3_64 over the previous chunk's chain value and this header's other fields. A shard's first
/// chunk follows 0.
[[nodiscard]] std::uint64_t next_chain(std::uint64_t previous, const chunk_header& header);

/// A chunk in memory. The payload is `count` times a varint length and an encoded event.
struct chunk {
  chunk_header header;
  std::string payload;
};
using chunk_ptr = std::shared_ptr<const chunk>;

/// Sets size, crc and chain from the payload.
void seal(chunk& c, std::uint64_t previous_chain);

/// One commit round as one value:
///   0  format version, 1      1..4  number of chunks, big endian
///   then per chunk 50 bytes, big endian: shard 2, epoch 4, base 8, count 4, stamped_at 8 (ms),
///   size 4, crc 4, chain 8, reserved 8 (zero)
///   then 4 bytes crc32c of all the above, then the payloads one after another
[[nodiscard]] std::string encode_round(const std::vector<chunk_ptr>& chunks);

struct round_entry {
  chunk_header header;
  std::string_view payload;  // points into the round's bytes
};
/// Decodes and checks the directory and every payload's crc. Fails with corrupt_record.
[[nodiscard]] result<std::vector<round_entry>> decode_round(std::string_view bytes);

/// Calls f(index in chunk, event bytes) for every event of a payload; false where it is torn.
template <class F>
bool for_each_event(std::string_view payload, std::uint32_t count, F&& f);

}  // namespace tally::persistence

#include "domain/bytes.hpp"

template <class F>
bool tally::persistence::for_each_event(std::string_view payload, std::uint32_t count, F&& f) {
  byte_reader in{payload};
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto bytes = in.text();
    if (!in.ok()) return false;
    f(i, bytes);
  }
  return in.at_end();
}

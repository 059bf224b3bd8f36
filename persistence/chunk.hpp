#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "domain/chunk.hpp"
#include "domain/result.hpp"

namespace tally::persistence {

using tally::chunk;
using tally::chunk_header;
using tally::chunk_ptr;
using tally::next_chain;

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

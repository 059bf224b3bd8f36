#pragma once

#include <xxhash.h>

#include <cstdint>
#include <string_view>

namespace tally {

/// Fixed when a cluster is created.
constexpr std::uint32_t shard_count = 256;
/// Lanes group shards: the unit that the actor system schedules.
constexpr std::uint32_t lane_count = 4;

[[nodiscard]] inline std::uint64_t merchant_hash(std::string_view merchant) {
  return XXH3_64bits(merchant.data(), merchant.size());
}
[[nodiscard]] constexpr std::uint16_t shard_of(std::uint64_t hash) {
  return static_cast<std::uint16_t>(hash % shard_count);
}
[[nodiscard]] constexpr std::uint32_t lane_of(std::uint16_t shard) {
  return shard % lane_count;
}
[[nodiscard]] inline std::uint32_t lane_of(std::string_view merchant) {
  return lane_of(shard_of(merchant_hash(merchant)));
}

}  // namespace tally

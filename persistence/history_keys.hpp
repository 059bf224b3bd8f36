#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "persistence/history.hpp"

/// Keys and small values of the history database, as history.hpp pictures them. Internal to
/// persistence/.
namespace tally::persistence::history_key {

constexpr std::uint8_t shared_columns = 255;

/// The keys of a shard: first <= key < end.
struct range {
  std::string first, end;
};
[[nodiscard]] range all_of(std::uint16_t shard);
/// shard, merchant, 0: what all keys of a merchant begin with.
[[nodiscard]] std::string merchant(std::uint16_t shard, std::string_view merchant);
/// The first key behind all keys of the merchant.
[[nodiscard]] std::string behind(std::uint16_t shard, std::string_view merchant);
[[nodiscard]] std::string block(std::uint16_t shard, std::string_view merchant,
                                std::uint64_t first_offset);
[[nodiscard]] std::string column(std::uint16_t shard, std::string_view merchant,
                                 std::uint64_t first_offset, std::uint8_t number);
[[nodiscard]] std::string shard(std::uint16_t shard);  // of the sealed end
[[nodiscard]] std::string_view round();                // of the sealed round
/// The merchant in the key of a block, empty in that of a shard; nothing where it is neither.
[[nodiscard]] std::optional<std::string_view> merchant_of(std::string_view key);

/// With version and crc32c.
[[nodiscard]] std::string encode(const block_facts& facts);
[[nodiscard]] std::string encode(const sealed_end& end);
[[nodiscard]] std::string encode_round(round_number round);
/// Nothing where the value is damaged.
[[nodiscard]] std::optional<block_facts> decode_facts(std::uint64_t first_offset,
                                                      std::string_view value);
[[nodiscard]] std::optional<sealed_end> decode_end(std::string_view value);
[[nodiscard]] std::optional<round_number> decode_sealed_round(std::string_view value);

}  // namespace tally::persistence::history_key

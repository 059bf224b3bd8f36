#include "domain/shard_map.hpp"

#include <algorithm>
#include <charconv>

namespace tally {
namespace {

constexpr std::size_t hex_digits = 16;

}  // namespace

std::string to_hex(std::uint64_t value) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text(hex_digits, '0');
  for (auto at = text.rbegin(); at != text.rend(); ++at, value >>= 4) *at = digits[value & 15];
  return text;
}

std::optional<std::uint64_t> parse_hex(std::string_view text) {
  if (text.size() != hex_digits) return std::nullopt;
  const bool is_lower = std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  if (!is_lower) return std::nullopt;
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return value;
}

std::string to_text(replica_id id) {
  return to_hex(id.high) + to_hex(id.low);
}

std::optional<replica_id> parse_replica_id(std::string_view text) {
  if (text.size() != 2 * hex_digits) return std::nullopt;
  const auto high = parse_hex(text.substr(0, hex_digits));
  const auto low = parse_hex(text.substr(hex_digits));
  if (!high || !low) return std::nullopt;
  return replica_id{*high, *low};
}

bool shard_config::is_in_sync(replica_id id) const {
  return std::ranges::count(in_sync, id) > 0;
}

const shard_copy* shard_config::find_copy(replica_id id) const {
  const auto found = std::ranges::find(copies, id, &shard_copy::id);
  return found == copies.end() ? nullptr : &*found;
}

bool shard_config::is_replaced(replica_id id) const {
  const auto found = std::ranges::find(copies, id, &shard_copy::id);
  if (found == copies.end()) return false;
  return std::any_of(found + 1, copies.end(),
                     [&](const shard_copy& later) { return later.node == found->node; });
}

bool same_content(const shard_config& a, const shard_config& b) {
  auto copy = a;
  copy.version = b.version;
  return copy == b;
}

}  // namespace tally

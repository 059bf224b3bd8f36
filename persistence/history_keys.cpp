#include "persistence/history_keys.hpp"

#include "domain/bytes.hpp"
#include "domain/ensure.hpp"
#include "persistence/rocks.hpp"

namespace tally::persistence::history_key {
namespace {

constexpr std::uint8_t version = 1;
constexpr std::size_t shard_bytes = 2;
constexpr std::size_t offset_bytes = 8;

/// A reader behind the version; nothing where crc or version do not match.
std::optional<byte_reader> opened(std::string_view value) {
  const auto content = rocks::without_crc(value);
  if (!content) return std::nullopt;
  byte_reader in{*content};
  if (in.u8() != version || !in.ok()) return std::nullopt;
  return in;
}

}  // namespace

range all_of(std::uint16_t shard) {
  range keys;
  byte_writer{keys.first}.u16be(shard);
  byte_writer{keys.end}.u16be(static_cast<std::uint16_t>(shard + 1));
  return keys;
}

std::string merchant(std::uint16_t shard, std::string_view merchant) {
  ensure(!merchant.empty() && merchant.find('\0') == std::string_view::npos,
         "a merchant without a name or with a zero byte");
  std::string key;
  byte_writer out{key};
  out.u16be(shard);
  out.raw(merchant);
  out.u8(0);
  return key;
}

std::string behind(std::uint16_t shard, std::string_view merchant_id) {
  auto key = merchant(shard, merchant_id);
  key.back() = 1;
  return key;
}

std::string block(std::uint16_t shard, std::string_view merchant_id, std::uint64_t first_offset) {
  auto key = merchant(shard, merchant_id);
  byte_writer{key}.u64be(first_offset);
  return key;
}

std::string column(std::uint16_t shard, std::string_view merchant_id, std::uint64_t first_offset,
                   std::uint8_t number) {
  auto key = block(shard, merchant_id, first_offset);
  byte_writer{key}.u8(number);
  return key;
}

std::string shard(std::uint16_t shard) {
  std::string key;
  byte_writer out{key};
  out.u16be(shard);
  out.u8(0);
  return key;
}

std::string_view round() {
  return "\xff\xff";
}

std::optional<std::string_view> merchant_of(std::string_view key) {
  const auto end = key.find('\0', shard_bytes);
  if (end == std::string_view::npos) return std::nullopt;
  const auto name = key.substr(shard_bytes, end - shard_bytes);
  const auto rest = key.size() - end - 1;
  if (rest != (name.empty() ? 0 : offset_bytes)) return std::nullopt;
  return name;
}

std::string encode(const block_facts& facts) {
  std::string bytes;
  byte_writer out{bytes};
  out.u8(version);
  out.varint(facts.rows);
  out.varint(facts.last_offset - facts.first_offset);
  out.zigzag(facts.oldest_ms);
  out.zigzag(facts.newest_ms);
  out.zigzag(facts.newest_before_ms);
  out.varint(facts.bytes);
  out.varint(facts.event_bytes);
  out.varint(facts.own_columns.size());
  for (const auto number : facts.own_columns) out.u8(number);
  return rocks::with_crc(bytes);
}

std::string encode(const sealed_end& end) {
  std::string bytes;
  byte_writer out{bytes};
  out.u8(version);
  out.u64be(end.offset);
  out.u64be(end.chain);
  return rocks::with_crc(bytes);
}

std::string encode_round(round_number round) {
  std::string bytes;
  byte_writer out{bytes};
  out.u8(version);
  out.u64be(round);
  return rocks::with_crc(bytes);
}

std::optional<block_facts> decode_facts(std::uint64_t first_offset, std::string_view value) {
  auto in = opened(value);
  if (!in) return std::nullopt;
  block_facts facts;
  facts.first_offset = first_offset;
  const auto rows = in->varint();
  facts.rows = static_cast<std::uint32_t>(rows);
  facts.last_offset = first_offset + in->varint();
  facts.oldest_ms = in->zigzag64();
  facts.newest_ms = in->zigzag64();
  facts.newest_before_ms = in->zigzag64();
  facts.bytes = in->varint();
  facts.event_bytes = in->varint();
  const auto own = in->varint();
  if (!in->ok() || rows == 0 || rows > column_values_max || own > column_numbers)
    return std::nullopt;
  for (std::uint64_t i = 0; i < own; ++i) facts.own_columns.push_back(in->u8());
  if (!in->ok() || !in->at_end()) return std::nullopt;
  return facts;
}

std::optional<sealed_end> decode_end(std::string_view value) {
  auto in = opened(value);
  if (!in) return std::nullopt;
  sealed_end end;
  end.offset = in->u64be();
  end.chain = in->u64be();
  if (!in->ok() || !in->at_end()) return std::nullopt;
  return end;
}

std::optional<round_number> decode_sealed_round(std::string_view value) {
  auto in = opened(value);
  if (!in) return std::nullopt;
  const auto round = in->u64be();
  if (!in->ok() || !in->at_end()) return std::nullopt;
  return round;
}

}  // namespace tally::persistence::history_key

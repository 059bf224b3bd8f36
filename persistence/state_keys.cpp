#include "persistence/state_keys.hpp"

#include <limits>

#include "domain/bytes.hpp"
#include "domain/ensure.hpp"

namespace tally::persistence::state_key {

namespace {

constexpr std::size_t fixed_owner_bytes = 6;  // shard and generation

bucket_time time_at(std::int64_t seconds) {
  return bucket_time{std::chrono::seconds{seconds}};
}

state_owner with_ids(const state_owner& o) {
  return {o.shard, 0, o.merchant};
}

/// The first key that does not begin with `prefix`, whose last byte is below 255.
std::string after(std::string prefix) {
  ++prefix.back();
  return prefix;
}

void put_tag(byte_writer& out, std::string_view tag) {
  for (const char c : tag) {
    if (c == '\0' || c == '\1') {
      out.u8(1);
      out.u8(c == '\0' ? 1 : 2);
    } else {
      out.u8(static_cast<std::uint8_t>(c));
    }
  }
  out.u8(0);
}

std::string take_tag(byte_reader& in) {
  std::string tag;
  for (auto c = in.u8(); in.ok() && c != 0; c = in.u8()) {
    if (c == 1) {
      const auto escaped = in.u8();
      if (escaped != 1 && escaped != 2) in.fail();
      c = escaped == 1 ? 0 : 1;
    }
    tag.push_back(static_cast<char>(c));
  }
  return tag;
}

}  // namespace

std::string owner(const state_owner& o) {
  ensure(o.merchant.find('\0') == std::string::npos, "a merchant with a zero byte");
  std::string key;
  key.reserve(fixed_owner_bytes + o.merchant.size() + 40);
  byte_writer out{key};
  out.u16be(o.shard);
  out.u32be(o.generation);
  out.raw(o.merchant);
  out.u8(0);
  return key;
}

range all_of(std::uint16_t shard) {
  range keys;
  byte_writer{keys.first}.u16be(shard);
  byte_writer{keys.end}.u16be(static_cast<std::uint16_t>(shard + 1));
  return keys;
}

range all_of(const state_owner& o) {
  auto first = owner(o);
  auto end = after(first);
  return {std::move(first), std::move(end)};
}

std::string row(const state_owner& o, const row_address& at) {
  auto key = owner(o);
  byte_writer out{key};
  out.u8(static_cast<std::uint8_t>(at.kind));
  out.u8(static_cast<std::uint8_t>(at.width));
  put_tag(out, at.tag);
  out.i64be(to_s(at.begin));
  return key;
}

range rows(const state_owner& o, const row_address& from, bucket_time to) {
  auto last = from;
  last.begin = to;
  return {row(o, from), row(o, last)};
}

std::string page(const state_owner& o, std::uint8_t part, std::uint32_t page) {
  auto key = owner(o);
  byte_writer out{key};
  out.u8(part);
  out.u32be(page);
  return key;
}

range pages(const state_owner& o, std::uint8_t part) {
  auto first = page(o, part, 0);
  if (part < std::numeric_limits<std::uint8_t>::max())
    return {std::move(first), page(o, static_cast<std::uint8_t>(part + 1), 0)};
  return {std::move(first), all_of(o).end};
}

std::string ids(const state_owner& o, const id_run_address& at) {
  auto key = owner(with_ids(o));
  byte_writer out{key};
  out.u8(at.id_class);
  out.u8(at.width);
  out.i64be(at.slice);
  out.u64be(at.base);
  return key;
}

range ids(const state_owner& o, const id_run_address& from, std::int64_t to) {
  constexpr auto last_base = std::numeric_limits<std::uint64_t>::max();
  auto end = ids(o, {from.id_class, from.width, to, last_base});
  end.push_back('\0');  // the run at last_base itself belongs to it
  return {ids(o, {from.id_class, from.width, from.slice, 0}), std::move(end)};
}

range all_ids(const state_owner& o) {
  return all_of(with_ids(o));
}

std::string reject(const state_owner& o, std::uint64_t offset) {
  auto key = owner(o);
  byte_writer{key}.u64be(offset);
  return key;
}

std::optional<state_owner> take_owner(std::string_view& key) {
  const auto end = key.find('\0', fixed_owner_bytes);
  if (end == std::string_view::npos) return std::nullopt;
  byte_reader in{key};
  state_owner o;
  o.shard = in.u16be();
  o.generation = in.u32be();
  o.merchant = key.substr(fixed_owner_bytes, end - fixed_owner_bytes);
  key.remove_prefix(end + 1);
  return o;
}

std::optional<row_address> row_of(std::string_view rest) {
  byte_reader in{rest};
  row_address at;
  at.kind = static_cast<row_kind>(in.u8());
  at.width = static_cast<granularity>(in.u8());
  at.tag = take_tag(in);
  at.begin = time_at(in.i64be());
  if (!in.ok() || !in.at_end()) return std::nullopt;
  return at;
}

std::optional<row_kind> kind_of(std::string_view key) {
  const auto end = key.find('\0', fixed_owner_bytes);
  if (end == std::string_view::npos || end + 1 >= key.size()) return std::nullopt;
  return static_cast<row_kind>(key[end + 1]);
}

std::string name_of(const state_owner& o) {
  return "shard " + std::to_string(o.shard) + " generation " + std::to_string(o.generation) +
         " merchant " + o.merchant;
}

}  // namespace tally::persistence::state_key

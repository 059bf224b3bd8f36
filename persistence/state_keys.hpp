#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "persistence/state_store.hpp"

/// Byte forms of the state database's keys; their pictures stand at the address types of
/// state_store.hpp. Internal to persistence/.
namespace tally::persistence::state_key {

/// The keys of one range: first <= key < end.
struct range {
  std::string first, end;
};

/// What every key of the owner begins with.
[[nodiscard]] std::string owner(const state_owner& o);
[[nodiscard]] range all_of(const state_owner& o);
[[nodiscard]] range all_of(std::uint16_t shard);

[[nodiscard]] std::string row(const state_owner& o, const row_address& at);
/// Rows of this kind, width and tag with from.begin <= begin < to.
[[nodiscard]] range rows(const state_owner& o, const row_address& from, bucket_time to);
/// Part u8, page u32be behind the owner.
[[nodiscard]] std::string page(const state_owner& o, std::uint8_t part, std::uint32_t page);
[[nodiscard]] range pages(const state_owner& o, std::uint8_t part);
/// The owner's generation does not count: ids have 0.
[[nodiscard]] std::string ids(const state_owner& o, const id_run_address& at);
[[nodiscard]] range ids(const state_owner& o, const id_run_address& from, std::int64_t to);
[[nodiscard]] range all_ids(const state_owner& o);
/// Offset u64be behind the owner.
[[nodiscard]] std::string reject(const state_owner& o, std::uint64_t offset);

/// Takes the owner off the front of a key; nothing where the key holds none.
[[nodiscard]] std::optional<state_owner> take_owner(std::string_view& key);
[[nodiscard]] std::optional<row_address> row_of(std::string_view rest);
/// The kind of a totals key, without building the rest.
[[nodiscard]] std::optional<row_kind> kind_of(std::string_view key);

/// For messages: shard, generation, merchant.
[[nodiscard]] std::string name_of(const state_owner& o);

}  // namespace tally::persistence::state_key

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/merchant_state.hpp"
#include "domain/result.hpp"
#include "domain/ruleset.hpp"
#include "persistence/state_store.hpp"

namespace tally::persistence {

/// Parts of a snapshot. Numbers rest on disk.
constexpr std::uint8_t head_part = 0;    // one page
constexpr std::uint8_t visits_part = 1;  // pages of visits, by number
constexpr std::uint8_t texts_part = 2;   // pages of seen_texts, by number

/// Head page: version u8 = 2, zone name text, currency text, applied varint, events varint, digest
/// u64be, newest, oldest, received as zigzag, newest
/// id time per class (zigzag, 2), ledger (accepted, duplicate, late, then
/// rejected and filtered as count and pairs), names and currencies as count and texts, minute rows
/// dropped up to (zigzag seconds), id slice width u8, hour of refused bytes zigzag and their number
/// varint, number of visit pages varint; with 0 pages the visits themselves follow. Version 1 has
/// no refused bytes, and its visit pages are 2,000 visits each.
/// Visits: count varint, then each: visitor u64be, begin zigzag, length varint, pageviews varint,
/// flags u8 (1 interactive, 2 cart, 4 checkout, 8 purchase), sorted by visitor and begin. The
/// number of pages is a power of two; a page holds the visitors whose hash begins with its number,
/// and among them maybe visits that have ended since it was written.
/// Texts page: version u8 = 1, bytes of all texts varint, count varint, hashes u64be; all pages but
/// the last are full.

/// Visits that the head page itself may hold, and that a page holds on average at most.
constexpr std::size_t visits_in_head_max = 1'000;
constexpr std::size_t visits_per_page = 1'500;
constexpr std::size_t texts_per_page = 4'000;

/// Writes what changed since the last snapshot into `b`: rows, ids, rejects, visit pages, texts,
/// head. Clears the state's deltas, fresh ids and rejects; `written`, where not null, takes the
/// deltas. `before` is what the last snapshot gave.
struct snapshot_result {
  std::uint32_t visit_pages = 0;
  bucket_time minutes_dropped_to{};
};
snapshot_result write_snapshot(merchant_state& state, const state_owner& owner,
                               const snapshot_result& before, const ruleset& rules,
                               state_store::batch& b, delta_rows* written = nullptr);

/// A merchant's state as its last snapshot left it. not_found where there is none.
struct loaded_state {
  merchant_state state;
  snapshot_result snapshot;
};
result<loaded_state> load_snapshot(const state_store& store, const state_owner& owner);

/// Offset of the last event in the snapshot that `at` sees; 0 where there is none.
result<std::uint64_t> saved_offset(const state_store& store, const state_owner& owner,
                                   const state_store::view_ptr& at);

/// Decoders of the stored bytes, for this folder and for fuzzing; false where they are damaged, and
/// what they filled then means nothing. `full`: another page of texts may follow. A run of ids:
/// version u8 = 1, count varint, then per id high u64be, low u64be, offset varint, sorted by hash.
[[nodiscard]] bool decode_head(std::string_view bytes, loaded_state& into);
[[nodiscard]] bool decode_visits_page(std::string_view bytes, visit_table& visits);
[[nodiscard]] bool decode_texts_page(std::string_view bytes, seen_texts& texts, bool& full);
[[nodiscard]] bool decode_id_run(std::string_view bytes, std::vector<seen_id>& ids);

/// The ids of a slice from every run that meets it, whatever its width.
result<std::vector<seen_id>> load_ids(const state_store& store, const state_owner& owner,
                                      const slice_range& range);

/// Hash over everything that a replay must give again: head, visits, ids and all rows. The state
/// must have no deltas (snapshot it first); fails where the database cannot be read.
result<std::uint64_t> state_hash(const merchant_state& state, const state_store& store,
                                 const state_owner& owner, const ruleset& rules);

}  // namespace tally::persistence

#include "persistence/replay.hpp"

#include <limits>
#include <vector>

#include "domain/logic_v1/apply.hpp"
#include "persistence/event_codec.hpp"
#include "persistence/journal_reader.hpp"

namespace tally::persistence {
namespace {

constexpr std::uint64_t save_every_events = 50'000;
constexpr std::size_t ids_bytes_max = 64u << 20;

/// A place in the store that no merchant id can name.
state_owner scratch_of(const state_owner& owner) {
  return {owner.shard, owner.generation, "\x01rebuild:" + owner.merchant};
}

status copy_pages(const state_store& store, const state_owner& from, const state_owner& to,
                  std::uint8_t part, state_store::batch& b) {
  return store.scan_pages(from, part, [&](std::uint32_t page, std::string_view bytes) {
    b.put_page(to, part, page, bytes);
    return true;
  });
}

status copy_ids(const state_store& store, const state_owner& from, const state_owner& to,
                state_store::batch& b) {
  for (std::uint8_t kind = 0; kind < 2; ++kind)
    for (std::uint8_t width = 0; width < 3; ++width) {
      auto copied = store.scan_ids(from, {kind, width, std::numeric_limits<std::int64_t>::min(), 0},
                                   std::numeric_limits<std::int64_t>::max(),
                                   [&](const id_run_address& at, std::string_view bytes) {
                                     b.put_ids(to, at, bytes);
                                     return true;
                                   });
      if (!copied) return copied;
    }
  return done{};
}

/// Puts everything of `from` in place of `to` and forgets `from`, in one batch.
status replace(state_store& store, const state_owner& from, const state_owner& to) {
  state_store::batch b;
  b.drop_owner(to, true);
  for (auto part : {head_part, visits_part, texts_part})
    if (auto copied = copy_pages(store, from, to, part, b); !copied) return copied;
  if (auto copied = copy_ids(store, from, to, b); !copied) return copied;
  auto rows = store.scan_all_rows(from, nullptr, [&](const row_address& at, std::string_view row) {
    b.add_row(to, at, row);
    return true;
  });
  if (!rows) return rows;
  auto rejects = store.scan_rejects(from, 0, [&](std::uint64_t offset, std::string_view bytes) {
    b.put_reject(to, offset, bytes);
    return true;
  });
  if (!rejects) return rejects;
  b.drop_owner(from, true);
  return store.write(std::move(b));
}

}  // namespace

merchant_state initial_state(const initial_settings& settings) {
  merchant_state state;
  const auto* z = zone::find(settings.zone);
  state.set_reporting(z != nullptr ? *z : zone::utc(), z != nullptr ? settings.zone : "UTC",
                      settings.currency);
  return state;
}

replayed_merchant::replayed_merchant(state_store& store, state_owner owner,
                                     const initial_settings& settings, const ruleset& rules,
                                     id_use ids)
    : store_{store},
      owner_{std::move(owner)},
      rules_{rules},
      ids_{ids},
      state_{initial_state(settings)} {}

status replayed_merchant::resume() {
  auto saved = load_snapshot(store_, owner_);
  if (!saved && saved.error().code == errc::not_found) return done{};
  if (!saved) return saved.error();
  state_ = std::move(saved->state);
  snapshot_ = saved->snapshot;
  return done{};
}

status replayed_merchant::apply(std::string_view bytes, std::uint64_t offset,
                                event_time stamped_at) {
  if (offset <= state_.applied) return done{};
  thread_local event e;
  if (!decode_event(bytes, e))
    return failure{errc::corrupt_record,
                   "event " + std::to_string(offset) + " of merchant " + owner_.merchant};
  std::vector<slice_range> missing;
  state_.ids.missing_for(e, stamped_at, missing);
  if (ids_ == id_use::own && !missing.empty() && state_.ids.has_fresh())
    if (auto saved = save(); !saved) return saved;
  for (const auto& range : missing) {
    auto ids = load_ids(store_, owner_, range);
    if (!ids) return ids.error();
    if (ids_ == id_use::shared)
      std::erase_if(*ids, [&](const seen_id& id) { return id.offset >= offset; });
    state_.ids.load(range, *ids);
  }
  logic_v1::apply(state_, e, {offset, stamped_at, bytes}, rules_);
  if (state_.unsaved_events < save_every_events) return done{};
  auto saved = save();
  state_.ids.evict(ids_bytes_max);
  return saved;
}

status replayed_merchant::save() {
  state_store::batch b;
  if (ids_ == id_use::shared) static_cast<void>(state_.ids.take_fresh());
  snapshot_ = write_snapshot(state_, owner_, snapshot_, rules_, b);
  return store_.write(std::move(b));
}

result<loaded_state> rebuild_merchant(const journal& log, state_store& store,
                                      const state_owner& owner, std::uint64_t upto,
                                      const initial_settings& settings, const ruleset& rules,
                                      const history* past) {
  const auto scratch = scratch_of(owner);
  state_store::batch clean;
  clean.drop_owner(scratch, true);
  if (auto dropped = store.write(std::move(clean)); !dropped) return dropped.error();

  replayed_merchant replayed{store, scratch, settings, rules};
  status outcome = done{};
  const auto scanned = journal_reader{log, past}.for_each_event(
      owner.shard, owner.merchant, 0,
      [&](std::uint64_t offset, event_time stamped_at, std::string_view bytes) {
        if (offset <= upto) outcome = replayed.apply(bytes, offset, stamped_at);
        return outcome.ok() && offset < upto;
      });
  if (!scanned) return scanned.error();
  if (!outcome) return outcome.error();
  if (auto saved = replayed.save(); !saved) return saved.error();
  if (auto replaced = replace(store, scratch, owner); !replaced) return replaced.error();
  return load_snapshot(store, owner);
}

}  // namespace tally::persistence

#include "actors/io_worker.hpp"

#include "domain/shard.hpp"
#include "persistence/event_codec.hpp"
#include "persistence/replay.hpp"

namespace tally::actors {
namespace {

/// Calls f(merchant, event) for every event of a round.
template <class F>
void for_each_tail_event(const std::vector<persistence::round_entry>& entries, F&& f) {
  for (const auto& entry : entries)
    persistence::for_each_event(entry.payload, entry.header.count,
                                [&](std::uint32_t i, std::string_view bytes) {
                                  f(entry.header.shard, persistence::peek_merchant(bytes),
                                    entry.header.base + i, entry.header.stamped_at, bytes);
                                });
}

/// Brings the generation that is to serve to the offset of the one that did.
status catch_up(node_env& env, const persistence::state_owner& owner,
                const persistence::serving_record& serving, loaded_merchant& loaded) {
  auto before = owner;
  before.generation = serving.previous;
  const auto upto = persistence::saved_offset(*env.state, before, nullptr);
  if (!upto) return upto.error();
  if (*upto <= loaded.from.state.applied) return done{};
  const auto rules = env.generations.find(owner.generation);
  if (!rules) return failure{errc::not_found, "generation " + std::to_string(owner.generation)};
  const auto events = env.tail_of_switch.take(*env.journal, owner.merchant, serving.since,
                                              env.journal->last_round());
  if (!events) return events.error();
  persistence::replayed_merchant replayed{*env.state, owner, rules->settings_of(owner.merchant),
                                          rules->rules_of(owner.merchant),
                                          persistence::id_use::shared};
  if (auto resumed = replayed.resume(); !resumed) return resumed;
  for (const auto& e : *events)
    if (e.offset <= *upto)
      if (auto good = replayed.apply(e.bytes, e.offset, e.stamped_at); !good) return good;
  if (replayed.state().applied != *upto)
    return failure{errc::corrupt_record,
                   "generation " + std::to_string(owner.generation) + " of merchant " +
                       owner.merchant + " lacks events before offset " + std::to_string(*upto)};
  if (auto saved = replayed.save(); !saved) return saved;
  loaded.found = true;
  loaded.from.state = std::move(replayed.state());
  loaded.from.snapshot = replayed.snapshot();
  return done{};
}

/// Counts what history has of a merchant behind its snapshot, which was lost or never written.
status catch_up_with_history(node_env& env, const persistence::state_owner& owner,
                             const persistence::serving_record& serving, loaded_merchant& loaded) {
  const auto rules = env.generations.find(owner.generation);
  if (!rules) return failure{errc::not_found, "generation " + std::to_string(owner.generation)};
  auto before = owner;
  before.generation = serving.previous;
  const auto seen = serving.previous == 0 ? std::uint64_t{0}
                                          : persistence::saved_offset(*env.state, before, nullptr);
  if (!seen) return seen.error();
  persistence::replayed_merchant replayed{*env.state, owner, rules->settings_of(owner.merchant),
                                          rules->rules_of(owner.merchant)};
  if (auto resumed = replayed.resume(); !resumed) return resumed;
  status outcome = done{};
  bool any = false;
  auto read = env.history->for_each_event(
      owner.shard, owner.merchant, replayed.state().applied + 1,
      [&](std::uint64_t offset, event_time stamped_at, std::string_view bytes) {
        // Its ids may be those of the generation before, which is ahead: only a rebuild is exact.
        if (*seen > replayed.state().applied && !any)
          outcome = failure{errc::corrupt_record, "a change of generation was interrupted"};
        if (!outcome) return false;
        any = true;
        outcome = replayed.apply(bytes, offset, stamped_at);
        return outcome.ok();
      });
  if (!read) return read;
  if (!outcome || !any) return outcome;
  if (auto saved = replayed.save(); !saved) return saved;
  loaded.found = true;
  loaded.from.state = std::move(replayed.state());
  loaded.from.snapshot = replayed.snapshot();
  return done{};
}

}  // namespace

status add_round(std::vector<tail_event>& events, const persistence::state_owner& owner,
                 const persistence::journal& log, persistence::round_number round,
                 std::uint64_t upto) {
  const auto content = log.read_entries(round);
  if (!content) return content.error();
  for (const auto& entry : content->entries) {
    if (entry.header.shard != owner.shard) continue;
    persistence::for_each_event(
        entry.payload, entry.header.count, [&](std::uint32_t i, std::string_view bytes) {
          const auto offset = entry.header.base + i;
          if (offset <= upto && persistence::peek_merchant(bytes) == owner.merchant)
            events.push_back({offset, entry.header.stamped_at, std::string{bytes}});
        });
  }
  return done{};
}

loaded_ptr load_merchant(node_env& env, const std::string& merchant,
                         const std::vector<persistence::round_number>& rounds,
                         std::vector<tail_event> events) {
  auto loaded = std::make_shared<loaded_merchant>();
  const auto serving = serving_of(env, merchant);
  if (!serving) {
    loaded->outcome = serving.error();
    return loaded;
  }
  const auto owner = owner_of(merchant_hash(merchant), merchant, serving->generation);
  loaded->generation = serving->generation;
  auto snapshot = persistence::load_snapshot(*env.state, owner);
  if (snapshot) {
    loaded->from = std::move(*snapshot);
    loaded->found = true;
  } else if (snapshot.error().code != errc::not_found) {
    loaded->outcome = snapshot.error();
    return loaded;
  }
  if (env.saved_before < env.sealed_before)
    if (loaded->outcome = catch_up_with_history(env, owner, *serving, *loaded); !loaded->outcome)
      return loaded;
  loaded->events = std::move(events);
  if (loaded->events.empty())
    for (const auto number : rounds) {
      loaded->outcome = add_round(loaded->events, owner, *env.journal, number);
      if (!loaded->outcome) return loaded;
    }
  // A crash leaves all of the events that a change of generation needs in the tail.
  if (serving->previous != 0 && loaded->events.empty())
    if (loaded->outcome = catch_up(env, owner, *serving, *loaded); !loaded->outcome) return loaded;
  for (const auto& e : loaded->events) {
    if (e.offset <= loaded->from.state.applied) continue;
    round_item item;
    item.merchant = persistence::peek_merchant(e.bytes);
    item.bytes = e.bytes;
    item.offset = e.offset;
    item.stamped_at = e.stamped_at;
    loaded->tail.push_back(item);
  }
  return loaded;
}

result<tail_events_ptr> read_tail(const persistence::journal& log, std::uint32_t lane,
                                  persistence::round_number from, persistence::round_number to) {
  auto found = std::make_shared<tail_events>();
  std::string name;
  const auto scanned = log.scan(
      from, to,
      [&](persistence::round_number, const std::vector<persistence::round_entry>& entries) {
        for_each_tail_event(
            entries, [&](std::uint16_t shard, std::string_view merchant, std::uint64_t offset,
                         event_time stamped_at, std::string_view bytes) {
              if (lane_of(shard) != lane) return;
              name = merchant;
              (*found)[name].push_back({offset, stamped_at, std::string{bytes}});
            });
        return true;
      });
  if (!scanned) return scanned.error();
  return found;
}

io_actor::behavior_type io_worker(io_actor::pointer, std::uint32_t) {
  return {[](run_atom, const task_ptr& task) { (*task)(); }};
}

}  // namespace tally::actors

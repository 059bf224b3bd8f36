#include "actors/io_worker.hpp"

#include "domain/shard.hpp"
#include "persistence/event_codec.hpp"

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

status add_round(std::vector<tail_event>& events, const persistence::state_owner& owner,
                 const std::string& round) {
  const auto entries = persistence::decode_round(round);
  if (!entries) return entries.error();
  for_each_tail_event(*entries,
                      [&](std::uint16_t shard, std::string_view merchant, std::uint64_t offset,
                          event_time stamped_at, std::string_view bytes) {
                        if (shard == owner.shard && merchant == owner.merchant)
                          events.push_back({offset, stamped_at, std::string{bytes}});
                      });
  return done{};
}

}  // namespace

loaded_ptr load_merchant(const node_env& env, const persistence::state_owner& owner,
                         const std::vector<persistence::round_number>& rounds,
                         std::vector<tail_event> events) {
  auto loaded = std::make_shared<loaded_merchant>();
  auto snapshot = persistence::load_snapshot(*env.state, owner);
  if (snapshot) {
    loaded->from = std::move(*snapshot);
    loaded->found = true;
  } else if (snapshot.error().code != errc::not_found) {
    loaded->outcome = snapshot.error();
    return loaded;
  }
  loaded->events = std::move(events);
  if (loaded->events.empty())
    for (const auto number : rounds) {
      const auto bytes = env.journal->read_round(number);
      loaded->outcome = bytes ? add_round(loaded->events, owner, *bytes) : status{bytes.error()};
      if (!loaded->outcome) return loaded;
    }
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

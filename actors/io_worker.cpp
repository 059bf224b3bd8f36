#include "actors/io_worker.hpp"

#include "persistence/event_codec.hpp"

namespace tally::actors {
namespace {

void add_tail(loaded_merchant& into, const persistence::state_owner& owner,
              const std::string& round) {
  const auto entries = persistence::decode_round(round);
  if (!entries) {
    into.outcome = entries.error();
    return;
  }
  for (const auto& entry : *entries) {
    if (entry.header.shard != owner.shard) continue;
    persistence::for_each_event(entry.payload, entry.header.count,
                                [&](std::uint32_t i, std::string_view bytes) {
                                  const auto merchant = persistence::peek_merchant(bytes);
                                  if (merchant != owner.merchant) return;
                                  round_item item;
                                  item.merchant = merchant;
                                  item.bytes = bytes;
                                  item.offset = entry.header.base + i;
                                  item.stamped_at = entry.header.stamped_at;
                                  if (item.offset > into.from.state.applied)
                                    into.tail.push_back(item);
                                });
  }
}

}  // namespace

loaded_ptr load_merchant(const node_env& env, const persistence::state_owner& owner,
                         const std::vector<persistence::round_number>& rounds) {
  auto loaded = std::make_shared<loaded_merchant>();
  auto snapshot = persistence::load_snapshot(*env.state, owner);
  if (snapshot) {
    loaded->from = std::move(*snapshot);
    loaded->found = true;
  } else if (snapshot.error().code != errc::not_found) {
    loaded->outcome = snapshot.error();
    return loaded;
  }
  loaded->rounds.reserve(rounds.size());  // items point into these strings: they must not move
  for (const auto number : rounds) {
    auto bytes = env.journal->read_round(number);
    if (!bytes) {
      loaded->outcome = bytes.error();
      return loaded;
    }
    loaded->rounds.push_back(std::move(*bytes));
    add_tail(*loaded, owner, loaded->rounds.back());
    if (!loaded->outcome) return loaded;
  }
  return loaded;
}

io_actor::behavior_type io_worker(io_actor::pointer) {
  return {[](run_atom, const task_ptr& task) { (*task)(); }};
}

}  // namespace tally::actors

#include <algorithm>

#include "actors/command_parts.hpp"
#include "actors/reprocessor.hpp"
#include "persistence/event_codec.hpp"

/// The part of the reprocessor that compares two generations.
namespace tally::actors {

using namespace command_parts;

namespace {

constexpr std::size_t group_max = 256;  // merchants that are brought to one offset at a time
constexpr std::size_t changes_kept_max = 100'000;

}  // namespace

/// A merchant as the generation that serves it was at one offset.
struct reprocessor::seen_merchant {
  target sides;  // from: serves; to: does not
  std::uint64_t offset = 0;
  persistence::state_store::view_ptr view;
};

/// Saves merchants and takes a view of each while it stands still.
result<std::vector<reprocessor::seen_merchant>> reprocessor::look_at(
    const std::vector<target>& group) {
  std::vector<std::future<result<seen_merchant>>> waiting;
  for (const auto& t : group) {
    auto promise = std::make_shared<std::promise<result<seen_merchant>>>();
    waiting.push_back(promise->get_future());
    auto what = std::make_shared<inspection>();
    what->merchant = t.merchant;
    what->save_first = true;
    what->looker = [promise, t, env = context_.env](result<const merchant_state*> state,
                                                    persistence::round_number) {
      promise->set_value(seen_merchant{t, state ? (*state)->applied : 0, env->state->look()});
    };
    inspect(context_.lanes, what);
  }
  std::vector<seen_merchant> seen;
  for (auto& future : waiting) {
    auto one = wait_for(future, answer_timeout);
    if (!one) return one.error();
    seen.push_back(std::move(*one));
  }
  return seen;
}

/// Brings the sides that do not serve to the offsets that were seen.
status reprocessor::bring_to(const std::vector<seen_merchant>& group, const job& j) {
  auto& env = *context_.env;
  struct follower {
    rules_ptr rules;
    std::unique_ptr<persistence::replayed_merchant> state;
    std::uint64_t offset = 0;
  };
  std::map<std::string, follower, std::less<>> followers;
  for (const auto& seen : group) {
    const auto& t = seen.sides;
    follower f{env.generations.find(t.to), nullptr, seen.offset};
    if (!f.rules)
      return failure{errc::conflict, "generation " + std::to_string(t.to) + " is dropped"};
    f.state = std::make_unique<persistence::replayed_merchant>(
        *env.state, owner_of(merchant_hash(t.merchant), t.merchant, t.to),
        f.rules->settings_of(t.merchant), f.rules->rules_of(t.merchant),
        persistence::id_use::shared);
    if (auto resumed = f.state->resume(); !resumed) return resumed;
    followers.emplace(t.merchant, std::move(f));
  }
  status outcome = done{};
  const auto scanned = env.journal->scan(
      j.builder->next(), env.journal->last_round(),
      [&](persistence::round_number, const std::vector<persistence::round_entry>& entries) {
        for (const auto& entry : entries)
          persistence::for_each_event(
              entry.payload, entry.header.count, [&](std::uint32_t i, std::string_view bytes) {
                const auto offset = entry.header.base + i;
                const auto found = followers.find(persistence::peek_merchant(bytes));
                if (found == followers.end() || offset > found->second.offset || !outcome) return;
                outcome = found->second.state->apply(bytes, offset, entry.header.stamped_at);
              });
        return outcome.ok();
      });
  if (!scanned) return scanned;
  if (!outcome) return outcome;
  for (auto& [merchant, f] : followers)
    if (auto saved = f.state->save(); !saved) return saved;
  return done{};
}

result<std::vector<persistence::generation_change>> reprocessor::diff(std::uint32_t number,
                                                                      std::size_t limit) {
  const auto found = find(number);
  if (!found) return found.error();
  auto& j = **found;
  const auto state = j.record.state;
  const bool back = state == generation_state::promoted;
  const bool building = state == generation_state::running || state == generation_state::paused;
  if (!back && !building && state != generation_state::rolled_back)
    return failure{errc::conflict,
                   "generation " + std::to_string(number) + " is " + std::string{to_string(state)}};
  if (building && !j.built)
    return failure{errc::conflict, "generation " + std::to_string(number) + " is not ready yet"};
  const auto kept = context_.env->reads.hold(context_.env->sealed_before);
  if (auto saved = save_everything(); !saved) return saved.error();
  if (auto made = build_up(j, back); !made) return made.error();
  j.built = building;
  const auto targets = targets_of(j, back);
  if (!targets) return targets.error();
  std::vector<persistence::generation_change> changes;
  for (std::size_t begin = 0; begin < targets->size(); begin += group_max) {
    const auto end = std::min(targets->size(), begin + group_max);
    const auto seen = look_at({targets->begin() + static_cast<std::ptrdiff_t>(begin),
                               targets->begin() + static_cast<std::ptrdiff_t>(end)});
    if (!seen) return seen.error();
    if (auto there = bring_to(*seen, j); !there) return there.error();
    for (const auto& one : *seen) {
      const auto hash = merchant_hash(one.sides.merchant);
      persistence::generation_side serving{owner_of(hash, one.sides.merchant, one.sides.from),
                                           one.view};
      persistence::generation_side other{owner_of(hash, one.sides.merchant, one.sides.to), {}};
      const auto& old_side = back ? other : serving;
      const auto& new_side = back ? serving : other;
      if (auto good =
              persistence::compare_generations(*context_.env->state, old_side, new_side, changes);
          !good)
        return good.error();
    }
    if (changes.size() > changes_kept_max) persistence::keep_largest(changes, limit);
  }
  persistence::keep_largest(changes, limit);
  if (!building) j.builder.reset();
  return changes;
}

}  // namespace tally::actors

#include <poll.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>

#include "actors/command_parts.hpp"
#include "actors/crash_points.hpp"
#include "actors/reprocessor.hpp"
#include "persistence/event_codec.hpp"
#include "persistence/registry.hpp"
#include "persistence/serving_stack.hpp"

/// The part of the reprocessor that changes which generation serves.
namespace tally::actors {

using namespace command_parts;

namespace {

constexpr std::chrono::seconds save_timeout{60};
constexpr std::chrono::seconds switch_timeout{300};
constexpr int save_retry_ms = 20;
constexpr std::size_t on_their_way_max = 2'000;  // merchants that change at a time
constexpr std::size_t owners_per_page = 1'000;
constexpr std::uint64_t build_events_per_step = 100'000;

/// Counts merchants that change, so that only so many do at a time.
struct switch_count {
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t waiting = 0, refused = 0;
  failure why;

  void end(const status& outcome) {
    const std::scoped_lock lock{mutex};
    --waiting;
    if (!outcome) {
      ++refused;
      why = outcome.error();
    }
    changed.notify_all();
  }
};

/// Looks again and again: a look may overtake the event on its way from the lane.
void look_until_served(const node_env_ptr& env, const std::vector<lane_actor>& lanes,
                       const std::string& merchant, std::uint32_t generation,
                       const std::shared_ptr<switch_count>& under_way) {
  auto look = std::make_shared<inspection>();
  look->merchant = merchant;
  look->looker = [env, lanes, merchant, generation, under_way, shown = look.get()](
                     result<const merchant_state*>, persistence::round_number) {
    if (shown->generation != generation && !env->draining && !env->is_broken)
      return look_until_served(env, lanes, merchant, generation, under_way);
    env->crash.pass(crash_point::generation_mid_promote);
    under_way->end(done{});
  };
  inspect(lanes, look);
}

}  // namespace

// In this order a crash at any instant leaves every merchant with one generation that is whole:
// the log is held back (tail_hold) from before the other side is known to be saved until all
// merchants have changed.
result<std::size_t> reprocessor::change_sides(job& j, bool back) {
  auto& env = *context_.env;
  const auto on_the_way = back ? generation_state::rolling_back : generation_state::promoting;
  if (back) {
    const auto served = targets_of(j, true);
    if (!served) return served.error();
    const bool default_one =
        j.record.of_all() && env.generations.defaults().back() == j.record.number;
    if (served->empty() && !default_one && j.record.state != on_the_way)
      return failure{errc::conflict,
                     "generation " + std::to_string(j.record.number) + " serves nobody"};
  }
  if (j.record.state != on_the_way)
    if (auto set = set_state(j, on_the_way); !set) return set.error();
  if (env.tail_hold == 0) env.tail_hold = std::max<persistence::round_number>(1, env.saved_before);
  if (j.record.of_all())
    if (auto set = set_defaults(j, back); !set) return set.error();
  if (auto saved = save_everything(); !saved) return saved.error();
  const auto since = env.saved_before.load();
  if (auto made = build_up(j, back); !made) return made.error();
  if (!back)
    if (auto noted =
            persistence::generation_builder::note_rollback(*env.state, j.record.number, since);
        !noted)
      return noted.error();
  if (auto flushed = env.state->flush(); !flushed) return flushed.error();
  env.crash.pass(crash_point::generation_before_promote);
  const auto targets = targets_of(j, back);
  if (!targets) return targets.error();
  const auto change_at = [&](std::size_t i) {
    const auto& t = (*targets)[i];
    return announced{change_for(t, since), t.to};
  };
  if (auto told = announce(targets->size(), change_at); !told) return told.error();
  if (auto flushed = env.state->flush(); !flushed) return flushed.error();
  env.crash.pass(crash_point::generation_after_promote);
  j.record.promote_when_built = false;
  j.builder.reset();
  if (auto set = set_state(j, back ? generation_state::rolled_back : generation_state::promoted);
      !set)
    return set.error();
  const bool others = std::ranges::any_of(jobs_, [](const auto& entry) {
    return entry.second.record.state == generation_state::promoting ||
           entry.second.record.state == generation_state::rolling_back;
  });
  if (!others) env.tail_hold = 0;
  env.tail_of_switch.clear();
  return targets->size();
}

/// Returns once every event that is in the log now is saved and on disk.
status reprocessor::save_everything() {
  auto& env = *context_.env;
  const auto wanted = env.last_round + 1;  // rounds of the journal's own hold no events
  const auto until = std::chrono::steady_clock::now() + save_timeout;
  while (env.saved_before < wanted) {
    if (env.draining || env.is_broken) return failure{errc::unavailable, "the node is ending"};
    for (const auto& lane : context_.lanes) caf::anon_send(lane, save_atom::value, wanted);
    static_cast<void>(request<bool>(context_, context_.keeper, flush_atom::value));
    if (env.saved_before >= wanted) break;
    if (std::chrono::steady_clock::now() > until)
      return failure{errc::unavailable, "merchants are not saved yet"};
    ::poll(nullptr, 0, save_retry_ms);
  }
  return done{};
}

/// What merchants begin with that are new from now on. What was once a default stays in the list:
/// there are merchants that began with it.
status reprocessor::set_defaults(const job& j, bool back) {
  auto defaults = context_.env->generations.defaults();
  const auto below = persistence::below_default(defaults, j.record.number);
  const auto wanted = !back ? j.record.number : below.empty() ? first_generation : below.back();
  if (defaults.back() == wanted) return done{};
  if (back && defaults.back() != j.record.number) return done{};
  defaults.push_back(wanted);
  const auto r = persistence::to_defaults_record(defaults);
  if (auto put = put_meta(context_, r.key, r.value); !put) return put;
  context_.env->generations.set_defaults(std::move(defaults));
  return done{};
}

result<std::vector<std::string>> reprocessor::merchants_of(const job& j) const {
  if (!j.record.of_all()) return j.record.merchants;
  const auto& env = *context_.env;
  std::vector<std::uint32_t> generations{first_generation};
  for (const auto& [number, other] : jobs_) generations.push_back(number);
  std::set<std::string> found;
  for (std::uint32_t shard = 0; shard < shard_count; ++shard)
    for (const auto generation : generations) {
      std::string after;
      for (;;) {
        const auto page = env.state->list_owners(static_cast<std::uint16_t>(shard), generation,
                                                 after, owners_per_page);
        if (!page) return page.error();
        for (const auto& owner : *page)
          if (is_merchant_id(owner.merchant)) found.insert(owner.merchant);
        if (page->size() < owners_per_page) break;
        after = page->back().merchant;
      }
    }
  return std::vector<std::string>{found.begin(), found.end()};
}

result<std::vector<reprocessor::target>> reprocessor::targets_of(job& j, bool back) {
  const auto merchants = merchants_of(j);
  if (!merchants) return merchants.error();
  std::vector<target> targets;
  for (const auto& merchant : *merchants) {
    const auto serving = serving_of(*context_.env, merchant);
    if (!serving) return serving.error();
    if ((serving->generation == j.record.number) != back) continue;
    auto under = below(serving->generation, merchant);
    const auto to = !back ? j.record.number : under.empty() ? first_generation : under.back();
    if (!context_.env->generations.find(to))
      return failure{errc::conflict, "generation " + std::to_string(to) + " of merchant " +
                                         merchant + " is dropped"};
    if (!back) under.push_back(serving->generation);
    if (back && !under.empty()) under.pop_back();
    targets.push_back({merchant, serving->generation, to, std::move(under)});
  }
  return targets;
}

/// Notes for merchants that began with this generation that it serves them: what is built for them
/// to go back to must not look like what they began with.
status reprocessor::pin_newcomers(const job& j) {
  const auto merchants = merchants_of(j);
  if (!merchants) return merchants.error();
  const auto under =
      persistence::below_default(context_.env->generations.defaults(), j.record.number);
  std::vector<std::string> newcomers;
  for (const auto& merchant : *merchants) {
    const auto serving = serving_of(*context_.env, merchant);
    if (!serving) return serving.error();
    const bool pinned = persistence::find_serving(*context_.env->journal, merchant).ok();
    if (pinned || serving->generation != j.record.number) continue;
    newcomers.push_back(merchant);
  }
  return announce(newcomers.size(), [&](std::size_t i) {
    auto what = std::make_shared<registry_change>();
    what->merchant = newcomers[i];
    what->records.push_back(persistence::to_record(newcomers[i], {j.record.number, 0, 0}, under));
    return announced{what, j.record.number};
  });
}

/// Builds the side that is to serve up to what is saved.
status reprocessor::build_up(job& j, bool back) {
  if (back)
    if (auto pinned = pin_newcomers(j); !pinned) return pinned;
  if (auto made = make_builder(j, back); !made) return made;
  const auto end = context_.env->saved_before.load();
  while (j.builder->next() < end) {
    if (context_.env->draining || context_.env->is_broken)
      return failure{errc::unavailable, "the node is ending"};
    const auto read = j.builder->step(end, build_events_per_step);
    if (!read) return read.error();
    if (j.unknown) return *j.unknown;
  }
  return j.builder->save();
}

/// One promotion event for each merchant, in its own journal, with the record of what serves.
registry_change_ptr reprocessor::change_for(const target& t,
                                            persistence::round_number since) const {
  const auto& env = *context_.env;
  event e;
  e.kind = event_kind::promotion;
  e.merchant = t.merchant;
  e.name = "promotion";
  e.count = t.to;
  e.at = e.received_at = env.now();
  auto what = std::make_shared<registry_change>();
  what->merchant = t.merchant;
  persistence::encode_event(e, what->event);
  what->records.push_back(persistence::to_record(t.merchant, {t.to, t.from, since}, t.below));
  const auto from = env.generations.find(t.from), to = env.generations.find(t.to);
  const bool fixed = (from && from->fixes(t.merchant)) || (to && to->fixes(t.merchant));
  if (!fixed) return what;
  auto known = persistence::find_merchant(*env.journal, t.merchant);
  const auto head =
      persistence::load_snapshot(*env.state, owner_of(merchant_hash(t.merchant), t.merchant, t.to));
  if (known && head) {
    known->zone = head->state.zone_name;
    known->currency = head->state.currency;
    what->records.push_back(persistence::to_record(*known));
  }
  return what;
}

status reprocessor::announce(std::size_t count,
                             const std::function<announced(std::size_t)>& change_at) {
  const auto under_way = std::make_shared<switch_count>();
  const auto until = std::chrono::steady_clock::now() + switch_timeout;
  const auto wait = [&](std::size_t most) {
    std::unique_lock lock{under_way->mutex};
    while (under_way->waiting > most) {
      if (context_.env->draining || context_.env->is_broken ||
          std::chrono::steady_clock::now() > until)
        return false;
      under_way->changed.wait_for(lock, std::chrono::milliseconds{100});
    }
    return true;
  };
  for (std::size_t i = 0; i < count; ++i) {
    if (!wait(on_their_way_max)) return failure{errc::unavailable, "merchants did not change yet"};
    {
      const std::scoped_lock lock{under_way->mutex};
      ++under_way->waiting;
    }
    const auto [what, generation] = change_at(i);
    what->then = [under_way, env = context_.env, lanes = context_.lanes, merchant = what->merchant,
                  generation = generation](const status& outcome) {
      if (!outcome) return under_way->end(outcome);
      look_until_served(env, lanes, merchant, generation, under_way);
    };
    const auto lane = lane_of(what->merchant);
    caf::anon_send(context_.lanes[lane], run_atom::value, what);
  }
  if (!wait(0)) return failure{errc::unavailable, "merchants did not change yet"};
  const std::scoped_lock lock{under_way->mutex};
  if (under_way->refused != 0) return under_way->why;
  return done{};
}

status reprocessor::remove(job& j) {
  auto& env = *context_.env;
  j.builder.reset();
  const auto number = j.record.number;
  for (std::uint32_t shard = 0; shard < shard_count; ++shard)
    for (;;) {
      const auto page =
          env.state->list_owners(static_cast<std::uint16_t>(shard), number, {}, owners_per_page);
      if (!page) return page.error();
      if (page->empty()) break;
      persistence::state_store::batch b;
      for (const auto& owner : *page) b.drop_owner(owner, false);
      if (auto written = env.state->write(std::move(b)); !written) return written;
    }
  persistence::state_store::batch b;
  b.drop_owner(persistence::generation_builder::progress_owner(number), false);
  if (auto written = env.state->write(std::move(b)); !written) return written;
  if (auto set = set_state(j, generation_state::dropped); !set) return set;
  env.generations.remove(number);
  return done{};
}

}  // namespace tally::actors

#include "actors/reprocessor.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "actors/command_parts.hpp"
#include "persistence/serving_stack.hpp"

namespace tally::actors {

using namespace command_parts;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr milliseconds idle{500};
constexpr milliseconds slice{100};  // of work between two messages
constexpr std::uint64_t unlimited_events_per_slice = 100'000;
constexpr std::size_t building_max = 4;
constexpr std::size_t generations_max = 10'000;
constexpr milliseconds asks_every{300};

bool is_building(generation_state state) {
  return state == generation_state::running || state == generation_state::paused;
}

failure not_in(const generation_record& g, std::string_view wanted) {
  return {errc::conflict, "generation " + std::to_string(g.number) + " is " +
                              std::string{to_string(g.state)} + ", not " + std::string{wanted}};
}

}  // namespace

status reprocessor::load() {
  auto all = persistence::list_generations(*context_.env->journal);
  if (!all) return all.error();
  for (auto& g : *all) {
    auto& j = add(std::move(g));
    // What was being served from is not followed before it is wanted again.
    if (!is_building(j.record.state)) continue;
    if (auto made = make_builder(j, false); !made) return made;
  }
  return done{};
}

reprocessor::job& reprocessor::add(generation_record record) {
  auto& j = jobs_[record.number];
  j.merchants = {record.merchants.begin(), record.merchants.end()};
  j.record = std::move(record);
  return j;
}

result<reprocessor::job*> reprocessor::find(std::uint32_t number) {
  const auto found = jobs_.find(number);
  if (found == jobs_.end()) return failure{errc::not_found, "generation " + std::to_string(number)};
  return &found->second;
}

status reprocessor::set_state(job& j, generation_state state) {
  auto record = j.record;
  record.state = state;
  const auto r = to_record(record);
  if (auto put = put_meta(context_, r.key, r.value); !put) return put;
  j.record = std::move(record);
  spdlog::info("generation_changed number={} state={}", j.record.number, to_string(state));
  return done{};
}

result<generation_record> reprocessor::start(const generation_wish& wish) {
  const auto building = std::ranges::count_if(
      jobs_, [](const auto& entry) { return is_building(entry.second.record.state); });
  if (static_cast<std::size_t>(building) >= building_max)
    return failure{errc::over_limit, "at most " + std::to_string(building_max) +
                                         " generations are built at a time: promote or drop one"};
  if (jobs_.size() >= generations_max)
    return failure{errc::over_limit, "at most " + std::to_string(generations_max) + " generations"};
  generation_record g;
  g.number = jobs_.empty() ? first_generation + 1 : jobs_.rbegin()->first + 1;
  g.ruleset = wish.ruleset;
  g.merchants = wish.merchants;
  g.promote_when_built = wish.promote_when_built;
  g.created_ms = to_ms(context_.env->now());
  if (auto inherited = inherit_reporting(g); !inherited) return inherited.error();
  if (!wish.zone.empty())
    for (const auto& merchant : wish.merchants) g.reporting[merchant] = {wish.zone, wish.currency};
  auto rules = persistence::load_rules(*context_.env->journal, g,
                                       persistence::load_settings(*context_.env->journal));
  if (!rules) return rules.error();
  const auto r = to_record(g);
  if (auto put = put_meta(context_, r.key, r.value); !put) return put.error();
  context_.env->generations.put(std::make_shared<persistence::generation_rules>(std::move(*rules)));
  auto& j = add(std::move(g));
  if (auto made = make_builder(j, false); !made) return made.error();
  spdlog::info("generation_started number={} ruleset={} merchants={}", j.record.number,
               j.record.ruleset, j.record.of_all() ? "all" : std::to_string(j.merchants.size()));
  return j.record;
}

/// A zone or currency that the serving generation fixed for a merchant stays as it is.
status reprocessor::inherit_reporting(generation_record& g) const {
  const std::unordered_set<std::string> wanted{g.merchants.begin(), g.merchants.end()};
  for (const auto& [number, other] : jobs_)
    for (const auto& [merchant, settings] : other.record.reporting) {
      if (!g.of_all() && !wanted.contains(merchant)) continue;
      const auto serving = serving_of(*context_.env, merchant);
      if (!serving) return serving.error();
      if (serving->generation == number) g.reporting[merchant] = settings;
    }
  return done{};
}

status reprocessor::make_builder(job& j, bool back) {
  auto& env = *context_.env;
  const auto place = back ? persistence::rollback_place : persistence::build_place;
  j.builder = std::make_unique<persistence::generation_builder>(
      *env.journal, *env.state, j.record.number, place,
      [this, &j, back](std::string_view merchant) { return choose(j, back, merchant); },
      persistence::id_use::shared, env.history.get());
  j.built = false;
  j.wanted = env.last_round + 1;
  j.measured = steady_clock::now();
  j.events = 0;
  j.unknown.reset();
  return j.builder->resume();
}

/// Which rules a merchant's side that does not serve is built under; null where it has none.
rules_ptr reprocessor::choose(job& j, bool back, std::string_view merchant) {
  if (!is_merchant_id(merchant)) return nullptr;
  if (!j.record.of_all() && !j.merchants.contains(std::string{merchant})) return nullptr;
  const auto serving = serving_of(*context_.env, merchant);
  if (!serving) {
    j.unknown = serving.error();
    return nullptr;
  }
  const bool serves = serving->generation == j.record.number;
  if (serves != back) return nullptr;
  return context_.env->generations.find(back ? before(j.record.number, merchant) : j.record.number);
}

/// What served a merchant before this generation does. One that began with it goes back to what new
/// merchants had before.
std::vector<std::uint32_t> reprocessor::below(std::uint32_t number,
                                              std::string_view merchant) const {
  auto known = persistence::find_below(*context_.env->journal, merchant);
  if (known) return std::move(*known);
  return persistence::below_default(context_.env->generations.defaults(), number);
}

std::uint32_t reprocessor::before(std::uint32_t number, std::string_view merchant) const {
  const auto all = below(number, merchant);
  return all.empty() ? first_generation : all.back();
}

generation_progress reprocessor::progress_of(const job& j) const {
  generation_progress p{j.record, j.built, 1, j.events_per_s, 0};
  if (!is_building(j.record.state) || j.built || !j.builder) return p;
  const auto end = std::max(j.wanted, context_.env->saved_before.load());
  const auto read = j.builder->reached() - 1;
  const auto all = std::max<persistence::round_number>(1, end - 1);
  p.progress = std::min(0.999, static_cast<double>(read) / static_cast<double>(all));
  const std::chrono::duration<double> took = steady_clock::now() - j.measured;
  if (p.progress > 0 && j.events_per_s > 0)
    p.remaining_s = took.count() * (1 - p.progress) / p.progress;
  return p;
}

result<generation_progress> reprocessor::look(std::uint32_t number) const {
  const auto found = jobs_.find(number);
  if (found == jobs_.end()) return failure{errc::not_found, "generation " + std::to_string(number)};
  return progress_of(found->second);
}

std::vector<generation_progress> reprocessor::list() const {
  std::vector<generation_progress> all;
  for (const auto& [number, j] : jobs_) all.push_back(progress_of(j));
  return all;
}

status reprocessor::pause(std::uint32_t number) {
  const auto j = find(number);
  if (!j) return j.error();
  if ((*j)->record.state == generation_state::paused) return done{};
  if ((*j)->record.state != generation_state::running) return not_in((*j)->record, "running");
  if (auto saved = (*j)->builder->save(); !saved) return saved;
  return set_state(**j, generation_state::paused);
}

status reprocessor::resume(std::uint32_t number) {
  const auto j = find(number);
  if (!j) return j.error();
  if ((*j)->record.state == generation_state::running) return done{};
  const bool failed = (*j)->record.state == generation_state::failed;
  if ((*j)->record.state != generation_state::paused && !failed)
    return not_in((*j)->record, "paused");
  if (auto made = make_builder(**j, false); !made) return made;
  (*j)->record.problem.clear();
  return set_state(**j, generation_state::running);
}

result<std::size_t> reprocessor::promote(std::uint32_t number) {
  const auto j = find(number);
  if (!j) return j.error();
  auto& g = (*j)->record;
  if (g.state == generation_state::running && !(*j)->built)
    return failure{errc::conflict, "generation " + std::to_string(number) + " is not ready yet"};
  if (g.state != generation_state::running && g.state != generation_state::rolled_back &&
      g.state != generation_state::promoting)
    return not_in(g, "ready or rolled back");
  return change_sides(**j, false);
}

result<std::size_t> reprocessor::rollback(std::uint32_t number) {
  const auto j = find(number);
  if (!j) return j.error();
  const auto& g = (*j)->record;
  if (g.state != generation_state::promoted && g.state != generation_state::rolling_back)
    return not_in(g, "promoted");
  return change_sides(**j, true);
}

status reprocessor::drop(std::uint32_t number) {
  const auto found = find(number);
  if (!found) return found.error();
  auto& j = **found;
  const auto state = j.record.state;
  if (state == generation_state::dropped) return done{};
  if (!is_building(state) && state != generation_state::rolled_back &&
      state != generation_state::failed && state != generation_state::dropping)
    return failure{errc::conflict,
                   "generation " + std::to_string(number) + " serves: roll it back first"};
  if (auto set = set_state(j, generation_state::dropping); !set) return set;
  return remove(j);
}

void reprocessor::fail(job& j, const failure& why) {
  spdlog::error("generation_failed number={} reason={}", j.record.number, why.text());
  j.builder.reset();
  j.record.problem = why.text();
  if (auto set = set_state(j, generation_state::failed); !set)
    spdlog::warn("generation_not_noted reason={}", set.error().text());
}

void reprocessor::measure(job& j, std::uint64_t events) {
  j.events += events;
  const std::chrono::duration<double> took = steady_clock::now() - j.measured;
  if (took.count() > 0) j.events_per_s = static_cast<double>(j.events) / took.count();
}

/// What merchants have not saved cannot be read: they are asked to save now and then until
/// everything that was there at the start is.
void reprocessor::ask_for_saves() {
  const auto now = steady_clock::now();
  if (now - asked_ < asks_every) return;
  asked_ = now;
  for (const auto& lane : context_.lanes)
    caf::anon_send(lane, save_atom::value, std::uint64_t{context_.env->last_round + 1});
  caf::anon_send(context_.keeper, flush_atom::value);
}

std::uint64_t reprocessor::work_on(job& j) {
  const auto& env = *context_.env;
  const auto rate = env.options.reprocess_events_per_s;
  const auto budget = rate == 0 ? unlimited_events_per_slice
                                : std::max<std::uint64_t>(1, rate * slice.count() / 1'000);
  const auto end = env.saved_before.load();
  const auto read = j.builder->step(end, budget);
  if (!read || j.unknown) {
    fail(j, read ? *j.unknown : read.error());
    return 0;
  }
  if (!j.built) measure(j, *read);
  if (j.builder->next() < end) return *read;
  if (auto saved = j.builder->save(); !saved) {
    fail(j, saved.error());
    return 0;
  }
  context_.env->crash.pass(crash_point::generation_after_save);
  if (j.built) return *read;
  if (end < j.wanted) {
    ask_for_saves();
    return *read;
  }
  j.built = true;
  spdlog::info("generation_built number={} events={}", j.record.number, j.events);
  if (j.record.promote_when_built)
    if (const auto promoted = promote(j.record.number); !promoted)
      spdlog::warn("generation_not_promoted number={} reason={}", j.record.number,
                   promoted.error().text());
  return *read;
}

milliseconds reprocessor::tick() {
  const auto& env = *context_.env;
  if (env.draining || env.is_broken) return idle;
  const auto began = steady_clock::now();
  std::uint64_t events = 0;
  bool more = false;
  for (auto& [number, j] : jobs_) {
    switch (j.record.state) {
      case generation_state::running:
        events += work_on(j);
        more = more || (j.builder && (!j.built || j.builder->next() < env.saved_before));
        break;
      case generation_state::promoting:
      case generation_state::rolling_back: {
        const auto changed = change_sides(j, j.record.state == generation_state::rolling_back);
        if (!changed)
          spdlog::warn("generation_waits number={} reason={}", number, changed.error().text());
        break;
      }
      case generation_state::dropping:
        static_cast<void>(remove(j));
        break;
      default:
        break;
    }
  }
  if (!more) return idle;
  if (events == 0) return milliseconds{20};
  const auto rate = env.options.reprocess_events_per_s;
  if (rate == 0) return milliseconds{0};
  const auto due = milliseconds{events * 1'000 / rate};
  const auto took = std::chrono::duration_cast<milliseconds>(steady_clock::now() - began);
  return std::max(milliseconds{0}, due - took);
}

reprocess_actor::behavior_type reprocess(reprocess_actor::pointer self, command_context context) {
  const auto env = context.env;
  const auto state = std::make_shared<reprocessor>(std::move(context));
  if (const auto loaded = state->load(); !loaded)
    env->on_broken("generations: " + loaded.error().text());
  self->send(self, tick_atom::value);
  return {
      [state](run_atom, const reprocess_task& task) { (*task)(*state); },
      [self, state](tick_atom) { self->delayed_send(self, state->tick(), tick_atom::value); },
  };
}

}  // namespace tally::actors

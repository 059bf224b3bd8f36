#include "persistence/trial.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>

#include "domain/event.hpp"
#include "domain/shard.hpp"
#include "persistence/generation_builder.hpp"
#include "persistence/generation_store.hpp"
#include "persistence/journal.hpp"
#include "persistence/state_store.hpp"

namespace tally::persistence {
namespace {

constexpr std::uint32_t old_side = 1, new_side = 2;  // in the scratch store
constexpr std::uint64_t events_per_step = 100'000;
constexpr std::size_t owners_per_page = 1'000;

/// The rules that serve merchants, each set under the scratch store's number.
class serving_rules {
 public:
  serving_rules(const journal& log, const state_store* state) : log_{log}, state_{state} {}

  status load() {
    const auto settings = load_settings(log_);
    auto defaults = load_defaults(log_);
    if (!defaults) return defaults.error();
    defaults_ = std::move(*defaults);
    add(first_generation, first_rules(ruleset{}, settings));
    const auto records = list_generations(log_);
    if (!records) return records.error();
    for (const auto& g : *records) {
      if (g.state == generation_state::dropped) continue;
      auto rules = load_rules(log_, g, settings);
      if (!rules) return rules.error();
      add(g.number, std::move(*rules));
    }
    return done{};
  }
  /// Null where the generation is not known.
  rules_ptr of(std::string_view merchant) const {
    const auto serving = serving_of(log_, state_, defaults_, merchant);
    if (!serving) return nullptr;
    const auto found = rules_.find(serving->generation);
    return found == rules_.end() ? nullptr : found->second;
  }
  /// Zones and currencies that serve.
  std::map<std::string, initial_settings, std::less<>> reporting() const {
    std::map<std::string, initial_settings, std::less<>> all;
    for (const auto& [number, rules] : rules_)
      for (const auto& [merchant, settings] : rules->reporting)
        if (of(merchant) == rules) all[merchant] = settings;
    return all;
  }

 private:
  void add(std::uint32_t number, generation_rules rules) {
    rules.number = old_side;
    rules_[number] = std::make_shared<const generation_rules>(std::move(rules));
  }

  const journal& log_;
  const state_store* state_;
  std::vector<std::uint32_t> defaults_;
  std::map<std::uint32_t, rules_ptr> rules_;
};

/// Replays up to `last` into the scratch store; gives the events read.
result<std::uint64_t> replay_side(generation_builder& builder, round_number last,
                                  const std::function<void(round_number)>& progress) {
  std::uint64_t events = 0;
  if (auto begun = builder.resume(); !begun) return begun.error();
  while (builder.next() <= last) {
    const auto read = builder.step(last + 1, events_per_step);
    if (!read) return read.error();
    events += *read;
    progress(builder.reached() - 1);
  }
  if (auto saved = builder.save(); !saved) return saved.error();
  return events;
}

status compare_all(const state_store& scratch, std::size_t changes_max, trial_report& report) {
  for (std::uint32_t shard = 0; shard < shard_count; ++shard) {
    std::string after;
    for (;;) {
      const auto page =
          scratch.list_owners(static_cast<std::uint16_t>(shard), old_side, after, owners_per_page);
      if (!page) return page.error();
      for (const auto& owner : *page) {
        ++report.merchants;
        const state_owner other{owner.shard, new_side, owner.merchant};
        if (auto compared = compare_generations(scratch, {owner, {}}, {other, {}}, report.changes);
            !compared)
          return compared;
      }
      keep_largest(report.changes, changes_max);
      if (page->size() < owners_per_page) break;
      after = page->back().merchant;
    }
  }
  return done{};
}

result<trial_report> try_in(const trial_options& options, const journal& log, const history* past,
                            const state_store* state, state_store& scratch,
                            const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  serving_rules serving{log, state};
  if (auto loaded = serving.load(); !loaded) return loaded.error();
  const auto last = log.last_round();
  const auto wanted = [&](std::string_view merchant) {
    return is_merchant_id(merchant) &&
           (options.merchants.empty() ||
            std::ranges::find(options.merchants, merchant) != options.merchants.end());
  };
  trial_report report;
  generation_builder before{
      log,
      scratch,
      old_side,
      0,
      [&](std::string_view merchant) { return wanted(merchant) ? serving.of(merchant) : nullptr; },
      id_use::own,
      past};
  const auto events = replay_side(before, last, [&](round_number at) { progress(at, last * 2); });
  if (!events) return events.error();
  report.events = *events;
  auto tried = first_rules(options.rules, load_settings(log));
  tried.number = new_side;
  tried.reporting = serving.reporting();
  const auto rules = std::make_shared<const generation_rules>(std::move(tried));
  generation_builder after{
      log,
      scratch,
      new_side,
      0,
      [&](std::string_view merchant) { return wanted(merchant) ? rules : nullptr; },
      id_use::shared,
      past};
  const auto again =
      replay_side(after, last, [&](round_number at) { progress(last + at, last * 2); });
  if (!again) return again.error();
  if (auto compared = compare_all(scratch, options.changes_max, report); !compared)
    return compared.error();
  return report;
}

}  // namespace

result<trial_report> try_ruleset(
    const trial_options& options,
    const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  if (!std::filesystem::exists(options.data_dir + "/journal"))
    return failure{errc::not_found, options.data_dir + " has no journal"};
  journal_options log_options;
  log_options.path = options.data_dir + "/journal";
  log_options.read_only = true;
  const auto log = journal::open(log_options);
  if (!log) return log.error();
  state_options stored_options;
  stored_options.path = options.data_dir + "/state";
  stored_options.read_only = true;
  const auto stored = state_store::open(stored_options);
  if (!stored && stored.error().code != errc::not_found) return stored.error();
  history_options past_options;
  past_options.path = options.data_dir + "/history";
  past_options.read_only = true;
  const auto past = history::open(past_options);
  if (!past && past.error().code != errc::not_found) return past.error();
  state_options scratch_options;
  scratch_options.path = options.scratch_dir;
  std::error_code ignored;
  std::filesystem::remove_all(options.scratch_dir, ignored);
  auto scratch = state_store::open(scratch_options);
  if (!scratch) return scratch.error();
  auto report = try_in(options, **log, past ? past->get() : nullptr,
                       stored ? stored->get() : nullptr, **scratch, progress);
  scratch->reset();
  std::filesystem::remove_all(options.scratch_dir, ignored);
  return report;
}

}  // namespace tally::persistence

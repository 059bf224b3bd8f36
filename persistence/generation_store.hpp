#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "domain/ruleset.hpp"
#include "persistence/journal.hpp"
#include "persistence/replay.hpp"

namespace tally::persistence {

/// The generation that every data directory begins with: default ruleset, the merchants' settings.
constexpr std::uint32_t first_generation = 1;
constexpr std::uint32_t logic_version = 1;

/// What is to become of a generation. Those that end in -ing go on after a crash.
enum class generation_state : std::uint8_t {
  running,
  paused,
  promoting,
  promoted,
  rolling_back,
  rolled_back,
  dropping,
  dropped,
  failed,
};
[[nodiscard]] std::string_view to_string(generation_state state);

/// A generation: what fixes its numbers, for whom, and how far it has come. In the journal's
/// `meta`: "generation/" and the number in 8 digits; value JSON.
struct generation_record {
  std::uint32_t number = first_generation;
  std::uint32_t ruleset = 1;
  std::uint32_t logic = logic_version;
  // Zone and currency of merchants that did not keep those they were created with.
  std::map<std::string, initial_settings, std::less<>> reporting;
  std::vector<std::string> merchants;  // empty: all
  generation_state state = generation_state::running;
  std::string problem;  // of a failed one
  bool promote_when_built = false;
  std::int64_t created_ms = 0;

  [[nodiscard]] bool of_all() const { return merchants.empty(); }
};
[[nodiscard]] record to_record(const generation_record& g);
/// In the order of their numbers, without the first.
result<std::vector<generation_record>> list_generations(const journal& log);

/// A generation's rules in memory. Immutable.
struct generation_rules {
  std::uint32_t number = first_generation;
  std::int64_t created_ms = 0;  // 0 of the first
  ruleset rules;
  ruleset fixed_rules;  // the same for merchants whose zone and currency the generation fixes
  initial_settings settings;
  std::map<std::string, initial_settings, std::less<>> reporting;

  [[nodiscard]] bool fixes(std::string_view merchant) const { return reporting.contains(merchant); }
  [[nodiscard]] const ruleset& rules_of(std::string_view merchant) const {
    return fixes(merchant) ? fixed_rules : rules;
  }
  /// As the merchant begins in it.
  [[nodiscard]] const initial_settings& settings_of(std::string_view merchant) const {
    const auto found = reporting.find(merchant);
    return found == reporting.end() ? settings : found->second;
  }
};
/// `settings` are those of the data directory.
result<generation_rules> load_rules(const journal& log, const generation_record& g,
                                    const initial_settings& settings);
/// The first generation, by these rules.
[[nodiscard]] generation_rules first_rules(const ruleset& rules, const initial_settings& settings);

/// Which generation questions about a merchant see. Of the `merchants` family: key shard u16be,
/// merchant, 0, 'g'; value JSON. Written in the same round as the promotion event. not_found: no
/// generation was promoted for this merchant by itself.
struct serving_record {
  std::uint32_t generation = first_generation;
  std::uint32_t previous = 0;  // 0: none
  round_number since = 0;      // in earlier rounds the other one lacks nothing
};
[[nodiscard]] record to_record(std::string_view merchant, const serving_record& s);
result<serving_record> find_serving(const journal& log, std::string_view merchant);

/// Generations that new merchants began with, the oldest first; the last one is that of today. In
/// `meta`: "new_merchants"; value: JSON array.
result<std::vector<std::uint32_t>> load_defaults(const journal& log);
[[nodiscard]] record to_defaults_record(const std::vector<std::uint32_t>& defaults);

/// Which generation a merchant's questions see. Without a promotion of its own it is the one that
/// was there when the merchant was new: the oldest default in which it has a state, else that of
/// today. A null `store` has no states.
result<serving_record> serving_of(const journal& log, const state_store* store,
                                  const std::vector<std::uint32_t>& defaults,
                                  std::string_view merchant);

/// Zone and currency that the data directory was made with.
[[nodiscard]] initial_settings load_settings(const journal& log);

}  // namespace tally::persistence

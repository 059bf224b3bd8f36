#include "persistence/generation_store.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "domain/bytes.hpp"
#include "domain/shard.hpp"
#include "persistence/ruleset_store.hpp"
#include "persistence/serving_stack.hpp"
#include "persistence/state_codec.hpp"

namespace tally::persistence {
namespace {

using nlohmann::json;

constexpr std::string_view prefix = "generation/";
constexpr std::string_view defaults_key = "new_merchants";
constexpr std::array<std::string_view, 9> states{"running",  "paused",       "promoting",
                                                 "promoted", "rolling_back", "rolled_back",
                                                 "dropping", "dropped",      "failed"};

std::string serving_key(std::string_view merchant) {
  std::string key;
  byte_writer out{key};
  out.u16be(shard_of(merchant_hash(merchant)));
  out.raw(merchant);
  out.u8(0);
  out.u8('g');
  return key;
}

result<generation_record> parse(const record& r) {
  const auto j = json::parse(r.value, nullptr, false);
  if (!j.is_object()) return failure{errc::corrupt_record, "record " + r.key};
  generation_record g;
  g.number = j.value("number", 0u);
  g.ruleset = j.value("ruleset", 1u);
  g.logic = j.value("logic", logic_version);
  const auto reporting = j.value("reporting", json::object());
  for (const auto& [merchant, settings] : reporting.items()) {
    if (!settings.is_array() || settings.size() != 2 || !settings[0].is_string() ||
        !settings[1].is_string())
      return failure{errc::corrupt_record, "record " + r.key};
    g.reporting[merchant] = {settings[0].get<std::string>(), settings[1].get<std::string>()};
  }
  g.merchants = j.value("merchants", std::vector<std::string>{});
  const auto state = std::ranges::find(states, j.value("state", ""));
  if (state == states.end() || g.number <= first_generation)
    return failure{errc::corrupt_record, "record " + r.key};
  g.state = static_cast<generation_state>(state - states.begin());
  g.problem = j.value("problem", "");
  g.promote_when_built = j.value("promote_when_built", false);
  g.created_ms = j.value("created_ms", std::int64_t{0});
  return g;
}

}  // namespace

std::string_view to_string(generation_state state) {
  return states[static_cast<std::size_t>(state)];
}

record to_record(const generation_record& g) {
  char digits[16];
  std::snprintf(digits, sizeof digits, "%08u", g.number);
  auto reporting = json::object();
  for (const auto& [merchant, settings] : g.reporting)
    reporting[merchant] = {settings.zone, settings.currency};
  const json j{{"number", g.number},        {"ruleset", g.ruleset},
               {"logic", g.logic},          {"reporting", std::move(reporting)},
               {"merchants", g.merchants},  {"state", to_string(g.state)},
               {"problem", g.problem},      {"promote_when_built", g.promote_when_built},
               {"created_ms", g.created_ms}};
  return {std::string{prefix} + digits, j.dump(-1, ' ', false, json::error_handler_t::replace)};
}

result<std::vector<generation_record>> list_generations(const journal& log) {
  const auto records = log.list_meta(prefix);
  if (!records) return records.error();
  std::vector<generation_record> all;
  for (const auto& r : *records) {
    auto g = parse(r);
    if (!g) return g.error();
    all.push_back(std::move(*g));
  }
  return all;
}

result<generation_rules> load_rules(const journal& log, const generation_record& g,
                                    const initial_settings& settings) {
  if (g.logic != logic_version)
    return failure{errc::unsupported, "generation " + std::to_string(g.number) +
                                          " needs logic version " + std::to_string(g.logic) +
                                          ", which this program does not have"};
  auto rules = find_ruleset(log, g.ruleset);
  if (!rules) return rules.error();
  auto loaded = first_rules(*rules, settings);
  loaded.number = g.number;
  loaded.created_ms = g.created_ms;
  loaded.reporting = g.reporting;
  return loaded;
}

generation_rules first_rules(const ruleset& rules, const initial_settings& settings) {
  generation_rules made;
  made.rules = made.fixed_rules = rules;
  made.fixed_rules.reporting_fixed = true;
  made.settings = settings;
  return made;
}

record to_record(std::string_view merchant, const serving_record& s) {
  return to_record(merchant, s, {});
}

record to_record(std::string_view merchant, const serving_record& s,
                 const std::vector<std::uint32_t>& below) {
  const auto skipped = below.size() - std::min(below.size(), generations_below_max);
  const std::vector<std::uint32_t> kept{below.begin() + static_cast<std::ptrdiff_t>(skipped),
                                        below.end()};
  const json j{
      {"generation", s.generation}, {"previous", s.previous}, {"since", s.since}, {"below", kept}};
  return {serving_key(merchant), j.dump()};
}

result<std::vector<std::uint32_t>> find_below(const journal& log, std::string_view merchant) {
  const auto value = log.get_merchant(serving_key(merchant));
  if (!value) return value.error();
  const auto j = json::parse(*value, nullptr, false);
  std::vector<std::uint32_t> below;
  const bool good = j.is_object() && j.contains("below") && j["below"].is_array();
  if (good)
    for (const auto& g : j["below"])
      if (g.is_number_unsigned()) below.push_back(g.get<std::uint32_t>());
  if (!good || below.size() != j["below"].size())
    return failure{errc::corrupt_record, "serving generation of " + std::string{merchant}};
  return below;
}

// A default that equals the one below the newest takes the newest back.
std::vector<std::uint32_t> below_default(const std::vector<std::uint32_t>& defaults,
                                         std::uint32_t generation) {
  std::vector<std::uint32_t> stack, below;
  for (const auto number : defaults) {
    if (stack.size() > 1 && stack[stack.size() - 2] == number)
      stack.pop_back();
    else
      stack.push_back(number);
    if (stack.back() == generation) below = {stack.begin(), std::prev(stack.end())};
  }
  return below;
}

result<serving_record> find_serving(const journal& log, std::string_view merchant) {
  const auto value = log.get_merchant(serving_key(merchant));
  if (!value) return value.error();
  const auto j = json::parse(*value, nullptr, false);
  serving_record s;
  if (j.is_object()) s.generation = j.value("generation", 0u);
  if (!j.is_object() || s.generation == 0)
    return failure{errc::corrupt_record, "serving generation of " + std::string{merchant}};
  s.previous = j.value("previous", 0u);
  s.since = j.value("since", round_number{0});
  return s;
}

result<std::vector<std::uint32_t>> load_defaults(const journal& log) {
  const auto value = log.get_meta(defaults_key);
  if (!value && value.error().code == errc::not_found)
    return std::vector<std::uint32_t>{first_generation};
  if (!value) return value.error();
  const auto j = json::parse(*value, nullptr, false);
  std::vector<std::uint32_t> defaults;
  if (j.is_array())
    for (const auto& g : j)
      if (g.is_number_unsigned()) defaults.push_back(g.get<std::uint32_t>());
  if (defaults.empty() || defaults.size() != j.size())
    return failure{errc::corrupt_record, "record " + std::string{defaults_key}};
  return defaults;
}

record to_defaults_record(const std::vector<std::uint32_t>& defaults) {
  return {std::string{defaults_key}, json(defaults).dump()};
}

result<serving_record> serving_of(const journal& log, const state_store* store,
                                  const std::vector<std::uint32_t>& defaults,
                                  std::string_view merchant) {
  auto found = find_serving(log, merchant);
  if (found || found.error().code != errc::not_found) return found;
  serving_record serving;
  serving.generation = defaults.back();
  if (defaults.size() == 1 || store == nullptr) return serving;
  state_owner owner{shard_of(merchant_hash(merchant)), 0, std::string{merchant}};
  for (const auto generation : defaults) {
    owner.generation = generation;
    const auto head = store->read_page(owner, head_part, 0);
    if (!head && head.error().code == errc::not_found) continue;
    serving.generation = generation;
    break;
  }
  return serving;
}

initial_settings load_settings(const journal& log) {
  initial_settings settings;
  if (auto zone = log.get_meta("settings/zone")) settings.zone = std::move(*zone);
  if (auto currency = log.get_meta("settings/currency")) settings.currency = std::move(*currency);
  return settings;
}

}  // namespace tally::persistence

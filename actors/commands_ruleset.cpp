#include <algorithm>

#include "actors/command_parts.hpp"
#include "persistence/ruleset_store.hpp"
#include "persistence/ruleset_text.hpp"

namespace tally::actors::command_parts {

namespace {

constexpr std::size_t rulesets_max = 10'000;

result<ruleset> ruleset_named(command_context& context, const std::string& word) {
  const auto version = std::strtoul(word.c_str(), nullptr, 10);
  if (version == 0 || version > 99'999'999)
    return failure{errc::bad_request, "'" + word + "' is no version of a ruleset"};
  return persistence::find_ruleset(*context.env->journal, static_cast<std::uint32_t>(version));
}

outcome_text ruleset_add(command_context& context, const arguments& a) {
  if (a.words.size() != 1) return usage("ruleset add TEXT");
  const auto version = add_ruleset(context, a.words[0]);
  if (!version) return version.error();
  return json{{"version", *version}}.dump();
}

outcome_text ruleset_list(command_context& context, const arguments&) {
  const auto all = persistence::list_rulesets(*context.env->journal);
  if (!all) return all.error();
  auto list = json::array();
  for (const auto& r : *all) {
    const auto rules = json::parse(r.text, nullptr, false);
    if (rules.is_discarded())
      return failure{errc::corrupt_record, "ruleset " + std::to_string(r.version)};
    list.push_back({{"version", r.version},
                    {"names", rules["names"].size()},
                    {"drop", rules["drop"].size()},
                    {"correct", rules["correct"].size()},
                    {"visit_timeout_minutes", rules["visit_timeout_minutes"]},
                    {"late_visit_hours", rules["late_visit_hours"]}});
  }
  return json{{"rulesets", list}}.dump();
}

outcome_text ruleset_show(command_context& context, const arguments& a) {
  if (a.words.size() != 1) return usage("ruleset show VERSION");
  const auto rules = ruleset_named(context, a.words[0]);
  if (!rules) return rules.error();
  return json{{"version", rules->version},
              {"ruleset", json::parse(persistence::write_ruleset(*rules))}}
      .dump();
}

outcome_text ruleset_compare(command_context& context, const arguments& a) {
  if (a.words.size() != 2) return usage("ruleset compare VERSION VERSION");
  const auto old_rules = ruleset_named(context, a.words[0]);
  const auto new_rules = ruleset_named(context, a.words[1]);
  if (!old_rules) return old_rules.error();
  if (!new_rules) return new_rules.error();
  return json{{"changes", json::parse(persistence::compare_rulesets(*old_rules, *new_rules))}}
      .dump();
}

}  // namespace

result<std::uint32_t> add_ruleset(command_context& context, const std::string& text) {
  const auto rules = persistence::read_ruleset(text);
  if (!rules) return rules.error();
  const auto canonical = persistence::write_ruleset(*rules);
  const auto all = persistence::list_rulesets(*context.env->journal);
  if (!all) return all.error();
  std::uint32_t last = 0;
  for (const auto& r : *all) {
    if (r.text == canonical) return r.version;
    last = std::max(last, r.version);
  }
  if (all->size() >= rulesets_max)
    return failure{errc::over_limit, "at most " + std::to_string(rulesets_max) + " rulesets"};
  const auto made = persistence::to_record({last + 1, canonical});
  if (auto put = put_meta(context, made.key, made.value); !put) return put.error();
  audit(context, "ruleset add", {{"version", last + 1}});
  return last + 1;
}

const std::vector<command>& ruleset_commands() {
  static const std::vector<command> all{
      {"ruleset add", "TEXT: checks and keeps a ruleset; gives its version", ruleset_add},
      {"ruleset list", "all rulesets", ruleset_list},
      {"ruleset show", "VERSION: its canonical form", ruleset_show},
      {"ruleset compare", "VERSION VERSION: what differs", ruleset_compare},
  };
  return all;
}

}  // namespace tally::actors::command_parts

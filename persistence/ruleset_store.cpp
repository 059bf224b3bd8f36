#include "persistence/ruleset_store.hpp"

#include <cstdio>
#include <cstdlib>

#include "persistence/ruleset_text.hpp"

namespace tally::persistence {
namespace {

constexpr std::string_view prefix = "ruleset/";

std::string key_of(std::uint32_t version) {
  char digits[16];
  std::snprintf(digits, sizeof digits, "%08u", version);
  return std::string{prefix} + digits;
}

}  // namespace

record to_record(const stored_ruleset& r) {
  return {key_of(r.version), r.text};
}

result<ruleset> find_ruleset(const journal& log, std::uint32_t version) {
  if (version == default_ruleset_version) return ruleset{};
  const auto text = log.get_meta(key_of(version));
  if (!text && text.error().code == errc::not_found)
    return failure{errc::not_found, "ruleset " + std::to_string(version)};
  if (!text) return text.error();
  auto rules = read_ruleset(*text);
  if (!rules)
    return failure{errc::corrupt_record,
                   "ruleset " + std::to_string(version) + ": " + rules.error().detail};
  rules->version = version;
  return rules;
}

result<std::vector<stored_ruleset>> list_rulesets(const journal& log) {
  const auto records = log.list_meta(prefix);
  if (!records) return records.error();
  std::vector<stored_ruleset> all{{default_ruleset_version, write_ruleset(ruleset{})}};
  for (const auto& r : *records) {
    const auto version = std::strtoul(r.key.c_str() + prefix.size(), nullptr, 10);
    all.push_back({static_cast<std::uint32_t>(version), r.value});
  }
  return all;
}

}  // namespace tally::persistence

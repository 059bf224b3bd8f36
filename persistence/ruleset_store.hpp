#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "domain/ruleset.hpp"
#include "persistence/journal.hpp"

namespace tally::persistence {

/// Rulesets rest in the journal's `meta`: key "ruleset/" and the version in 8 digits, value the
/// canonical text. A version never changes. Version 1 is the default and is not stored.
constexpr std::uint32_t default_ruleset_version = 1;

/// not_found where there is no such version.
result<ruleset> find_ruleset(const journal& log, std::uint32_t version);
struct stored_ruleset {
  std::uint32_t version = 0;
  std::string text;
};
/// All of them, the default first.
result<std::vector<stored_ruleset>> list_rulesets(const journal& log);

/// The record that stores a ruleset under the version, for journal::put_meta.
[[nodiscard]] record to_record(const stored_ruleset& r);

}  // namespace tally::persistence

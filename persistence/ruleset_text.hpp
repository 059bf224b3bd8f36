#pragma once

#include <string>
#include <string_view>

#include "domain/result.hpp"
#include "domain/ruleset.hpp"

namespace tally::persistence {

/// Reads a ruleset document, TOML or JSON: docs/reference/rulesets.md. bad_request with line and
/// column, the key or value that is wrong, and the nearest name where one is unknown.
result<ruleset> read_ruleset(std::string_view text);

/// The canonical form: JSON on one line, keys sorted, only what differs from the standard names.
/// Two documents that mean the same have the same text; reading it gives the same ruleset.
[[nodiscard]] std::string write_ruleset(const ruleset& rules);

/// What differs between two rulesets: a JSON array of {"at", "old", "new"} by JSON pointer.
[[nodiscard]] std::string compare_rulesets(const ruleset& old_rules, const ruleset& new_rules);

}  // namespace tally::persistence

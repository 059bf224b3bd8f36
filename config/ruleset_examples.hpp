#pragma once

#include <span>
#include <string>
#include <string_view>

namespace tally::config {

/// A ruleset to begin with, as a TOML document with comments.
struct ruleset_example {
  std::string_view name, doc;
  std::string (*text)();
};
[[nodiscard]] std::span<const ruleset_example> ruleset_examples();

}  // namespace tally::config

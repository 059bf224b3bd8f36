#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace tally {

/// What an event counts as.
enum class counts_as : std::uint8_t {
  page_view = 0,
  add_to_cart = 1,
  checkout = 2,
  purchase = 3,
  refund = 4,
  custom = 5,
  engagement = 6,  // touches a visit, is no interaction
  ignore = 7,
};

/// The versioned counting rules. Document form: docs/reference/rulesets.md.
struct ruleset {
  std::uint32_t version = 1;
  std::chrono::minutes visit_timeout{30};
  std::chrono::hours late_visit{6};
  std::map<std::string, counts_as, std::less<>> names{
      {"page_view", counts_as::page_view}, {"add_to_cart", counts_as::add_to_cart},
      {"checkout", counts_as::checkout},   {"purchase", counts_as::purchase},
      {"refund", counts_as::refund},       {"engagement", counts_as::engagement}};

  [[nodiscard]] counts_as kind_of(std::string_view name) const {
    const auto found = names.find(name);
    return found == names.end() ? counts_as::custom : found->second;
  }
};

}  // namespace tally

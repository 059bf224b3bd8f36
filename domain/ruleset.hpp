#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/event_filter.hpp"
#include "domain/zone.hpp"

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
[[nodiscard]] std::string_view to_string(counts_as kind);
[[nodiscard]] std::optional<counts_as> find_counts_as(std::string_view name);

/// Names and what they count as.
using counted_names = std::map<std::string, counts_as, std::less<>>;
/// The standard names: what holds where a ruleset says nothing else.
[[nodiscard]] const counted_names& standard_names();

/// Leaves events out of all totals; they are in the ledger as `filtered`, by reason.
struct drop_rule {
  std::string reason;
  event_filter filter;
};

/// A stretch of days in the merchant's zone, both ends included.
struct day_range {
  std::chrono::local_days first, last;
};

/// Changes events before they are counted; the journal keeps them as they came.
struct correct_rule {
  std::optional<day_range> range;  // of the event's time as it came to this rule
  event_filter filter;
  bool drop = false;  // ledger reason "corrected"
  std::chrono::minutes shift{0};
  std::map<std::string, std::string, std::less<>> set;  // settable_fields() and their new texts
};

constexpr std::size_t ruleset_names_max = 1'000;
constexpr std::size_t ruleset_rules_max = 100;  // of drop, and of correct
constexpr std::size_t ruleset_bytes_max = 256u << 10;
constexpr std::int64_t visit_timeout_minutes_max = 1'440;
constexpr std::int64_t late_visit_hours_max = 168;
constexpr std::int64_t shift_minutes_max = 5'270'400;  // ten years

/// The versioned counting rules. Document form: docs/reference/rulesets.md.
struct ruleset {
  std::uint32_t version = 1;
  std::chrono::minutes visit_timeout{30};
  std::chrono::hours late_visit{6};
  counted_names names = standard_names();
  std::vector<correct_rule> corrections;
  std::vector<drop_rule> drops;
  /// A generation has its own zone and currency: the merchant's settings events change nothing.
  bool reporting_fixed = false;

  [[nodiscard]] counts_as kind_of(std::string_view name) const {
    const auto found = names.find(name);
    return found == names.end() ? counts_as::custom : found->second;
  }
  /// Whether an event may be anything but what it came as.
  [[nodiscard]] bool rewrites() const { return !corrections.empty() || !drops.empty(); }
};

/// Fields that a correction may set.
[[nodiscard]] std::vector<std::string_view> settable_fields();
/// bad_request where there is no such field, or the text is no value for it.
status check_settable(std::string_view field, std::string_view text);

/// What the rules make of an event.
struct judged_event {
  const event* counted = nullptr;    // the event as it came, or `changed`
  std::string_view filtered_reason;  // empty: it counts
};
/// Applies corrections in their order, each to what those before it left, then the drops. `changed`
/// is written to only if something changes; its texts point into the event and the ruleset.
[[nodiscard]] judged_event judge(const ruleset& rules, const event& e, const zone& reporting,
                                 event& changed);

}  // namespace tally

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/event.hpp"
#include "domain/result.hpp"
#include "domain/text_pattern.hpp"

namespace tally {

enum class filter_op : std::uint8_t {
  is,
  is_not,
  contains,
  contains_not,
  matches,
  matches_not,
  all_of,        // "and"
  any_of,        // "or"
  none_of,       // "not": its one part does not hold
  has_done,      // its one part holds for some event of the same visitor: in questions only
  has_not_done,  // for none
};

/// A condition on one event, as in the filters of /api/v2/query. Immutable once compiled.
struct event_filter {
  filter_op op = filter_op::all_of;
  std::string field;                // of a comparison: "event:name", "visit:agent"
  std::vector<std::string> values;  // of a comparison: one of them
  bool case_sensitive = true;
  std::vector<event_filter> parts;     // of all_of, any_of; one of none_of, has_done, has_not_done
  std::vector<text_pattern> patterns;  // made of `values` by compile() where texts do not do
  std::string pointer;                 // where it stands in a question: "/filters/0"; or empty
};

constexpr std::size_t filter_values_max = 1'000;
constexpr std::size_t filter_value_bytes_max = 1'000;
constexpr std::size_t filter_parts_max = 100;
constexpr std::size_t filter_depth_max = 8;

/// Name and operator, as they are written.
[[nodiscard]] std::string_view to_string(filter_op op);
[[nodiscard]] std::optional<filter_op> find_filter_op(std::string_view name);
[[nodiscard]] bool is_comparison(filter_op op);
/// is_not, contains_not, matches_not: holds where the comparison without `not` does not.
[[nodiscard]] bool is_negated(filter_op op);
/// has_done and has_not_done: no condition on one event, so no ruleset may use them.
[[nodiscard]] bool is_behaviour(filter_op op);

/// What stands before the key of a property in a field's name.
constexpr std::string_view property_prefix = "event:props:";

/// Every field that a filter may name, but for the properties.
[[nodiscard]] std::vector<std::string_view> event_field_names();
/// Whether a filter may name it: one of those, or a property.
[[nodiscard]] bool is_event_field(std::string_view name);
/// The event's value of a field that it has once; empty where it has none, for the fields of items
/// and properties, and where there is no such field.
[[nodiscard]] std::string_view event_field(const event& e, std::string_view name);

/// Makes the patterns of one comparison, not of its parts. bad_request says which is wrong.
status compile(event_filter& filter);

/// Whether an event fulfils it. An absent field is an empty text. A field of an order's items is
/// there once for each: `is` holds if one of them is it, `is_not` if none is. all_of nothing always
/// holds.
/// It must not contain has_done or has_not_done.
[[nodiscard]] bool holds(const event_filter& filter, const event& e);
/// Whether a text fulfils a comparison.
[[nodiscard]] bool holds_for(const event_filter& comparison, std::string_view text);

}  // namespace tally

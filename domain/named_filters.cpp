#include "domain/named_filters.hpp"

#include <algorithm>
#include <utility>

#include "domain/event_field.hpp"
#include "domain/question_failure.hpp"

namespace tally {
namespace {

using question_failure::in_quotes;

bool is_printable(std::string_view name) {
  return std::ranges::none_of(name, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

status check_field(std::string_view name, filter_use use) {
  const auto quoted = in_quotes(name);
  if (name == segment_field)
    return failure{errc::bad_request, "filter: a segment cannot be made of segments"};
  const auto field = find_scan_field(name);
  if (!field) return failure{errc::bad_request, "filter: there is no field " + quoted};
  if (use == filter_use::segment) return done{};
  if (field->from == field_source::goal)
    return failure{errc::bad_request, "filter: a goal cannot be made of goals"};
  if (!needs_visit(*field)) return done{};
  return failure{errc::bad_request,
                 "filter: " + quoted + " is of a visit; a goal is reached by one event"};
}

status check_filter(const event_filter& filter, filter_use use) {
  if (is_behaviour(filter.op) && use == filter_use::goal)
    return failure{errc::bad_request, "filter: a goal is reached by one event, without has_done"};
  if (is_comparison(filter.op)) return check_field(filter.field, use);
  for (const auto& part : filter.parts)
    if (auto fine = check_filter(part, use); !fine) return fine;
  return done{};
}

std::string known_names(const std::vector<named_filter>& all) {
  std::string names;
  for (std::size_t i = 0; i < all.size() && i < 10; ++i) names += (i > 0 ? ", " : "") + all[i].name;
  return all.size() > 10 ? names + ", ..." : names;
}

}  // namespace

status check_named_filter(const named_filter& named, filter_use use) {
  const auto& name = named.name;
  if (name.empty() || name.size() > filter_name_bytes_max || !is_printable(name))
    return failure{errc::bad_request, "name: must be 1 to 100 bytes without control characters"};
  return check_filter(named.filter, use);
}

bool names_filters(const event_filter& filter) {
  if (is_comparison(filter.op)) return filter.field == goal_field || filter.field == segment_field;
  return std::ranges::any_of(filter.parts, names_filters);
}

result<event_filter> meaning_of(const event_filter& comparison, const named_filters& named) {
  const bool goal = comparison.field == goal_field;
  const auto& all = goal ? named.goals : named.segments;
  const std::string what = goal ? "goal" : "segment";
  if (all.empty()) return failure{errc::bad_request, "the merchant has no " + what + "s"};
  const bool negative = is_negated(comparison.op);
  event_filter any;
  any.op = filter_op::any_of;
  any.pointer = comparison.pointer;
  for (const auto& one : all)
    if (holds_for(comparison, one.name) != negative) any.parts.push_back(one.filter);
  const bool whole = comparison.op == filter_op::is || comparison.op == filter_op::is_not;
  if (whole && comparison.case_sensitive)
    for (const auto& name : comparison.values)
      if (std::ranges::find(all, name, &named_filter::name) == all.end())
        return failure{errc::bad_request, "there is no " + what + " " + in_quotes(name) +
                                              "; there are " + known_names(all)};
  if (!negative) return any;
  event_filter none;
  none.op = filter_op::none_of;
  none.pointer = comparison.pointer;
  none.parts.push_back(std::move(any));
  return none;
}

}  // namespace tally

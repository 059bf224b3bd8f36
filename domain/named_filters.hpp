#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "domain/event_filter.hpp"

namespace tally {

/// A filter to which a merchant has given a name. Its parts name no place in a question.
struct named_filter {
  std::string name;
  event_filter filter;
};

/// What `event:goal` and `segment` mean in a merchant's questions, by name.
struct named_filters {
  std::vector<named_filter> goals;     // each tells of one event whether it reaches the goal
  std::vector<named_filter> segments;  // any filters, goals among them, but no segments
};

constexpr std::size_t named_filters_max = 100;  // goals of a merchant, and as many segments
constexpr std::size_t filter_name_bytes_max = 100;
constexpr std::string_view goal_field = "event:goal";
constexpr std::string_view segment_field = "segment";

enum class filter_use : std::uint8_t { goal, segment };

/// Whether a filter may get this name and be put to this use: bad_request says why not.
status check_named_filter(const named_filter& named, filter_use use);

/// Whether a filter or one of its parts asks for a goal or a segment.
[[nodiscard]] bool names_filters(const event_filter& filter);

/// What stands for a comparison of `event:goal` or `segment` with names: one of their filters must
/// hold, or none of them. bad_request where it names one that is not there.
result<event_filter> meaning_of(const event_filter& comparison, const named_filters& named);

}  // namespace tally

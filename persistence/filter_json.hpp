#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "domain/event_filter.hpp"
#include "domain/query.hpp"
#include "domain/result.hpp"

namespace tally::persistence {

/// Reads filters as docs/reference/query.md describes them: a list of them, all of which must hold,
/// or a single one. Form only: whether there is such a field is the planner's business.
/// bad_request with a JSON pointer that begins with `pointer` in front of the detail.
result<std::vector<event_filter>> read_filters(const nlohmann::json& filters,
                                               const std::string& pointer);

/// The event names that the filters ask for where that is all they ask, sorted; else empty. Such a
/// question can be answered from totals.
[[nodiscard]] std::vector<std::string> names_asked(const std::vector<event_filter>& filters);

}  // namespace tally::persistence

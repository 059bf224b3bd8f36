#pragma once

#include <string_view>

namespace tally {

/// The country (ISO 3166, "GB") that a time zone belongs to, by the tz database; empty where the
/// zone is none or of no country ("UTC"). Old names of zones are known too. Static.
[[nodiscard]] std::string_view country_of_zone(std::string_view zone);

}  // namespace tally

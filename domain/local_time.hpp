#pragma once

#include <optional>
#include <string_view>

#include "domain/time.hpp"
#include "domain/zone.hpp"

namespace tally {

/// A date and time of day as a clock on the wall shows it, as if it were UTC.
using wall_time = std::chrono::local_time<std::chrono::milliseconds>;

/// Reads a date and time without offset by a pattern of %Y %m %d %H %M %S %y %p %I and literal
/// characters ("%d/%m/%Y %H:%M"). Numbers may lack leading zeros; seconds may have decimals (cut to
/// milliseconds); a two-digit year is 1970 to 2069. Nothing where the text does not fit or names no
/// existing date.
[[nodiscard]] std::optional<wall_time> parse_wall_time(std::string_view text,
                                                       std::string_view pattern);

/// The instant at which a clock in the zone shows this time: the first of two where clocks were set
/// back; where they were set forward over it, as if they had not been.
[[nodiscard]] event_time from_wall(const zone& z, wall_time shown);

}  // namespace tally

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "domain/time.hpp"

namespace tally::config {

/// Reads "64MiB", "512KiB", "1GiB", "2TiB", "100B" or plain bytes. Nothing where it is neither or
/// does not fit.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);

/// Reads "500ms", "30s", "5m", "2h" or "7d". The unit is required.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

/// Reads RFC 3339 text: "1970-01-01T00:00:00Z".
[[nodiscard]] std::optional<event_time> parse_time(std::string_view text);

/// A time as a number that is never negative: milliseconds since the year 1.
[[nodiscard]] constexpr std::uint64_t time_number(event_time at) {
  return static_cast<std::uint64_t>(to_ms(at) + 62'135'596'800'000);
}
[[nodiscard]] constexpr event_time time_of_number(std::uint64_t number) {
  return time_from_ms(static_cast<std::int64_t>(number) - 62'135'596'800'000);
}

/// Decimal digits only; nothing where it is no such number or does not fit.
[[nodiscard]] std::optional<std::uint64_t> parse_count(std::string_view text);

/// With the largest unit that loses nothing: "64MiB", "1000B", "30s", "90s" for a minute and a
/// half.
[[nodiscard]] std::string format_size(std::uint64_t bytes);
[[nodiscard]] std::string format_duration(std::chrono::milliseconds length);
/// In UTC, without decimals where they are zero: "1970-01-01T00:00:00Z".
[[nodiscard]] std::string format_time(event_time at);

/// Number of single-character edits between two words.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace tally::config

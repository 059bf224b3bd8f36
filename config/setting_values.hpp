#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tally::config {

/// Reads "64MiB", "512KiB", "1GiB", "2TiB", "100B" or plain bytes. Nothing where it is neither or
/// does not fit.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);

/// Reads "500ms", "30s", "5m", "2h" or "7d". The unit is required.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

/// Decimal digits only; nothing where it is no such number or does not fit.
[[nodiscard]] std::optional<std::uint64_t> parse_count(std::string_view text);

/// With the largest unit that loses nothing: "64MiB", "1000B", "30s", "90s" for a minute and a
/// half.
[[nodiscard]] std::string format_size(std::uint64_t bytes);
[[nodiscard]] std::string format_duration(std::chrono::milliseconds length);

/// Number of single-character edits between two words.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace tally::config

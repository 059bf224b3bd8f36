#include "config/setting_values.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <utility>
#include <vector>

#include "domain/client_time.hpp"

namespace tally::config {

namespace {

using unit = std::pair<std::string_view, std::uint64_t>;
constexpr std::array<unit, 5> size_units{unit{"B", 1}, unit{"KiB", 1ULL << 10},
                                         unit{"MiB", 1ULL << 20}, unit{"GiB", 1ULL << 30},
                                         unit{"TiB", 1ULL << 40}};
constexpr std::array<unit, 5> duration_units{unit{"ms", 1}, unit{"s", 1'000}, unit{"m", 60'000},
                                             unit{"h", 3'600'000}, unit{"d", 86'400'000}};

template <std::size_t N>
std::optional<std::uint64_t> with_unit(std::string_view text, const std::array<unit, N>& units) {
  const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = parse_count(text.substr(0, digits));
  if (!number) return std::nullopt;
  for (const auto& [name, factor] : units) {
    if (text.substr(digits) != name) continue;
    if (*number > std::numeric_limits<std::int64_t>::max() / factor) return std::nullopt;
    return *number * factor;
  }
  return std::nullopt;
}

template <std::size_t N>
std::string format(std::uint64_t value, const std::array<unit, N>& units) {
  auto best = units.front();
  for (const auto& u : units) {
    if (value != 0 && value % u.second == 0) best = u;
  }
  return std::to_string(value / best.second) + std::string{best.first};
}

}  // namespace

std::optional<std::uint64_t> parse_count(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  if (const auto bytes = parse_count(text)) return bytes;
  return with_unit(text, size_units);
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  const auto ms = with_unit(text, duration_units);
  if (!ms) return std::nullopt;
  return std::chrono::milliseconds{static_cast<std::int64_t>(*ms)};
}

std::optional<event_time> parse_time(std::string_view text) {
  const auto time = parse_client_time(text);
  if (!time || time->form == time_form::integer_ms || text.find('T') == std::string_view::npos)
    return std::nullopt;
  return time->at;
}

std::string format_size(std::uint64_t bytes) {
  return format(bytes, size_units);
}

std::string format_duration(std::chrono::milliseconds length) {
  return format(static_cast<std::uint64_t>(length.count()), duration_units);
}

std::string format_time(event_time at) {
  auto text = format_rfc3339(at);
  if (text.ends_with(".000Z")) text.replace(text.size() - 5, 4, "");
  return text;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, replaced}));
    }
  }
  return row.back();
}

}  // namespace tally::config

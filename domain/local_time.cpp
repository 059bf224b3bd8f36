#include "domain/local_time.hpp"

#include <cctype>

namespace tally {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

struct fields {
  int year = 1970, hour = 0, minute = 0, ms = 0;
  unsigned month = 1, day = 1;
  std::optional<bool> afternoon;
};

std::optional<int> digits(std::string_view& text, std::size_t most) {
  int value = 0;
  std::size_t size = 0;
  for (; size < most && size < text.size() && is_digit(text[size]); ++size) {
    value = value * 10 + (text[size] - '0');
  }
  if (size == 0) return std::nullopt;
  text.remove_prefix(size);
  return value;
}

bool read_seconds(std::string_view& text, fields& into) {
  const auto whole = digits(text, 2);
  if (!whole || *whole > 59) return false;
  into.ms = *whole * 1000;
  if (!text.starts_with('.')) return true;
  text.remove_prefix(1);
  for (int unit = 100; !text.empty() && is_digit(text.front()); unit /= 10) {
    into.ms += (text.front() - '0') * unit;
    text.remove_prefix(1);
  }
  return true;
}

bool read_half_of_day(std::string_view& text, fields& into) {
  if (text.size() < 2 || (text[1] != 'M' && text[1] != 'm')) return false;
  const char half = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  into.afternoon = half == 'P';
  text.remove_prefix(2);
  return half == 'P' || half == 'A';
}

bool read_field(char kind, std::string_view& text, fields& into) {
  if (kind == 'S') return read_seconds(text, into);
  if (kind == 'p') return read_half_of_day(text, into);
  const auto value = digits(text, kind == 'Y' ? 4 : 2);
  if (!value) return false;
  switch (kind) {
    case 'Y':
      into.year = *value;
      return true;
    case 'y':
      into.year = *value < 70 ? 2000 + *value : 1900 + *value;
      return true;
    case 'm':
      into.month = static_cast<unsigned>(*value);
      return true;
    case 'd':
      into.day = static_cast<unsigned>(*value);
      return true;
    case 'H':
      into.hour = *value;
      return *value <= 23;
    case 'I':
      into.hour = *value % 12;
      return *value >= 1 && *value <= 12;
    case 'M':
      into.minute = *value;
      return *value <= 59;
    default:
      return false;
  }
}

}  // namespace

std::optional<wall_time> parse_wall_time(std::string_view text, std::string_view pattern) {
  using namespace std::chrono;
  fields read;
  while (!pattern.empty()) {
    if (pattern.front() != '%' || pattern.size() < 2) {
      if (text.empty() || text.front() != pattern.front()) return std::nullopt;
      text.remove_prefix(1);
      pattern.remove_prefix(1);
      continue;
    }
    if (!read_field(pattern[1], text, read)) return std::nullopt;
    pattern.remove_prefix(2);
  }
  const year_month_day date{year{read.year}, month{read.month}, day{read.day}};
  if (!text.empty() || !date.ok()) return std::nullopt;
  if (read.afternoon && *read.afternoon) read.hour += 12;
  return wall_time{local_days{date}.time_since_epoch() + hours{read.hour} + minutes{read.minute} +
                   milliseconds{read.ms}};
}

event_time from_wall(const zone& z, wall_time shown) {
  const auto as_utc = event_time{shown.time_since_epoch()};
  const auto period_at = [&](event_time t) {
    return z.at(std::chrono::floor<std::chrono::seconds>(t));
  };
  // No offset is a day long, so the two periods that may hold the instant are among these.
  const auto before = period_at(as_utc - std::chrono::hours{26});
  const auto after = period_at(as_utc + std::chrono::hours{26});
  const auto first = as_utc - before.offset, second = as_utc - after.offset;
  if (period_at(first).offset == before.offset) return first;
  if (period_at(second).offset == after.offset) return second;
  return first;
}

}  // namespace tally

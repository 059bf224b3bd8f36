#include "domain/client_time.hpp"

#include <algorithm>
#include <charconv>

namespace tally {
namespace {

using std::chrono::days;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::sys_days;
using std::chrono::year;
using std::chrono::year_month_day;

constexpr event_time first_time = sys_days{year{1} / 1 / 1};
constexpr event_time end_time = sys_days{year{10'000} / 1 / 1};

constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Walks over the parts of a timestamp. Once a part is wrong, `ok` stays false.
struct cursor {
  std::string_view rest;
  bool ok = true;

  unsigned number(std::size_t digits, unsigned low, unsigned high) {
    unsigned v = 0;
    if (rest.size() < digits) return fail();
    for (const char c : rest.substr(0, digits)) {
      if (!is_digit(c)) return fail();
      v = v * 10 + static_cast<unsigned>(c - '0');
    }
    rest.remove_prefix(digits);
    return v >= low && v <= high ? v : fail();
  }
  /// Takes one character out of `choice`.
  char one_of(std::string_view choice) {
    if (rest.empty() || choice.find(rest.front()) == std::string_view::npos) {
      fail();
      return '\0';
    }
    const char c = rest.front();
    rest.remove_prefix(1);
    return c;
  }
  unsigned fail() {
    ok = false;
    rest = {};
    return 0;
  }
};

struct fraction {
  milliseconds value{0};
  std::size_t digits = 0;
};

fraction take_fraction(cursor& at) {
  fraction f;
  if (!at.rest.starts_with('.')) return f;
  at.rest.remove_prefix(1);
  int millis = 0;
  for (; !at.rest.empty() && is_digit(at.rest.front()); at.rest.remove_prefix(1), ++f.digits)
    if (f.digits < 3) millis = millis * 10 + (at.rest.front() - '0');
  if (f.digits == 0) at.fail();
  for (auto n = f.digits; n < 3; ++n) millis *= 10;
  f.value = milliseconds{millis};
  return f;
}

/// Takes "Z" or "+01:30" and gives the offset.
seconds take_offset(cursor& at, char& sign) {
  sign = at.one_of("Zz+-");
  if (sign != '+' && sign != '-') return seconds{0};
  const auto hours = at.number(2, 0, 23);
  at.one_of(":");
  const auto minutes = at.number(2, 0, 59);
  const seconds offset{hours * 3'600 + minutes * 60};
  return sign == '-' ? -offset : offset;
}

std::optional<client_time> parse_rfc3339(std::string_view text) {
  cursor at{text};
  const year y{static_cast<int>(at.number(4, 1, 9'999))};
  at.one_of("-");
  const std::chrono::month month{at.number(2, 1, 12)};
  at.one_of("-");
  const year_month_day date{y, month, std::chrono::day{at.number(2, 1, 31)}};
  const char between = at.one_of("Tt ");
  const seconds hours{at.number(2, 0, 23) * 3'600};
  at.one_of(":");
  const seconds minutes{at.number(2, 0, 59) * 60};
  at.one_of(":");
  const auto second = at.number(2, 0, 60);
  const auto decimals = take_fraction(at);
  char sign = '\0';
  const auto offset = take_offset(at, sign);
  if (!at.ok || !at.rest.empty() || !date.ok()) return std::nullopt;

  const bool leap = second == 60;
  const milliseconds in_minute = leap ? milliseconds{59'999} : seconds{second} + decimals.value;
  const event_time instant = sys_days{date} + hours + minutes + in_minute - offset;
  if (instant < first_time || instant >= end_time) return std::nullopt;
  const bool usual = between == 'T' && sign == 'Z' && !leap;
  if (usual && decimals.digits == 3) return client_time{time_form::millis_z, instant, {}};
  if (usual && decimals.digits == 0 && text.size() == 20)
    return client_time{time_form::seconds_z, instant, {}};
  return client_time{time_form::other_text, instant, text};
}

std::optional<client_time> parse_integer(std::string_view text) {
  std::int64_t ms = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), ms);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  const auto instant = time_from_ms(ms);
  if (instant < first_time || instant >= end_time) return std::nullopt;
  const auto digits = text.substr(text.starts_with('-') ? 1 : 0);
  const bool usual = text == "0" || digits.front() != '0';
  if (usual) return client_time_from_ms(ms);
  return client_time{time_form::other_text, instant, text};
}

void put(char* to, unsigned value, int width) {
  for (int i = width - 1; i >= 0; --i, value /= 10) to[i] = static_cast<char>('0' + value % 10);
}

/// "2010-12-01T08:26:00.000Z", or without the milliseconds.
std::string written(event_time at, bool with_millis) {
  const auto day = std::chrono::floor<days>(at);
  const year_month_day date{day};
  const auto ms = static_cast<unsigned>((at - day).count());
  std::string text = "0000-00-00T00:00:00.000Z";
  put(text.data(), static_cast<unsigned>(static_cast<int>(date.year())), 4);
  put(text.data() + 5, static_cast<unsigned>(date.month()), 2);
  put(text.data() + 8, static_cast<unsigned>(date.day()), 2);
  put(text.data() + 11, ms / 3'600'000, 2);
  put(text.data() + 14, ms / 60'000 % 60, 2);
  put(text.data() + 17, ms / 1'000 % 60, 2);
  put(text.data() + 20, ms % 1'000, 3);
  if (!with_millis) text.replace(19, 5, "Z");
  return text;
}

}  // namespace

std::optional<client_time> parse_client_time(std::string_view text) {
  const auto digits = text.substr(text.starts_with('-') ? 1 : 0);
  if (digits.empty()) return std::nullopt;
  if (std::all_of(digits.begin(), digits.end(), is_digit)) return parse_integer(text);
  return parse_rfc3339(text);
}

client_time client_time_from_ms(std::int64_t ms) {
  return {time_form::integer_ms, time_from_ms(ms), {}};
}

std::string format_rfc3339(event_time at) {
  return written(at, true);
}

std::string as_sent(const client_time& t) {
  switch (t.form) {
    case time_form::none:
      return {};
    case time_form::millis_z:
      return written(t.at, true);
    case time_form::seconds_z:
      return written(t.at, false);
    case time_form::integer_ms:
      return std::to_string(to_ms(t.at));
    case time_form::other_text:
      return std::string{t.text};
  }
  return {};
}

}  // namespace tally

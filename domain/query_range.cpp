#include "domain/query_range.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <optional>

#include "domain/client_time.hpp"
#include "domain/question_failure.hpp"

namespace tally {
namespace {

using question_failure::bad;

using namespace std::chrono;

constexpr unsigned range_days_max = 3'660;
constexpr unsigned range_months_max = 120;

/// Dates and times asked about lie between these, so that no arithmetic leaves the calendar of
/// buckets (the years 1 to 9999), whatever the zone.
constexpr sys_days calendar_begin{year{1} / January / day{8}};
constexpr sys_days calendar_end{year{9'998} / January / day{1}};

asked_range of_days(const zone& z, local_date first, local_date last) {
  const local_date after{sys_days{last} + days{1}};
  return {date_begin(z, first), date_begin(z, after), true, first, last};
}

/// "2010-12-01"
std::optional<local_date> parse_date(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  const auto number = [&](std::size_t begin, std::size_t size) -> int {
    int n = 0;
    const auto* const end = text.data() + begin + size;
    const auto [read, error] = std::from_chars(text.data() + begin, end, n);
    return error == std::errc{} && read == end && n >= 0 ? n : -1;
  };
  const auto y = number(0, 4), m = number(5, 2), d = number(8, 2);
  if (y < 1 || m < 1 || d < 1) return std::nullopt;
  const local_date date{year{y}, month{static_cast<unsigned>(m)}, day{static_cast<unsigned>(d)}};
  if (!date.ok() || sys_days{date} < calendar_begin || sys_days{date} >= calendar_end)
    return std::nullopt;
  return date;
}

struct range_end {
  event_time at{};  // the first instant after it, for the end of a range
  std::optional<local_date> date;
};

/// A time includes the second or, with decimals, the millisecond that it names.
result<range_end> parse_end(const zone& z, std::string_view text, bool last,
                            const std::string& pointer) {
  if (const auto date = parse_date(text)) {
    const auto whole = of_days(z, *date, *date);
    return range_end{last ? whole.to : whole.from, date};
  }
  const bool dated = text.size() > 10 && text[4] == '-';
  const auto time = dated ? parse_client_time(text) : std::nullopt;
  if (!time || time->at < calendar_begin || time->at >= calendar_end)
    return bad(pointer, "is neither a date (2024-01-31) nor an RFC 3339 time");
  const auto named =
      text.find('.') == std::string_view::npos ? milliseconds{1'000} : milliseconds{1};
  return range_end{last ? time->at + named : time->at, std::nullopt};
}

result<asked_range> parse_pair(const zone& z, std::string_view from, std::string_view to,
                               const std::string& pointer) {
  auto begin = parse_end(z, from, false, pointer + "/0");
  if (!begin) return begin.error();
  auto end = parse_end(z, to, true, pointer + "/1");
  if (!end) return end.error();
  if (begin->at >= end->at) return bad(pointer, "ends before it begins");
  asked_range range{begin->at, end->at};
  if (begin->date && end->date) {
    range.of_dates = true;
    range.first = *begin->date;
    range.last = *end->date;
  }
  return range;
}

/// The number in "28d" or "6mo" when the rest of the text is `unit`.
std::optional<unsigned> count_of(std::string_view text, std::string_view unit) {
  unsigned n = 0;
  const auto* const end = text.data() + text.size();
  const auto [read, error] = std::from_chars(text.data(), end, n);
  if (error != std::errc{} || std::string_view{read, end} != unit) return std::nullopt;
  return n;
}

local_date last_of(year_month month) {
  return local_date{month.year(), month.month(), (month / std::chrono::last).day()};
}

asked_range realtime(event_time now) {
  const auto minute = floor<minutes>(now);
  return {minute - minutes{5}, minute + minutes{1}};
}

std::optional<asked_range> named_range(std::string_view name, const zone& z,
                                       const merchant_facts& facts, event_time now) {
  const auto today = local_date_of(z, now);
  const auto back = [&](unsigned n) { return local_date{sys_days{today} - days{n}}; };
  const auto this_month = today.year() / today.month();
  if (name == "day") return of_days(z, today, today);
  if (name == "month") return of_days(z, this_month / day{1}, today);
  if (name == "year") return of_days(z, today.year() / January / day{1}, today);
  if (name == "realtime") return realtime(now);
  if (name == "all") {
    if (!facts.any) return of_days(z, today, today);
    const auto first = std::max(facts.oldest, event_time{calendar_begin});
    const auto oldest = local_date_of(z, first), newest = local_date_of(z, facts.newest);
    return of_days(z, std::min(oldest, today), std::max(newest, today));
  }
  if (const auto n = count_of(name, "d"); n && *n >= 1 && *n <= range_days_max)
    return of_days(z, back(*n), back(1));
  if (const auto n = count_of(name, "mo"); n && *n >= 1 && *n <= range_months_max)
    return of_days(z, (this_month - months{*n}) / day{1}, last_of(this_month - months{1}));
  return std::nullopt;
}

/// Moves a date by less than a week to the nearest one of the same day of the week as `model`,
/// but never onto `model` itself.
days to_same_weekday(local_date date, local_date model) {
  const auto forward = weekday{sys_days{model}} - weekday{sys_days{date}};  // 0 to 6 days
  if (forward == days{0}) return days{0};
  const auto backward = forward - days{7};
  const bool lands_on_model = sys_days{date} + forward == sys_days{model};
  return forward < -backward && !lands_on_model ? forward : backward;
}

local_date year_before(local_date date) {
  const local_date earlier{date.year() - years{1}, date.month(), date.day()};
  return earlier.ok() ? earlier : last_of(earlier.year() / earlier.month());
}

failure before_all_years() {
  return bad("/compare", "the range to compare with begins before the year 1");
}

result<asked_range> compared_days(const question& q, const asked_range& asked, const zone& z,
                                  event_time now) {
  const auto today = local_date_of(z, now);
  const auto last = asked.first <= today ? std::min(asked.last, today) : asked.last;
  const auto length = sys_days{last} - sys_days{asked.first};
  auto first = sys_days{q.compare == comparison::year_over_year
                            ? year_before(asked.first)
                            : local_date{sys_days{asked.first} - length - days{1}}};
  if (first < calendar_begin) return before_all_years();
  if (q.match_day_of_week) first += to_same_weekday(local_date{first}, asked.first);
  return of_days(z, local_date{first}, local_date{first + length});
}

}  // namespace

result<asked_range> resolve_range(const question& q, const zone& z, const merchant_facts& facts,
                                  event_time now) {
  if (q.date_range == "custom") return parse_pair(z, q.from, q.to, "/date_range");
  if (const auto named = named_range(q.date_range, z, facts, now)) return *named;
  return bad("/date_range",
             "'" + q.date_range.substr(0, 40) +
                 "' is none of day, 7d, 28d, 30d, 91d, month, 6mo, 12mo, year, all, realtime");
}

result<asked_range> resolve_comparison(const question& q, const asked_range& asked, const zone& z,
                                       event_time now) {
  if (q.compare == comparison::custom) {
    return parse_pair(z, q.compare_from, q.compare_to, "/compare");
  }
  if (asked.of_dates) return compared_days(q, asked, z, now);
  if (q.match_day_of_week) return bad("/match_day_of_week", "needs a date range of whole days");
  auto shift = asked.to - asked.from;
  if (q.compare == comparison::year_over_year) {
    const auto date = local_date_of(z, asked.from);
    shift = sys_days{date} - sys_days{year_before(date)};
  }
  if (asked.from - shift < calendar_begin) return before_all_years();
  return asked_range{asked.from - shift, asked.to - shift};
}

granularity automatic_step(const asked_range& asked) {
  const auto length = asked.to - asked.from;
  if (length <= minutes{30}) return granularity::minute;
  if (length <= hours{25}) return granularity::hour;
  return length <= days{93} ? granularity::day : granularity::month;
}

result<std::vector<bucket_time>> cut(const asked_range& asked, const zone& z,
                                     std::optional<granularity> step) {
  const auto from = floor<seconds>(asked.from), to = ceil<seconds>(asked.to);
  if (!step) return std::vector<bucket_time>{from, to};
  std::vector<bucket_time> edges;
  auto at = from;
  auto next = bucket_next(z, *step, bucket_begin(z, *step, from));
  while (at < to) {
    if (edges.size() == buckets_max) {
      return failure{errc::unsupported,
                     "too_many_buckets: /dimensions: more than 100000 buckets; "
                     "ask for a shorter range or longer buckets"};
    }
    edges.push_back(at);
    at = next;
    next = bucket_next(z, *step, at);
  }
  edges.push_back(to);
  return edges;
}

std::string label_of(const zone& z, granularity step, bucket_time begin) {
  if (step == granularity::week) return bucket_label(z, granularity::day, begin);
  return bucket_label(z, step, bucket_begin(z, step, begin));
}

std::string format_local(const zone& z, bucket_time at) {
  const auto offset = z.at(at).offset;
  const auto local = at + offset;
  const local_date date{floor<days>(local)};
  const hh_mm_ss<seconds> time{local - floor<days>(local)};
  const hh_mm_ss<seconds> shown{offset};
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d%c%02d:%02d",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(time.hours().count()),
                static_cast<int>(time.minutes().count()), static_cast<int>(time.seconds().count()),
                shown.is_negative() ? '-' : '+', static_cast<int>(shown.hours().count()),
                static_cast<int>(shown.minutes().count()));
  return text.data();
}

}  // namespace tally

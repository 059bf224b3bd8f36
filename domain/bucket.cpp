#include "domain/bucket.hpp"

#include <algorithm>
#include <array>

#include "domain/ensure.hpp"

namespace tally {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::seconds;
using std::chrono::sys_days;

constexpr std::array<std::string_view, 7> names = {"minute", "hour",    "day", "week",
                                                   "month",  "quarter", "year"};

constexpr bool is_clock(granularity g) {
  return g <= granularity::hour;
}

constexpr seconds width_of(granularity g) {
  return seconds{g == granularity::minute ? 60 : 3'600};
}

/// Begin of the minute or hour on the clock, as if the offset had never changed.
bucket_time clock_begin(granularity g, bucket_time t, seconds offset) {
  const auto local = (t + offset).time_since_epoch();
  const auto width = width_of(g).count();
  const auto units = local.count() / width - (local.count() % width < 0 ? 1 : 0);
  return bucket_time{seconds{units * width}} - offset;
}

local_date first_date(granularity g, local_date date) {
  const auto quarter_month = (static_cast<unsigned>(date.month()) - 1) / 3 * 3 + 1;
  switch (g) {
    case granularity::week: {
      const sys_days day = date;
      return day - (std::chrono::weekday{day} - std::chrono::Monday);
    }
    case granularity::month:
      return date.year() / date.month() / 1;
    case granularity::quarter:
      return date.year() / std::chrono::month{quarter_month} / 1;
    case granularity::year:
      return date.year() / std::chrono::January / 1;
    default:
      return date;
  }
}

local_date next_date(granularity g, local_date first) {
  switch (g) {
    case granularity::week:
      return sys_days{first} + days{7};
    case granularity::month:
      return first + std::chrono::months{1};
    case granularity::quarter:
      return first + std::chrono::months{3};
    case granularity::year:
      return first + std::chrono::years{1};
    default:
      return sys_days{first} + days{1};
  }
}

std::string two(unsigned n) {
  return {static_cast<char>('0' + n / 10), static_cast<char>('0' + n % 10)};
}

std::string date_text(local_date date) {
  const auto year = static_cast<unsigned>(static_cast<int>(date.year()));
  return two(year / 100) + two(year % 100) + "-" + two(static_cast<unsigned>(date.month())) + "-" +
         two(static_cast<unsigned>(date.day()));
}

}  // namespace

std::string_view to_string(granularity g) {
  const auto place = static_cast<std::size_t>(g) - 1;
  ensure(place < names.size(), "unknown granularity");
  return names[place];
}

std::optional<granularity> granularity_from(std::string_view text) {
  const auto* const found = std::find(names.begin(), names.end(), text);
  if (found == names.end()) return std::nullopt;
  return static_cast<granularity>(found - names.begin() + 1);
}

bucket_time bucket_begin(const zone& z, granularity g, event_time at) {
  if (!is_clock(g)) return date_begin(z, first_date(g, local_date_of(z, at)));
  const auto t = floor<seconds>(at);
  const auto p = z.at(t);
  return std::max(clock_begin(g, t, p.offset), p.begin);
}

bucket_time bucket_next(const zone& z, granularity g, bucket_time begin) {
  if (is_clock(g)) {
    const auto p = z.at(begin);
    return std::min(clock_begin(g, begin, p.offset) + width_of(g), p.end);
  }
  auto date = first_date(g, local_date_of(z, begin));
  bucket_time next = begin;
  while (next <= begin) {
    date = next_date(g, date);
    next = date_begin(z, date);
  }
  return next;
}

std::string bucket_label(const zone& z, granularity g, bucket_time begin) {
  const auto offset = z.at(begin).offset;
  const auto local = is_clock(g) ? clock_begin(g, begin, offset) + offset : begin + offset;
  const auto day = floor<days>(local);
  if (!is_clock(g)) return date_text(first_date(g, day));
  const auto in_day = static_cast<unsigned>((local - day).count());
  return date_text(day) + " " + two(in_day / 3'600) + ":" + two(in_day / 60 % 60) + ":00";
}

local_date local_date_of(const zone& z, event_time at) {
  const auto t = floor<seconds>(at);
  return floor<days>(t + z.at(t).offset);
}

bucket_time date_begin(const zone& z, local_date date) {
  ensure(date.year() >= std::chrono::year{-1} && date.year() <= std::chrono::year{10'001},
         "date outside the calendar of buckets");
  const sys_days day = date;
  // No offset reaches a day, so every instant of the date lies between these two.
  const bucket_time earliest = day - days{1};
  const bucket_time latest = day + days{2};
  for (bucket_time t = earliest; t < latest;) {
    const auto p = z.at(t);
    const auto begin = std::max(p.begin, bucket_time{day} - p.offset);
    if (begin < std::min(p.end, bucket_time{day + days{1}} - p.offset)) return begin;
    t = p.end;
  }
  return date_begin(z, day + days{1});
}

void bucket_finder::enter(bucket_time t) {
  const auto p = zone_->at(t);
  const auto day = floor<days>(t + p.offset);
  midnight_ = day - p.offset;
  stretch_begin_ = std::max(p.begin, midnight_);
  stretch_end_ = std::min(p.end, midnight_ + days{1});
  day_begin_ = date_begin(*zone_, day);
}

}  // namespace tally

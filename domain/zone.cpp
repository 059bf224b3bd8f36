#include "domain/zone.hpp"

#include <algorithm>
#include <array>
#include <iterator>

namespace tally {
namespace {

/// When the offset changes: "the fourth Thursday of March, 50 hours after its midnight". Week 5 is
/// the last one, day 0 is Sunday, and the seconds count on the clock before the change.
struct yearly_change {
  std::int32_t month, week, day, seconds;
};

/// What follows the last listed change: one offset, or summer time between two changes a year.
struct footer_rule {
  std::int32_t standard, summer;
  yearly_change summer_begin, summer_end;
};

struct zone_row {
  std::string_view name;
  std::uint32_t first, count, footer;
};

// clang-format off
#include "domain/zone_tables.inc"
// clang-format on

using std::chrono::seconds;
using std::chrono::sys_days;

constexpr seconds far_future{std::int64_t{1} << 40};
/// The Gregorian calendar repeats after 400 years, weekdays included.
constexpr seconds calendar_cycle = std::chrono::days{146'097};
constexpr bucket_time cycle_begin = sys_days{std::chrono::year{2000} / 1 / 1};

bucket_time change_in(std::chrono::year y, const yearly_change& c, std::int32_t offset) {
  const std::chrono::weekday day{static_cast<unsigned>(c.day)};
  const auto month = y / static_cast<int>(c.month);
  const sys_days date = c.week == 5 ? sys_days{month / day[std::chrono::last]}
                                    : sys_days{month / day[static_cast<unsigned>(c.week)]};
  return date + seconds{c.seconds - offset};
}

/// The period of `t` by the rule alone, for 2000 <= t < 2400.
zone::period by_rule(const footer_rule& rule, bucket_time t) {
  const auto this_year =
      std::chrono::year_month_day{std::chrono::floor<std::chrono::days>(t)}.year();
  std::array<zone::period, 6> periods{};
  for (int i = 0; i < 3; ++i) {
    const auto y = this_year + std::chrono::years{i - 1};
    const auto at = static_cast<std::size_t>(i) * 2;
    periods[at].begin = change_in(y, rule.summer_begin, rule.standard);
    periods[at].offset = seconds{rule.summer};
    periods[at + 1].begin = change_in(y, rule.summer_end, rule.summer);
    periods[at + 1].offset = seconds{rule.standard};
  }
  if (periods[1].begin < periods[0].begin)
    for (std::size_t i = 0; i < periods.size(); i += 2) std::swap(periods[i], periods[i + 1]);
  std::size_t found = 0;
  while (found + 2 < periods.size() && periods[found + 1].begin <= t) ++found;
  periods[found].end = periods[found + 1].begin;
  return periods[found];
}

zone::period by_footer(const footer_rule& rule, bucket_time last_change, bucket_time t) {
  if (rule.standard == rule.summer)
    return {last_change, bucket_time{far_future}, seconds{rule.standard}};
  auto cycles = (t - cycle_begin) / calendar_cycle;
  if (cycle_begin + cycles * calendar_cycle > t) --cycles;
  const seconds shift = cycles * calendar_cycle;
  auto p = by_rule(rule, t - shift);
  p.begin = std::max(p.begin + shift, last_change);
  p.end += shift;
  return p;
}

}  // namespace

struct zone_tables {
  static constexpr auto make() {
    std::array<zone, std::size(zone_rows)> made{};
    for (std::size_t i = 0; i < made.size(); ++i) {
      made[i].name_ = zone_rows[i].name;
      made[i].first_ = zone_rows[i].first;
      made[i].count_ = zone_rows[i].count;
      made[i].footer_ = zone_rows[i].footer;
    }
    return made;
  }
  static const std::array<zone, std::size(zone_rows)> zones;
};

constexpr std::array<zone, std::size(zone_rows)> zone_tables::zones = zone_tables::make();

const zone* zone::find(std::string_view name) {
  const auto* const found = std::ranges::lower_bound(zone_names, name);
  if (found == std::end(zone_names) || *found != name) return nullptr;
  return &zone_tables::zones[name_zones[found - std::begin(zone_names)]];
}

const zone& zone::utc() {
  static const zone* const found = find("Etc/UTC");
  return *found;
}

std::span<const std::string_view> zone::names() {
  return zone_names;
}

std::string_view zone::rules_version() {
  return version_text;
}

zone::period zone::at(bucket_time t) const {
  const auto* const times = std::begin(change_times) + first_;
  const auto* const end = times + count_;
  const auto* const after = std::upper_bound(times + 1, end, to_s(t));
  const bucket_time begin{seconds{after[-1]}};
  if (after == end) return by_footer(footers[footer_], begin, t);
  const auto offset = offsets[change_offsets[after - 1 - std::begin(change_times)]];
  return {begin, bucket_time{seconds{*after}}, seconds{offset}};
}

}  // namespace tally

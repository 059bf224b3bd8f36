#pragma once

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "domain/bucket.hpp"

namespace tally {

constexpr std::int64_t instant_of(int year) {
  return to_s(std::chrono::sys_days{std::chrono::year{year} / 1 / 1});
}

/// Version of this machine's tz database; empty where it does not tell.
inline std::string system_rules_version() {
  std::ifstream file{"/usr/share/zoneinfo/tzdata.zi"};
  std::string hash, word, version;
  file >> hash >> word >> version;
  return word == "version" ? version : "";
}

inline bool system_has_zone(std::string_view name) {
  return std::filesystem::is_regular_file("/usr/share/zoneinfo/" + std::string{name});
}

/// With another tz database than ours, this many zones may have had an old year corrected.
inline std::size_t corrected_zones_max() {
  return system_rules_version() == zone::rules_version() ? 0 : 12;
}

/// Instants to compare: with another tz database than ours only years whose rules are settled.
struct compared_range {
  std::int64_t from = instant_of(1900), to = instant_of(2100);

  static compared_range of_this_machine() {
    if (system_rules_version() == zone::rules_version()) return {};
    return {instant_of(2010), instant_of(2024)};
  }
};

/// What the C library says about local time, from the machine's own zone files. One at a time: it
/// sets the TZ of the process.
class zone_oracle {
 public:
  explicit zone_oracle(std::string_view name) {
    setenv("TZ", (":" + std::string{name}).c_str(), 1);
    tzset();
  }
  ~zone_oracle() {
    unsetenv("TZ");
    tzset();
  }
  zone_oracle(const zone_oracle&) = delete;
  zone_oracle& operator=(const zone_oracle&) = delete;

  static std::tm local(std::int64_t t) {
    std::tm fields{};
    const auto instant = static_cast<std::time_t>(t);
    localtime_r(&instant, &fields);
    return fields;
  }
  static std::int64_t offset(std::int64_t t) { return local(t).tm_gmtoff; }
  static std::chrono::sys_days date(std::int64_t t) {
    const auto f = local(t);
    return std::chrono::year{f.tm_year + 1900} / (f.tm_mon + 1) / f.tm_mday;
  }

  /// First instant after `from`, at most `to`, from which on the offset is that of `to`, where it
  /// changes once between them.
  static std::int64_t change_between(std::int64_t from, std::int64_t to) {
    const auto last = offset(to);
    while (to - from > 1) {
      const auto middle = from + (to - from) / 2;
      (offset(middle) == last ? to : from) = middle;
    }
    return to;
  }

  /// All changes of offset, as no offset ever lasted for less than the 3 days between two looks.
  static std::vector<std::int64_t> changes(compared_range range) {
    constexpr std::int64_t step = 259'200;
    std::vector<std::int64_t> found;
    auto before = offset(range.from);
    for (auto t = range.from + step; t < range.to; t += step) {
      const auto now = offset(t);
      if (now != before) found.push_back(change_between(t - step, t));
      before = now;
    }
    return found;
  }

  /// Begin of the minute (60) or hour (3600) around `t`.
  static std::int64_t clock_begin(std::int64_t t, int width) {
    const auto f = local(t);
    const auto begin = t - (width == 60 ? f.tm_sec : f.tm_min * 60 + f.tm_sec);
    return offset(begin) == f.tm_gmtoff ? begin : change_between(begin, t);
  }

  /// First instant of a date, by trying its midnight in all offsets around and each change near.
  static std::optional<std::int64_t> date_begin(std::chrono::sys_days day,
                                                const std::vector<std::int64_t>& changes) {
    const auto midnight = to_s(day);
    std::vector<std::int64_t> candidates{midnight - offset(midnight - 172'800),
                                         midnight - offset(midnight + 172'800)};
    auto change = std::lower_bound(changes.begin(), changes.end(), midnight - 172'800);
    for (; change != changes.end() && *change <= midnight + 172'800; ++change)
      candidates.insert(candidates.end(),
                        {*change, midnight - offset(*change - 1), midnight - offset(*change)});
    std::sort(candidates.begin(), candidates.end());
    for (const auto t : candidates)
      if (date(t) == day) return t;
    return std::nullopt;
  }
};

/// The first instant of `range`, about a change of offset, at which the C library and we differ.
inline std::optional<std::int64_t> disagreement(const zone& z, compared_range range) {
  const zone_oracle oracle{z.name()};
  const auto differ = [&](std::int64_t t) {
    const auto at = std::chrono::sys_seconds{std::chrono::seconds{t}};
    return z.at(at).offset.count() != zone_oracle::offset(t);
  };
  auto changes = zone_oracle::changes(range);
  for (auto p = z.at(std::chrono::sys_seconds{std::chrono::seconds{range.from}});
       to_s(p.end) < range.to; p = z.at(p.end))
    changes.push_back(to_s(p.end));
  for (const auto change : changes)
    for (const auto t : {change - 1, change, change + 1})
      if (differ(t)) return t;
  return std::nullopt;
}

}  // namespace tally

#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "domain/time.hpp"
#include "domain/zone.hpp"

namespace tally {

enum class granularity : std::uint8_t {
  minute = 1,
  hour = 2,
  day = 3,
  week = 4,  // from Monday
  month = 5,
  quarter = 6,
  year = 7,
};

[[nodiscard]] std::string_view to_string(granularity g);
[[nodiscard]] std::optional<granularity> granularity_from(std::string_view text);

/// A local calendar date. Valid between the years 0001 and 9999.
using local_date = std::chrono::year_month_day;

/// A bucket is named by the first instant that belongs to it. Minutes and hours are cut at every
/// change of offset: the repeated hour of a clock change is two buckets with one label, a skipped
/// one none. A day and everything longer is all instants with such a local date; where a clock
/// change at midnight repeats the end of the day before, those lie on both sides of the next begin.
/// Instants outside the years 0001 to 9999 are a caller's bug.
[[nodiscard]] bucket_time bucket_begin(const zone& z, granularity g, event_time at);
/// Begin of the bucket after the one that begins at `begin`; always later than `begin`.
[[nodiscard]] bucket_time bucket_next(const zone& z, granularity g, bucket_time begin);
/// Plausible's label: "2010-12-01" from day on, "2010-12-01 08:00:00" below. That of a bucket which
/// a clock change cuts is of the full minute or hour too.
[[nodiscard]] std::string bucket_label(const zone& z, granularity g, bucket_time begin);

[[nodiscard]] local_date local_date_of(const zone& z, event_time at);
/// First instant of a local date; of the next existing one where the zone skips it.
[[nodiscard]] bucket_time date_begin(const zone& z, local_date date);

/// Begins of the minute, hour and day of an instant: the hot path of counting. Keeps the last
/// answer, so that events close in time cost a few comparisons. Not thread-safe.
class bucket_finder {
 public:
  struct begins {
    bucket_time minute, hour, day;
  };
  explicit bucket_finder(const zone& z) : zone_{&z} {}
  [[nodiscard]] begins find(event_time at) {
    const auto t = std::chrono::floor<std::chrono::seconds>(at);
    if (t < stretch_begin_ || t >= stretch_end_) enter(t);
    const auto on_clock = (t - midnight_).count();
    return {std::max(t - std::chrono::seconds{on_clock % 60}, stretch_begin_),
            std::max(t - std::chrono::seconds{on_clock % 3'600}, stretch_begin_), day_begin_};
  }

 private:
  void enter(bucket_time t);

  const zone* zone_;
  // The stretch around the last answer with one offset and one local date. Its midnight may lie
  // before it, where the offset changed during the day.
  bucket_time stretch_begin_{}, stretch_end_{}, midnight_{}, day_begin_{};
};

}  // namespace tally

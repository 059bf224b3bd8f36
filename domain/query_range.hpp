#pragma once

#include <string_view>
#include <vector>

#include "domain/query.hpp"

namespace tally {

/// A stretch of time that a question asks about: `to` is exclusive.
struct asked_range {
  event_time from{}, to{};
  bool of_dates = false;  // whole days, of which these are the first and the last
  local_date first{}, last{};
};

/// Reads a date range in zone `z`. bad_request with "/date_range: ..." or "/date_range/0: ...".
result<asked_range> resolve_range(const question& q, const zone& z, const merchant_facts& facts,
                                  event_time now);

/// The range to compare with; q.compare must not be none.
result<asked_range> resolve_comparison(const question& q, const asked_range& asked, const zone& z,
                                       event_time now);

/// What Plausible's dimension "time" means for a range: minutes for half an hour, hours for one
/// day, days up to three months, else months.
[[nodiscard]] granularity automatic_step(const asked_range& asked);

/// Begins of the buckets of a range, then its end; the first and the last may be cut short. One
/// bucket where `step` is nothing. unsupported, "too_many_buckets: ...", beyond buckets_max.
result<std::vector<bucket_time>> cut(const asked_range& asked, const zone& z,
                                     std::optional<granularity> step);

/// Label of the bucket of a cut range that begins at `begin`: of the whole bucket's begin where
/// the range cut it short, but a week keeps the date at which the range begins.
[[nodiscard]] std::string label_of(const zone& z, granularity step, bucket_time begin);

/// "2010-12-01T00:00:00+01:00"
[[nodiscard]] std::string format_local(const zone& z, bucket_time at);

}  // namespace tally

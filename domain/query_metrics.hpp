#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "domain/query.hpp"
#include "domain/rows.hpp"

namespace tally {

/// What a metric's number means, and so how it is written.
enum class metric_unit : std::uint8_t {
  count,         // whole number
  money,         // millionths of the answer's currency
  quantity,      // millionths of a piece
  ratio,         // millionths, rounded to two decimals
  percent,       // tenths of a percent
  seconds,       // whole
  milliseconds,  // whole
  moment,        // a time that the answer's meta knows; no number
};

/// Rows that a metric is computed from: a set of bits.
enum metric_source : std::uint8_t {
  from_none = 0,
  from_traffic = 1,
  from_commerce = 2,
  from_operations = 4,
  from_current = 8,
};

/// All rows of one bucket, or of one range, added up.
struct merged_rows {
  traffic_row traffic;
  commerce_row money;     // of the answer's currency
  commerce_row commerce;  // of all currencies: only orders, units and customers mean something
  operations_row operations;
  traffic_row current;  // the last five minutes
};

struct metric_facts {
  std::string_view name;
  metric_unit unit;
  std::uint8_t sources;
  bool by_name;  // rows by event name have it too
  metric_value (*compute)(const merged_rows& rows);
};

/// Every metric that rows can answer, in the order of the reference.
[[nodiscard]] std::span<const metric_facts> all_metrics();
/// Null where there is none of that name.
[[nodiscard]] const metric_facts* find_metric(std::string_view name);
/// True for a metric that exists but needs the events themselves.
[[nodiscard]] bool metric_needs_history(std::string_view name);
/// The known metric that is spelled most alike.
[[nodiscard]] std::string_view nearest_metric(std::string_view name);

/// True for a dimension that exists but needs the events themselves.
[[nodiscard]] bool dimension_needs_history(std::string_view name);

/// How many single-letter edits turn one text into the other.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

/// numerator / denominator rounded half to even. The denominator must be positive.
[[nodiscard]] int128 divide_half_even(int128 numerator, int128 denominator);

/// Change from `before` to `now` as Plausible states it: whole percent of the old value's
/// magnitude (100 where it was 0 and grew), rounded half away from zero; for percents the
/// difference in tenths of a point. Null where either is null.
[[nodiscard]] metric_value change_between(const metric_value& before, const metric_value& now);

}  // namespace tally

#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "domain/query_metrics.hpp"
#include "domain/value_percentiles.hpp"

namespace tally {

/// What only events tell, beside the rows.
struct scan_extra {
  std::int64_t new_customers = 0;   // orders that are the first of their customer
  std::int64_t later_orders = 0;    // orders after another one of their customer
  int128 order_gap_ms = 0;          // from those before
  std::int64_t exits = 0;           // page views that are the last of their visit
  std::int64_t timed_pages = 0;     // page views with an event after them in their visit
  int128 page_ms = 0;               // their time
  std::int64_t scrolled_pages = 0;  // pairs of visitor and page
  std::int64_t scroll_percent = 0;  // their greatest depths, added up
  // Where revenue to date is asked for: customers with an order, some more than once.
  std::vector<std::uint64_t> buyers;
  bool operator==(const scan_extra&) const = default;
};

/// One group of events, added up.
struct scan_rows {
  merged_rows plain;
  scan_extra extra;
  metric_value all_visitors;  // of the whole range
  money_sum to_date = 0;      // net sales of its customers until the end of the range
  const value_percentiles* order_values = nullptr;  // null: no order
};

/// What must be gathered for a metric: a set of bits.
enum scan_need : std::uint16_t {
  scan_visitors = 1,
  scan_visits = 2,
  scan_commerce = 4,
  scan_first_orders = 8,
  scan_pages = 16,
  scan_scrolls = 32,
  scan_totals = 64,
  scan_to_date = 128,
  scan_order_values = 256,
};

struct scan_metric {
  std::string_view name;
  metric_unit unit = metric_unit::count;
  std::uint16_t needs = 0;
  bool of_orders = false;                               // means nothing for one line of an order
  metric_value (*plain)(const merged_rows&) = nullptr;  // one of them is set
  metric_value (*own)(const scan_rows&) = nullptr;
  [[nodiscard]] metric_value compute(const scan_rows& rows) const {
    return plain != nullptr ? plain(rows.plain) : own(rows);
  }
};

/// Null where events do not give a metric of that name.
[[nodiscard]] const scan_metric* find_scan_metric(std::string_view name);
/// The known one that is spelled most alike.
[[nodiscard]] std::string_view nearest_scan_metric(std::string_view name);

}  // namespace tally

#include "domain/scan_metrics.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace tally {
namespace {

using form = metric_value::form;
using unit = metric_unit;

constexpr int128 day_ms = 86'400'000;

metric_value integer(int128 n, double error = 0) {
  return {form::integer, n, error};
}

metric_value percent(int128 part, int128 whole, double error = 0) {
  if (whole <= 0) return {};
  return {form::percent, divide_half_even(part * 1'000, whole), error};
}

/// Customers whose first order is not among those counted.
int128 returning(const scan_rows& r) {
  const int128 all = r.plain.commerce.customers.estimate();
  return std::max<int128>(0, all - r.extra.new_customers);
}

metric_value returning_customers(const scan_rows& r) {
  return integer(returning(r), r.plain.commerce.customers.relative_error());
}

metric_value returning_rate(const scan_rows& r) {
  const auto& customers = r.plain.commerce.customers;
  return percent(returning(r), customers.estimate(), customers.relative_error());
}

/// Days with two decimals.
metric_value days_between_orders(const scan_rows& r) {
  if (r.extra.later_orders == 0) return {};
  const auto hundredths =
      divide_half_even(r.extra.order_gap_ms * 100, day_ms * r.extra.later_orders);
  return {form::decimal, hundredths * 10'000};
}

metric_value time_on_page(const scan_rows& r) {
  if (r.extra.timed_pages == 0) return {};
  return integer(divide_half_even(r.extra.page_ms, int128{r.extra.timed_pages} * 1'000));
}

metric_value share_of_visitors(const scan_rows& r) {
  const auto& visitors = r.plain.traffic.visitors;
  return percent(visitors.estimate(), r.all_visitors.number,
                 std::max(visitors.relative_error(), r.all_visitors.error));
}

template <unsigned percent>
metric_value order_value(const scan_rows& r) {
  if (r.order_values == nullptr) return {};
  return {form::decimal, r.order_values->at(percent), r.order_values->error()};
}

const std::array own_metrics{
    scan_metric{"percentage", unit::percent, scan_visitors | scan_totals, false, nullptr,
                share_of_visitors},
    scan_metric{"new_customers", unit::count, scan_first_orders, false, nullptr,
                [](const scan_rows& r) { return integer(r.extra.new_customers); }},
    scan_metric{"returning_customers", unit::count, scan_first_orders, false, nullptr,
                returning_customers},
    scan_metric{"returning_rate", unit::percent, scan_first_orders, false, nullptr, returning_rate},
    scan_metric{"days_between_orders", unit::ratio, scan_first_orders, false, nullptr,
                days_between_orders},
    scan_metric{"revenue_to_date", unit::money, scan_first_orders | scan_to_date, true, nullptr,
                [](const scan_rows& r) {
                  return metric_value{form::decimal, r.to_date};
                }},
    scan_metric{"order_value_p50", unit::money, scan_commerce | scan_order_values, true, nullptr,
                order_value<50>},
    scan_metric{"order_value_p90", unit::money, scan_commerce | scan_order_values, true, nullptr,
                order_value<90>},
    scan_metric{"order_value_p99", unit::money, scan_commerce | scan_order_values, true, nullptr,
                order_value<99>},
    scan_metric{
        "exit_rate", unit::percent, scan_pages, false, nullptr,
        [](const scan_rows& r) { return percent(r.extra.exits, r.plain.traffic.pageviews); }},
    scan_metric{"time_on_page", unit::seconds, scan_pages, false, nullptr, time_on_page},
    scan_metric{"scroll_depth", unit::percent, scan_scrolls, false, nullptr,
                [](const scan_rows& r) {
                  return percent(r.extra.scroll_percent, int128{r.extra.scrolled_pages} * 100);
                }},
};

constexpr std::array<std::string_view, 5> of_orders{"discounts", "tax", "shipping", "total_sales",
                                                    "aov"};

std::uint8_t needs_of(const metric_facts& m) {
  if (m.name == "events" || m.name == "pageviews") return 0;
  if (m.name == "visitors") return scan_visitors;
  std::uint8_t needs = 0;
  if ((m.sources & from_traffic) != 0) needs |= scan_visits;
  if ((m.sources & from_commerce) != 0) needs |= scan_commerce;
  return needs;
}

std::vector<scan_metric> make_metrics() {
  std::vector<scan_metric> all;
  for (const auto& m : all_metrics()) {
    if ((m.sources & (from_operations | from_current)) != 0 || m.sources == from_none) continue;
    const bool whole = std::ranges::find(of_orders, m.name) != of_orders.end();
    all.push_back({m.name, m.unit, needs_of(m), whole, m.compute, nullptr});
  }
  all.insert(all.end(), own_metrics.begin(), own_metrics.end());
  return all;
}

const std::vector<scan_metric>& metrics() {
  static const auto all = make_metrics();
  return all;
}

}  // namespace

const scan_metric* find_scan_metric(std::string_view name) {
  const auto found = std::ranges::find(metrics(), name, &scan_metric::name);
  return found == metrics().end() ? nullptr : &*found;
}

std::string_view nearest_scan_metric(std::string_view name) {
  constexpr std::size_t compared_chars_max = 64;
  const auto asked = name.substr(0, compared_chars_max);
  return std::ranges::min_element(
             metrics(), {}, [&](const scan_metric& m) { return edit_distance(asked, m.name); })
      ->name;
}

}  // namespace tally

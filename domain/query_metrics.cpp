#include "domain/query_metrics.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>
#include <vector>

#include "domain/ensure.hpp"

namespace tally {
namespace {

using form = metric_value::form;

metric_value integer(int128 n, double error = 0) {
  return {form::integer, n, error};
}

metric_value decimal(int128 millionths, double error = 0) {
  return {form::decimal, millionths, error};
}

metric_value uniques(const unique_set& set) {
  return integer(set.estimate(), set.relative_error());
}

metric_value percent(int128 part, int128 whole) {
  if (whole <= 0) return {};
  return {form::percent, divide_half_even(part * 1'000, whole)};
}

/// Money for each of `count`, to the sixth place.
metric_value money_per(money_sum sum, int128 count) {
  if (count <= 0) return {};
  return decimal(divide_half_even(sum, count));
}

/// Two decimals, as millionths.
metric_value ratio(int128 part, int128 whole, double error = 0) {
  if (whole <= 0) return {};
  return decimal(divide_half_even(part * 100, whole) * 10'000, error);
}

metric_value lag(const lag_histogram& h, double quantile) {
  if (h.empty()) return {};
  const auto ms = h.quantile(quantile);
  constexpr std::int64_t exact_below = 64;
  return integer(ms, ms < exact_below ? 0 : 1.0 / 64);
}

std::int64_t rejected(const operations_row& row) {
  return std::accumulate(row.rejected.all().begin(), row.rejected.all().end(), std::int64_t{0},
                         [](std::int64_t sum, const auto& entry) { return sum + entry.second; });
}

money_sum net_sales(const commerce_row& row) {
  return row.gross_sales - row.discounts - row.refunds;
}

using rows = merged_rows;
using unit = metric_unit;

const std::array metrics{
    metric_facts{"visitors", unit::count, from_traffic, true,
                 [](const rows& r) { return uniques(r.traffic.visitors); }},
    metric_facts{"visits", unit::count, from_traffic, false,
                 [](const rows& r) { return integer(r.traffic.visits); }},
    metric_facts{"pageviews", unit::count, from_traffic, true,
                 [](const rows& r) { return integer(r.traffic.pageviews); }},
    metric_facts{"events", unit::count, from_traffic, true,
                 [](const rows& r) { return integer(r.traffic.events); }},
    metric_facts{"views_per_visit", unit::ratio, from_traffic, false,
                 [](const rows& r) { return ratio(r.traffic.visit_pageviews, r.traffic.visits); }},
    metric_facts{"bounce_rate", unit::percent, from_traffic, false,
                 [](const rows& r) { return percent(r.traffic.bounces, r.traffic.visits); }},
    metric_facts{"visit_duration", unit::seconds, from_traffic, false,
                 [](const rows& r) {
                   if (r.traffic.visits <= 0) return metric_value{};
                   return integer(
                       divide_half_even(r.traffic.visit_ms, int128{r.traffic.visits} * 1'000));
                 }},
    metric_facts{"current_visitors", unit::count, from_current, false,
                 [](const rows& r) { return uniques(r.current.visitors); }},

    metric_facts{"orders", unit::count, from_commerce, false,
                 [](const rows& r) { return integer(r.commerce.orders); }},
    metric_facts{"units", unit::quantity, from_commerce, false,
                 [](const rows& r) { return decimal(r.commerce.units); }},
    metric_facts{"gross_sales", unit::money, from_commerce, false,
                 [](const rows& r) { return decimal(r.money.gross_sales); }},
    metric_facts{"discounts", unit::money, from_commerce, false,
                 [](const rows& r) { return decimal(r.money.discounts); }},
    metric_facts{"refunds", unit::money, from_commerce, false,
                 [](const rows& r) { return decimal(r.money.refunds); }},
    metric_facts{"net_sales", unit::money, from_commerce, false,
                 [](const rows& r) { return decimal(net_sales(r.money)); }},
    metric_facts{"tax", unit::money, from_commerce, false,
                 [](const rows& r) { return decimal(r.money.tax); }},
    metric_facts{"shipping", unit::money, from_commerce, false,
                 [](const rows& r) { return decimal(r.money.shipping); }},
    metric_facts{
        "total_sales", unit::money, from_commerce, false,
        [](const rows& r) { return decimal(net_sales(r.money) + r.money.tax + r.money.shipping); }},
    metric_facts{"aov", unit::money, from_commerce, false,
                 [](const rows& r) {
                   return money_per(r.money.gross_sales - r.money.discounts, r.money.orders);
                 }},
    metric_facts{"revenue_per_visit", unit::money, from_commerce | from_traffic, false,
                 [](const rows& r) { return money_per(net_sales(r.money), r.traffic.visits); }},
    metric_facts{"conversion_rate", unit::percent, from_traffic, false,
                 [](const rows& r) { return percent(r.traffic.with_purchase, r.traffic.visits); }},
    metric_facts{"add_to_cart_rate", unit::percent, from_traffic, false,
                 [](const rows& r) { return percent(r.traffic.with_cart, r.traffic.visits); }},
    metric_facts{"checkout_rate", unit::percent, from_traffic, false,
                 [](const rows& r) { return percent(r.traffic.with_checkout, r.traffic.visits); }},
    metric_facts{"cart_abandonment_rate", unit::percent, from_traffic, false,
                 [](const rows& r) { return percent(r.traffic.abandoned, r.traffic.with_cart); }},
    metric_facts{"sessions", unit::count, from_traffic, false,
                 [](const rows& r) { return integer(r.traffic.visits); }},
    metric_facts{"sessions_with_cart", unit::count, from_traffic, false,
                 [](const rows& r) { return integer(r.traffic.with_cart); }},
    metric_facts{"sessions_reached_checkout", unit::count, from_traffic, false,
                 [](const rows& r) { return integer(r.traffic.cart_then_checkout); }},
    metric_facts{"sessions_completed", unit::count, from_traffic, false,
                 [](const rows& r) { return integer(r.traffic.completed); }},

    metric_facts{"customers", unit::count, from_commerce, false,
                 [](const rows& r) { return uniques(r.commerce.customers); }},
    metric_facts{"orders_per_customer", unit::ratio, from_commerce, false,
                 [](const rows& r) {
                   const auto& customers = r.commerce.customers;
                   return ratio(r.commerce.orders, customers.estimate(),
                                customers.relative_error());
                 }},

    metric_facts{"accepted", unit::count, from_operations, false,
                 [](const rows& r) { return integer(r.operations.accepted); }},
    metric_facts{"duplicate", unit::count, from_operations, false,
                 [](const rows& r) { return integer(r.operations.duplicate); }},
    metric_facts{"rejected", unit::count, from_operations, false,
                 [](const rows& r) { return integer(rejected(r.operations)); }},
    metric_facts{"late", unit::count, from_operations, false,
                 [](const rows& r) { return integer(r.operations.late); }},
    metric_facts{"lag_p50", unit::milliseconds, from_operations, false,
                 [](const rows& r) { return lag(r.operations.lag, 0.5); }},
    metric_facts{"lag_p99", unit::milliseconds, from_operations, false,
                 [](const rows& r) { return lag(r.operations.lag, 0.99); }},
    metric_facts{"complete_through", unit::moment, from_none, false,
                 [](const rows&) { return metric_value{}; }},
};

constexpr std::array history_metrics{
    std::string_view{"time_on_page"},    std::string_view{"scroll_depth"},
    std::string_view{"exit_rate"},       std::string_view{"new_customers"},
    std::string_view{"returning_rate"},  std::string_view{"returning_customers"},
    std::string_view{"revenue_to_date"}, std::string_view{"days_between_orders"},
    std::string_view{"retention"},       std::string_view{"percentage"},
    std::string_view{"average_revenue"}, std::string_view{"group_conversion_rate"},
    std::string_view{"total_revenue"},   std::string_view{"order_value_p50"},
    std::string_view{"order_value_p90"}, std::string_view{"order_value_p99"},
};

constexpr std::array history_dimensions{
    std::string_view{"event:goal"},         std::string_view{"event:page"},
    std::string_view{"event:hostname"},     std::string_view{"event:product"},
    std::string_view{"event:variant"},      std::string_view{"event:sku"},
    std::string_view{"event:category"},     std::string_view{"event:brand"},
    std::string_view{"event:coupon"},       std::string_view{"event:payment_method"},
    std::string_view{"event:currency"},     std::string_view{"event:sales_channel"},
    std::string_view{"visit:source"},       std::string_view{"visit:referrer"},
    std::string_view{"visit:channel"},      std::string_view{"visit:utm_source"},
    std::string_view{"visit:utm_medium"},   std::string_view{"visit:utm_campaign"},
    std::string_view{"visit:utm_content"},  std::string_view{"visit:utm_term"},
    std::string_view{"visit:entry_page"},   std::string_view{"visit:exit_page"},
    std::string_view{"visit:device"},       std::string_view{"visit:browser"},
    std::string_view{"visit:os"},           std::string_view{"visit:browser_version"},
    std::string_view{"visit:os_version"},   std::string_view{"visit:country"},
    std::string_view{"visit:region"},       std::string_view{"visit:city"},
    std::string_view{"visit:country_name"}, std::string_view{"visit:region_name"},
    std::string_view{"visit:city_name"},    std::string_view{"visit:language"},
    std::string_view{"visit:screen"},       std::string_view{"visit:customer_type"},
    std::string_view{"visit:cohort"},       std::string_view{"visit:click_id"},
    std::string_view{"visit:agent"},        std::string_view{"segment"},
    std::string_view{"time:hour_of_day"},   std::string_view{"time:day_of_week"},
};

}  // namespace

std::span<const metric_facts> all_metrics() {
  return metrics;
}

const metric_facts* find_metric(std::string_view name) {
  const auto found = std::ranges::find(metrics, name, &metric_facts::name);
  return found == metrics.end() ? nullptr : &*found;
}

bool metric_needs_history(std::string_view name) {
  return std::ranges::find(history_metrics, name) != history_metrics.end();
}

bool dimension_needs_history(std::string_view name) {
  if (name.starts_with("event:props:") || name.starts_with("props:")) return true;
  return std::ranges::find(history_dimensions, name) != history_dimensions.end();
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> line(b.size() + 1);
  std::iota(line.begin(), line.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    auto diagonal = std::exchange(line[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const auto replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = line[j];
      line[j] = std::min({replaced, line[j] + 1, line[j - 1] + 1});
    }
  }
  return line.back();
}

std::string_view nearest_metric(std::string_view name) {
  constexpr std::size_t compared_chars_max = 64;
  const auto asked = name.substr(0, compared_chars_max);
  return std::ranges::min_element(
             metrics, {}, [&](const metric_facts& m) { return edit_distance(asked, m.name); })
      ->name;
}

int128 divide_half_even(int128 numerator, int128 denominator) {
  ensure(denominator > 0, "division by a number that is not positive");
  const bool negative = numerator < 0;
  const auto n = negative ? -static_cast<uint128>(numerator) : static_cast<uint128>(numerator);
  const auto d = static_cast<uint128>(denominator);
  auto quotient = n / d;
  const auto rest = n % d;
  // rest >= d - rest asks for 2 * rest >= d without overflow.
  if (rest > d - rest || (rest == d - rest && (quotient & 1) != 0)) ++quotient;
  return negative ? -static_cast<int128>(quotient) : static_cast<int128>(quotient);
}

metric_value change_between(const metric_value& before, const metric_value& now) {
  if (before.is == form::null || now.is == form::null) return {};
  const auto difference = now.number - before.number;
  if (now.is == form::percent) return {form::percent, difference};
  if (before.number == 0) return integer(difference == 0 ? 0 : difference > 0 ? 100 : -100);
  const auto magnitude = before.number < 0 ? -before.number : before.number;
  const auto twice = difference * 200 + (difference < 0 ? -magnitude : magnitude);
  return integer(twice / (2 * magnitude));
}

}  // namespace tally

#include "domain/query_metrics.hpp"

#include <gtest/gtest.h>

#include <string>

namespace tally {
namespace {

using form = metric_value::form;

merged_rows busy_bucket() {
  merged_rows r;
  r.traffic.events = 40;
  r.traffic.pageviews = 20;
  r.traffic.visits = 9;
  r.traffic.bounces = 2;
  r.traffic.visit_pageviews = 19;
  r.traffic.visit_ms = 9 * 61'000 + 4'500;
  r.traffic.with_cart = 4;
  r.traffic.with_checkout = 3;
  r.traffic.with_purchase = 2;
  r.traffic.cart_then_checkout = 3;
  r.traffic.completed = 2;
  r.traffic.abandoned = 1;
  for (std::uint64_t v : {1, 2, 3}) r.traffic.visitors.add(v * 0x9e3779b97f4a7c15u);
  r.current.visitors.add(77);
  r.money.orders = 3;
  r.money.gross_sales = 100'000'000;
  r.money.discounts = 10'000'000;
  r.money.refunds = 25'500'000;
  r.money.tax = 7'250'000;
  r.money.shipping = 4'990'000;
  r.commerce = r.money;
  r.commerce.orders = 5;  // two of them in another currency
  r.commerce.units = 12'500'000;
  for (std::uint64_t c : {8, 9}) r.commerce.customers.add(c * 0x9e3779b97f4a7c15u);
  r.operations.accepted = 50;
  r.operations.duplicate = 4;
  r.operations.late = 1;
  r.operations.rejected = {{"bad_amount", 2}, {"bad_time", 3}};
  return r;
}

struct expectation {
  const char* metric;
  form is;
  std::int64_t number;
};

TEST(query_metrics, follow_their_formulas) {
  const expectation cases[] = {
      {"visitors", form::integer, 3},
      {"visits", form::integer, 9},
      {"pageviews", form::integer, 20},
      {"events", form::integer, 40},
      {"views_per_visit", form::decimal, 2'110'000},
      {"bounce_rate", form::percent, 222},
      {"visit_duration", form::integer, 62},
      {"current_visitors", form::integer, 1},
      {"orders", form::integer, 5},
      {"units", form::decimal, 12'500'000},
      {"gross_sales", form::decimal, 100'000'000},
      {"discounts", form::decimal, 10'000'000},
      {"refunds", form::decimal, 25'500'000},
      {"net_sales", form::decimal, 64'500'000},
      {"tax", form::decimal, 7'250'000},
      {"shipping", form::decimal, 4'990'000},
      {"total_sales", form::decimal, 76'740'000},
      {"aov", form::decimal, 30'000'000},
      {"revenue_per_visit", form::decimal, 7'166'667},
      {"conversion_rate", form::percent, 222},
      {"add_to_cart_rate", form::percent, 444},
      {"checkout_rate", form::percent, 333},
      {"cart_abandonment_rate", form::percent, 250},
      {"sessions", form::integer, 9},
      {"sessions_with_cart", form::integer, 4},
      {"sessions_reached_checkout", form::integer, 3},
      {"sessions_completed", form::integer, 2},
      {"customers", form::integer, 2},
      {"orders_per_customer", form::decimal, 2'500'000},
      {"accepted", form::integer, 50},
      {"duplicate", form::integer, 4},
      {"rejected", form::integer, 5},
      {"late", form::integer, 1},
  };
  const auto rows = busy_bucket();
  for (const auto& c : cases) {
    const auto* const metric = find_metric(c.metric);
    ASSERT_NE(metric, nullptr) << c.metric;
    const auto value = metric->compute(rows);
    EXPECT_EQ(static_cast<int>(value.is), static_cast<int>(c.is)) << c.metric;
    EXPECT_EQ(static_cast<std::int64_t>(value.number), c.number) << c.metric;
    EXPECT_EQ(value.error, 0) << c.metric;
  }
}

TEST(query_metrics, are_null_where_the_divisor_is_zero) {
  for (const auto* name :
       {"views_per_visit", "bounce_rate", "visit_duration", "aov", "revenue_per_visit",
        "conversion_rate", "add_to_cart_rate", "checkout_rate", "cart_abandonment_rate",
        "orders_per_customer", "lag_p50", "lag_p99"})
    EXPECT_TRUE(find_metric(name)->compute({}).is == form::null) << name;
}

TEST(query_metrics, of_lag_state_the_error_of_the_histogram) {
  merged_rows rows;
  for (int i = 0; i < 99; ++i) rows.operations.lag.add(10);
  rows.operations.lag.add(90'000);
  const auto median = find_metric("lag_p50")->compute(rows);
  EXPECT_EQ(static_cast<int>(median.number), 10);
  EXPECT_EQ(median.error, 0);
  rows.operations.lag.add(90'000, 9'900);
  const auto worst = find_metric("lag_p99")->compute(rows);
  EXPECT_NEAR(static_cast<double>(worst.number), 90'000, 90'000.0 / 64);
  EXPECT_GT(worst.error, 0);
}

TEST(query_metrics, of_uniques_state_their_error_beyond_the_exact_count) {
  merged_rows rows;
  for (std::uint64_t i = 1; i <= 50'000; ++i) rows.traffic.visitors.add(i * 0x9e3779b97f4a7c15u);
  const auto value = find_metric("visitors")->compute(rows);
  EXPECT_GT(value.error, 0);
  EXPECT_LT(value.error, 0.02);
}

TEST(query_metrics, never_overflow_with_sums_beyond_64_bits) {
  merged_rows rows;
  rows.money.orders = 1;
  rows.money.gross_sales = money_sum{INT64_MAX} * 1'000'000;
  const auto aov = find_metric("aov")->compute(rows);
  EXPECT_TRUE(aov.number == rows.money.gross_sales);
}

TEST(divide_half_even, rounds_a_half_to_the_even_neighbour) {
  struct {
    int n, d, expected;
  } const cases[] = {{1, 2, 0}, {3, 2, 2},   {5, 2, 2}, {-1, 2, 0}, {-3, 2, -2}, {7, 3, 2},
                     {8, 3, 3}, {-8, 3, -3}, {0, 9, 0}, {10, 5, 2}, {25, 10, 2}, {35, 10, 4}};
  for (const auto& c : cases)
    EXPECT_EQ(static_cast<int>(divide_half_even(c.n, c.d)), c.expected) << c.n << "/" << c.d;
}

TEST(change_between, is_whole_percent_of_the_old_value) {
  struct {
    int before, now, expected;
  } const cases[] = {{0, 0, 0},      {0, 5, 100},     {100, 150, 50}, {200, 100, -50},
                     {3, 4, 33},     {3, 5, 67},      {8, 9, 13},     {8, 7, -13},
                     {-50, 50, 200}, {50, -50, -200}, {0, -5, -100}};
  for (const auto& c : cases) {
    const auto change = change_between({form::integer, c.before}, {form::integer, c.now});
    EXPECT_TRUE(change.is == form::integer);
    EXPECT_EQ(static_cast<int>(change.number), c.expected) << c.before << " to " << c.now;
  }
}

TEST(change_between, is_the_difference_of_percents) {
  const auto change = change_between({form::percent, 405}, {form::percent, 333});
  EXPECT_TRUE(change.is == form::percent);
  EXPECT_EQ(static_cast<int>(change.number), -72);
}

TEST(change_between, is_null_where_either_is_null) {
  EXPECT_TRUE(change_between({}, {form::integer, 1}).is == form::null);
  EXPECT_TRUE(change_between({form::integer, 1}, {}).is == form::null);
}

TEST(nearest_metric, finds_what_was_meant) {
  EXPECT_EQ(nearest_metric("visitor"), "visitors");
  EXPECT_EQ(nearest_metric("net_sale"), "net_sales");
  EXPECT_EQ(nearest_metric("bouncerate"), "bounce_rate");
}

TEST(metric_needs_history, knows_no_metric_that_rows_can_answer) {
  for (const auto& metric : all_metrics()) EXPECT_FALSE(metric_needs_history(metric.name));
  EXPECT_TRUE(metric_needs_history("time_on_page"));
  EXPECT_TRUE(metric_needs_history("new_customers"));
}

}  // namespace
}  // namespace tally

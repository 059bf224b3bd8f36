#include <random>

#include "tests/domain/query_fixture.hpp"

namespace tally {
namespace {

using form = metric_value::form;

std::uint64_t person(std::uint64_t n) {
  return (n + 1) * 0x9e3779b97f4a7c15u;
}

row_set::address day_of(std::string_view date, std::string tag = {}) {
  const auto at = date_begin(
      *zone::find("Europe/London"),
      local_date_of(*zone::find("Europe/London"), instant(std::string{date} + "T12:00:00Z")));
  return {{granularity::day, std::move(tag)}, at};
}

std::int64_t number(const metric_value& v) {
  return static_cast<std::int64_t>(v.number);
}

plan plan_for(const question& q, const merchant_facts& facts = london_shop()) {
  auto p = make_plan(q, facts, london_now());
  ensure(p.ok(), p.ok() ? "" : p.error().text().c_str());
  return *p;
}

TEST(evaluate, returns_every_bucket_with_its_label) {
  row_set rows;
  rows.traffic[day_of("2024-05-09")].visits = 3;
  rows.traffic[day_of("2024-05-14")].visits = 5;
  const auto a = evaluate(plan_for(ask({"visits"}, {"time:day"}, "7d")), rows);
  ASSERT_EQ(a.rows.size(), 7u);
  EXPECT_EQ(a.rows[0].dimensions[0], "2024-05-08");
  EXPECT_EQ(a.rows[1].dimensions[0], "2024-05-09");
  EXPECT_EQ(number(a.rows[0].metrics[0]), 0);
  EXPECT_EQ(number(a.rows[1].metrics[0]), 3);
  EXPECT_EQ(number(a.rows[6].metrics[0]), 5);
  EXPECT_EQ(a.total_rows, 7u);
  EXPECT_TRUE(a.exact);
  EXPECT_EQ(a.zone, "Europe/London");
}

TEST(evaluate, names_the_zone_as_it_was_given) {
  auto facts = london_shop();
  facts.zone_name = "GB";
  auto q = ask({"visits"}, {}, "7d");
  EXPECT_EQ(evaluate(plan_for(q, facts), {}).zone, "GB");
  q.timezone = "Europe/Belfast";
  EXPECT_EQ(evaluate(plan_for(q, facts), {}).zone, "Europe/Belfast");
}

TEST(evaluate, counts_a_visitor_of_two_days_once_in_the_totals) {
  row_set rows;
  rows.traffic[day_of("2024-05-09")].visitors.add(person(1));
  rows.traffic[day_of("2024-05-10")].visitors.add(person(1));
  rows.traffic[day_of("2024-05-10")].visitors.add(person(2));
  auto q = ask({"visitors"}, {"time:day"}, "7d");
  q.include_totals = true;
  const auto a = evaluate(plan_for(q), rows);
  EXPECT_EQ(number(a.rows[1].metrics[0]), 1);
  EXPECT_EQ(number(a.rows[2].metrics[0]), 2);
  ASSERT_TRUE(a.totals);
  EXPECT_EQ(number(a.totals->metrics[0]), 2);
}

TEST(evaluate, answers_with_one_row_where_nothing_is_cut) {
  const auto a = evaluate(plan_for(ask({"visits", "bounce_rate"}, {}, "7d")), {});
  ASSERT_EQ(a.rows.size(), 1u);
  EXPECT_EQ(number(a.rows[0].metrics[0]), 0);
  EXPECT_TRUE(a.rows[0].metrics[1].is == form::null);
}

TEST(evaluate, labels_partial_weeks_and_months_as_plausible_does) {
  auto q = ask_between({"visits"}, {"time:week"}, "2024-05-02", "2024-05-14");
  q.include_time_labels = true;
  EXPECT_EQ(evaluate(plan_for(q), {}).time_labels,
            (std::vector<std::string>{"2024-05-02", "2024-05-06", "2024-05-13"}));
  q.dimensions = {"time:month"};
  q.from = "2024-03-20";
  EXPECT_EQ(evaluate(plan_for(q), {}).time_labels,
            (std::vector<std::string>{"2024-03-01", "2024-04-01", "2024-05-01"}));
}

TEST(evaluate, labels_the_repeated_hour_twice) {
  auto q = ask_between({"visits"}, {"time:hour"}, "2023-10-29", "2023-10-29");
  const auto a = evaluate(plan_for(q), {});
  ASSERT_EQ(a.rows.size(), 25u);
  EXPECT_EQ(a.rows[1].dimensions[0], "2023-10-29 01:00:00");
  EXPECT_EQ(a.rows[2].dimensions[0], "2023-10-29 01:00:00");
  EXPECT_EQ(a.rows[3].dimensions[0], "2023-10-29 02:00:00");
}

TEST(evaluate, keeps_currencies_apart_but_counts_every_order) {
  auto facts = london_shop();
  facts.currencies = {"EUR", "GBP"};
  row_set rows;
  auto& pounds = rows.commerce[day_of("2024-05-09", "GBP")];
  pounds.orders = 2;
  pounds.gross_sales = 30'000'000;
  pounds.customers.add(person(1));
  auto& euros = rows.commerce[day_of("2024-05-09", "EUR")];
  euros.orders = 1;
  euros.gross_sales = 99'000'000;
  euros.customers.add(person(1));
  const std::vector<std::string> metrics{"orders", "gross_sales", "aov", "customers"};
  auto a = evaluate(plan_for(ask(metrics, {}, "7d"), facts), rows);
  EXPECT_EQ(number(a.rows[0].metrics[0]), 3);
  EXPECT_EQ(number(a.rows[0].metrics[1]), 30'000'000);
  EXPECT_EQ(number(a.rows[0].metrics[2]), 15'000'000);
  EXPECT_EQ(number(a.rows[0].metrics[3]), 1);
  EXPECT_EQ(a.other_currencies, std::vector<std::string>{"EUR"});

  auto q = ask(metrics, {}, "7d");
  q.currency = "EUR";
  a = evaluate(plan_for(q, facts), rows);
  EXPECT_EQ(number(a.rows[0].metrics[1]), 99'000'000);
  EXPECT_EQ(a.other_currencies, std::vector<std::string>{"GBP"});
}

row_set rows_by_name() {
  row_set rows;
  auto& views = rows.names[day_of("2024-05-09", "page_view")];
  views.events = 10;
  views.visitors.add(person(1));
  views.visitors.add(person(2));
  auto& sales = rows.names[day_of("2024-05-09", "purchase")];
  sales.events = 12;
  sales.visitors.add(person(2));
  rows.names[day_of("2024-05-10", "purchase")].events = 1;
  return rows;
}

TEST(evaluate, breaks_down_by_event_name_largest_first) {
  const auto a = evaluate(plan_for(ask({"events", "visitors", "pageviews"}, {"event:name"}, "7d")),
                          rows_by_name());
  ASSERT_EQ(a.rows.size(), 2u);
  EXPECT_EQ(a.rows[0].dimensions[0], "purchase");
  EXPECT_EQ(number(a.rows[0].metrics[0]), 13);
  EXPECT_EQ(number(a.rows[0].metrics[1]), 1);
  EXPECT_EQ(number(a.rows[0].metrics[2]), 0);
  EXPECT_EQ(a.rows[1].dimensions[0], "page_view");
  EXPECT_EQ(number(a.rows[1].metrics[1]), 2);
  EXPECT_EQ(number(a.rows[1].metrics[2]), 10);
}

TEST(evaluate, leaves_out_empty_groups_where_a_dimension_is_not_time) {
  const auto a =
      evaluate(plan_for(ask({"events"}, {"time:day", "event:name"}, "7d")), rows_by_name());
  std::vector<std::vector<std::string>> labels;
  for (const auto& row : a.rows) labels.push_back(row.dimensions);
  EXPECT_EQ(labels, (std::vector<std::vector<std::string>>{{"2024-05-09", "purchase"},
                                                           {"2024-05-09", "page_view"},
                                                           {"2024-05-10", "purchase"}}));
}

TEST(evaluate, filters_by_event_name) {
  auto q = ask({"events", "visitors"}, {"time:day"}, "7d");
  q.names = {"purchase", "never_heard_of"};
  const auto a = evaluate(plan_for(q), rows_by_name());
  ASSERT_EQ(a.rows.size(), 7u);
  EXPECT_EQ(number(a.rows[1].metrics[0]), 12);
  EXPECT_EQ(number(a.rows[1].metrics[1]), 1);
}

TEST(evaluate, sorts_and_turns_pages) {
  row_set rows;
  rows.traffic[day_of("2024-05-08")].visits = 2;
  rows.traffic[day_of("2024-05-09")].visits = 9;
  rows.traffic[day_of("2024-05-10")].visits = 5;
  auto q = ask({"visits"}, {"time:day"}, "7d");
  q.order_by = {{"visits", true}, {"time:day", true}};
  q.limit = 3;
  q.offset = 1;
  const auto a = evaluate(plan_for(q), rows);
  ASSERT_EQ(a.rows.size(), 3u);
  EXPECT_EQ(a.rows[0].dimensions[0], "2024-05-10");
  EXPECT_EQ(a.rows[1].dimensions[0], "2024-05-08");
  EXPECT_EQ(a.rows[2].dimensions[0], "2024-05-14");
  EXPECT_EQ(a.total_rows, 7u);
}

TEST(evaluate, pairs_buckets_with_those_of_the_compared_range) {
  row_set rows;
  rows.traffic[day_of("2024-05-08")].visits = 6;
  rows.traffic[day_of("2024-05-01")].visits = 4;
  auto q = ask({"visits"}, {"time:day"}, "7d");
  q.compare = comparison::previous_period;
  q.include_totals = true;
  const auto a = evaluate(plan_for(q), rows);
  EXPECT_EQ(a.rows[0].compared_labels[0], "2024-05-01");
  EXPECT_EQ(number(a.rows[0].compared[0]), 4);
  EXPECT_EQ(number(a.rows[1].compared[0]), 0);
  EXPECT_EQ(number(a.totals->compared[0]), 4);
}

TEST(evaluate, has_nothing_to_compare_where_the_other_range_is_shorter) {
  auto q = ask({"visits"}, {"time:day"}, "7d");
  q.compare = comparison::custom;
  q.compare_from = q.compare_to = "2024-01-01";
  const auto a = evaluate(plan_for(q), {});
  EXPECT_EQ(a.rows[0].compared.size(), 1u);
  EXPECT_TRUE(a.rows[1].compared.empty());
}

TEST(evaluate, counts_current_visitors_of_the_last_five_minutes) {
  row_set rows;
  const auto minute = [](std::string_view time) {
    return row_set::address{{granularity::minute, ""}, second_of(time)};
  };
  rows.traffic[minute("2024-05-15T11:35:00Z")].visitors.add(person(1));
  rows.traffic[minute("2024-05-15T11:30:00Z")].visitors.add(person(2));
  rows.traffic[minute("2024-05-15T11:29:00Z")].visitors.add(person(3));
  rows.traffic[day_of("2024-05-09")].visits = 3;
  const auto a = evaluate(plan_for(ask({"current_visitors", "visits"}, {}, "7d")), rows);
  EXPECT_EQ(number(a.rows[0].metrics[0]), 2);
  EXPECT_EQ(number(a.rows[0].metrics[1]), 3);
}

TEST(evaluate, says_when_it_estimates) {
  row_set rows;
  for (std::uint64_t i = 0; i < 20'000; ++i)
    rows.traffic[day_of("2024-05-09")].visitors.add(person(i));
  const auto a = evaluate(plan_for(ask({"visitors"}, {}, "7d")), rows);
  EXPECT_FALSE(a.exact);
  EXPECT_GT(a.error, 0);
}

/// Counts the same events in rows of every width.
class same_events_in_every_width : public testing::TestWithParam<const char*> {
 protected:
  void fill() {
    const auto& z = *zone::find(GetParam());
    facts_ = london_shop();
    facts_.reporting_zone = &z;
    facts_.newest = instant("2024-03-31T23:50:00Z");
    facts_.oldest = facts_.newest - std::chrono::hours{47};
    std::mt19937_64 random{7};
    for (int i = 0; i < 2'000; ++i) {
      const auto at =
          facts_.oldest +
          std::chrono::milliseconds{static_cast<std::int64_t>(random() % (47ull * 3'600'000))};
      for (const auto width : {granularity::minute, granularity::hour, granularity::day}) {
        const auto begin = bucket_begin(z, width, at);
        auto& traffic = rows_.traffic[{{width, ""}, begin}];
        traffic.events += 1;
        traffic.visitors.add(person(static_cast<std::uint64_t>(i) % 300));
        auto& sales = rows_.commerce[{{width, "GBP"}, begin}];
        sales.orders += 1;
        sales.gross_sales += money_sum{i} * 1'250'000;
      }
    }
  }
  merchant_facts facts_;
  row_set rows_;
};

TEST_P(same_events_in_every_width, give_the_same_days) {
  fill();
  auto p = plan_for(
      ask_between({"events", "visitors", "gross_sales"}, {"time:day"}, "2024-03-28", "2024-04-02"),
      facts_);
  ASSERT_EQ(p.row_width, granularity::day);
  const auto days = evaluate(p, rows_);
  for (const auto width : {granularity::hour, granularity::minute}) {
    p.row_width = width;
    const auto other = evaluate(p, rows_);
    ASSERT_EQ(days.rows.size(), other.rows.size());
    for (std::size_t i = 0; i < days.rows.size(); ++i) {
      EXPECT_EQ(days.rows[i].dimensions, other.rows[i].dimensions);
      EXPECT_EQ(days.rows[i].metrics, other.rows[i].metrics) << days.rows[i].dimensions[0];
    }
  }
}

INSTANTIATE_TEST_SUITE_P(zones, same_events_in_every_width,
                         testing::Values("UTC", "Europe/London", "Asia/Kathmandu",
                                         "America/St_Johns", "Australia/Lord_Howe"),
                         [](const auto& shop) {
                           std::string name = shop.param;
                           for (auto& c : name)
                             if (c == '/') c = '_';
                           return name;
                         });

}  // namespace
}  // namespace tally

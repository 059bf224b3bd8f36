#include <functional>
#include <map>

#include "tests/domain/query_fixture.hpp"

namespace tally {
namespace {

TEST(make_plan, resolves_every_named_date_range) {
  const std::pair<const char*, const char*> cases[] = {
      {"day", "2024-05-15T00:00:00+01:00 2024-05-15T23:59:59+01:00"},
      {"7d", "2024-05-08T00:00:00+01:00 2024-05-14T23:59:59+01:00"},
      {"28d", "2024-04-17T00:00:00+01:00 2024-05-14T23:59:59+01:00"},
      {"30d", "2024-04-15T00:00:00+01:00 2024-05-14T23:59:59+01:00"},
      {"91d", "2024-02-14T00:00:00+00:00 2024-05-14T23:59:59+01:00"},
      {"month", "2024-05-01T00:00:00+01:00 2024-05-15T23:59:59+01:00"},
      {"6mo", "2023-11-01T00:00:00+00:00 2024-04-30T23:59:59+01:00"},
      {"12mo", "2023-05-01T00:00:00+01:00 2024-04-30T23:59:59+01:00"},
      {"year", "2024-01-01T00:00:00+00:00 2024-05-15T23:59:59+01:00"},
      {"all", "2023-01-10T00:00:00+00:00 2024-05-15T23:59:59+01:00"},
      {"realtime", "2024-05-15T12:30:00+01:00 2024-05-15T12:35:59+01:00"},
  };
  for (const auto& [range, expected] : cases)
    EXPECT_EQ(range_text(make_plan(ask({"visitors"}, {}, range), london_shop(), london_now())),
              expected)
        << range;
}

TEST(make_plan, resolves_today_in_the_zone_asked_for) {
  auto q = ask({"visitors"}, {}, "day");
  q.timezone = "Pacific/Auckland";
  EXPECT_EQ(range_text(make_plan(q, london_shop(), instant("2024-05-15T13:00:00Z"))),
            "2024-05-16T00:00:00+12:00 2024-05-16T23:59:59+12:00");
}

TEST(make_plan, of_all_is_today_for_a_merchant_without_events) {
  auto facts = london_shop();
  facts.any = false;
  EXPECT_EQ(range_text(make_plan(ask({"visitors"}, {}, "all"), facts, london_now())),
            "2024-05-15T00:00:00+01:00 2024-05-15T23:59:59+01:00");
}

TEST(make_plan, takes_day_rows_for_days_and_longer) {
  for (const auto* step : {"day", "week", "month", "quarter", "year"}) {
    const auto p = make_plan(
        ask_between({"visitors"}, {std::string{"time:"} + step}, "2023-02-03", "2024-03-04"),
        london_shop(), london_now());
    ASSERT_TRUE(p) << step << p.error().text();
    EXPECT_EQ(p->row_width, granularity::day) << step;
    ASSERT_EQ(p->ranges.size(), 1u);
    EXPECT_EQ(p->ranges[0].kind, row_kind::traffic);
    EXPECT_EQ(p->ranges[0].from, second_of("2023-02-03T00:00:00Z"));
    EXPECT_EQ(p->ranges[0].to, second_of("2024-03-05T00:00:00Z"));
  }
}

TEST(make_plan, cuts_days_of_a_clock_change_at_local_midnight) {
  const auto p = make_plan(ask_between({"visits"}, {"time:day"}, "2024-03-30", "2024-04-01"),
                           london_shop(), london_now());
  ASSERT_TRUE(p) << p.error().text();
  const std::vector<bucket_time> edges{
      second_of("2024-03-30T00:00:00Z"), second_of("2024-03-31T00:00:00Z"),
      second_of("2024-03-31T23:00:00Z"), second_of("2024-04-01T23:00:00Z")};
  EXPECT_EQ(p->buckets, edges);
}

TEST(make_plan, has_23_and_25_hours_in_days_of_a_clock_change) {
  const std::pair<const char*, std::size_t> cases[] = {
      {"2024-03-31", 23}, {"2023-10-29", 25}, {"2024-03-30", 24}};
  for (const auto& [date, hours] : cases) {
    const auto p =
        make_plan(ask_between({"visits"}, {"time:hour"}, date, date), london_shop(), london_now());
    ASSERT_TRUE(p) << p.error().text();
    EXPECT_EQ(p->buckets.size() - 1, hours) << date;
    EXPECT_EQ(p->row_width, granularity::hour);
  }
}

TEST(make_plan, answers_days_of_a_foreign_zone_from_hour_rows) {
  auto q = ask_between({"visits"}, {"time:day"}, "2023-06-01", "2023-06-02");
  q.timezone = "America/New_York";
  const auto p = make_plan(q, london_shop(), london_now());
  ASSERT_TRUE(p) << p.error().text();
  EXPECT_EQ(p->row_width, granularity::hour);
  EXPECT_EQ(p->buckets.front(), second_of("2023-06-01T04:00:00Z"));
}

TEST(make_plan, answers_a_half_hour_zone_from_recent_minute_rows_only) {
  auto q = ask_between({"visits"}, {"time:hour"}, "2024-05-14", "2024-05-14");
  q.timezone = "Asia/Kolkata";
  auto p = make_plan(q, london_shop(), london_now());
  ASSERT_TRUE(p) << p.error().text();
  EXPECT_EQ(p->row_width, granularity::minute);
  q.from = q.to = "2024-05-11";
  p = make_plan(q, london_shop(), london_now());
  ASSERT_FALSE(p);
  EXPECT_EQ(p.error().code, errc::unsupported);
  EXPECT_TRUE(p.error().detail.starts_with("too_fine: /date_range: ")) << p.error().detail;
}

TEST(make_plan, gives_minutes_for_two_days_before_the_newest_event) {
  const std::pair<const char*, bool> cases[] = {{"2024-05-13T12:34:00+01:00", false},
                                                {"2024-05-13T12:35:00+01:00", true}};
  for (const auto& [from, kept] : cases) {
    const auto p =
        make_plan(ask_between({"visits"}, {"time:minute"}, from, "2024-05-15T12:00:59+01:00"),
                  london_shop(), london_now());
    EXPECT_EQ(p.ok(), kept) << from;
  }
}

TEST(make_plan, gives_minutes_before_the_first_event_too) {
  auto facts = london_shop();
  facts.oldest = instant("2024-05-15T01:00:00Z");
  EXPECT_TRUE(make_plan(ask_between({"visits"}, {"time:minute"}, "2024-05-01", "2024-05-02"), facts,
                        london_now()));
}

TEST(make_plan, includes_the_second_that_ends_a_range) {
  auto p = make_plan(ask_between({"visits"}, {"time:hour"}, "2024-05-01T10:00:00+01:00",
                                 "2024-05-01T12:59:59+01:00"),
                     london_shop(), london_now());
  ASSERT_TRUE(p) << p.error().text();
  EXPECT_EQ(p->buckets.size(), 4u);
  EXPECT_EQ(p->row_width, granularity::hour);
  p = make_plan(ask_between({"visits"}, {"time:hour"}, "2024-05-01T10:00:00+01:00",
                            "2024-05-01T13:00:00+01:00"),
                london_shop(), london_now());
  ASSERT_FALSE(p);
  EXPECT_TRUE(p.error().detail.starts_with("too_fine: ")) << p.error().detail;
}

TEST(make_plan, lets_a_range_end_anywhere_after_the_newest_event) {
  auto q = ask_between({"visits"}, {"time:hour"}, "2024-05-15T10:00:00+01:00",
                       "2024-05-15T12:35:10.250+01:00");
  const auto p = make_plan(q, london_shop(), london_now());
  ASSERT_TRUE(p) << p.error().text();
  EXPECT_EQ(p->row_width, granularity::hour);
  q.metrics = {"accepted"};  // receipts may still come
  EXPECT_FALSE(make_plan(q, london_shop(), london_now()));
}

TEST(make_plan, compares_with_the_period_before) {
  struct {
    const char *range, *mode;
    bool same_weekday;
    const char *first, *after;
  } const cases[] = {
      {"7d", "previous", false, "2024-04-30T23:00:00Z", "2024-05-07T23:00:00Z"},
      {"day", "previous", false, "2024-05-13T23:00:00Z", "2024-05-14T23:00:00Z"},
      {"day", "previous", true, "2024-05-07T23:00:00Z", "2024-05-08T23:00:00Z"},
      {"month", "previous", false, "2024-04-15T23:00:00Z", "2024-04-30T23:00:00Z"},
      {"month", "year", false, "2023-04-30T23:00:00Z", "2023-05-15T23:00:00Z"},
      {"month", "year", true, "2023-05-02T23:00:00Z", "2023-05-17T23:00:00Z"},
      {"realtime", "previous", false, "2024-05-15T11:24:00Z", "2024-05-15T11:30:00Z"},
  };
  for (const auto& c : cases) {
    auto q = ask({"visits"}, {}, c.range);
    q.compare = std::string_view{c.mode} == "year" ? comparison::year_over_year
                                                   : comparison::previous_period;
    q.match_day_of_week = c.same_weekday;
    const auto p = make_plan(q, london_shop(), london_now());
    ASSERT_TRUE(p) << p.error().text();
    EXPECT_EQ(p->compare_from, instant(c.first)) << c.range << c.mode << c.same_weekday;
    EXPECT_EQ(p->compare_to, instant(c.after)) << c.range << c.mode << c.same_weekday;
  }
}

TEST(make_plan, compares_a_leap_day_with_the_day_before_march) {
  auto q = ask_between({"visits"}, {}, "2024-02-29", "2024-02-29");
  q.compare = comparison::year_over_year;
  const auto p = make_plan(q, london_shop(), london_now());
  ASSERT_TRUE(p) << p.error().text();
  EXPECT_EQ(p->compare_from, instant("2023-02-28T00:00:00Z"));
}

TEST(make_plan, never_asks_for_a_row_twice) {
  auto q = ask_between({"visits", "net_sales"}, {}, "2024-01-10", "2024-01-20");
  q.compare = comparison::custom;
  q.compare_from = "2024-01-15";
  q.compare_to = "2024-01-31";
  const auto p = make_plan(q, london_shop(), london_now());
  ASSERT_TRUE(p) << p.error().text();
  ASSERT_EQ(p->ranges.size(), 2u);
  for (const auto& r : p->ranges) {
    EXPECT_EQ(r.from, second_of("2024-01-10T00:00:00Z"));
    EXPECT_EQ(r.to, second_of("2024-02-01T00:00:00Z"));
  }
}

TEST(make_plan, asks_for_the_rows_of_every_currency) {
  auto facts = london_shop();
  facts.currencies = {"EUR", "GBP"};
  auto q = ask({"aov"}, {}, "7d");
  q.currency = "USD";
  const auto p = make_plan(q, facts, london_now());
  ASSERT_TRUE(p) << p.error().text();
  std::vector<std::string> tags;
  for (const auto& r : p->ranges) tags.push_back(r.tag);
  EXPECT_EQ(tags, (std::vector<std::string>{"EUR", "GBP", "USD"}));
}

TEST(make_plan, refuses_more_than_100000_buckets) {
  auto facts = london_shop();
  const auto p = make_plan(ask_between({"visits"}, {"time:hour"}, "2000-01-01", "2020-01-01"),
                           facts, london_now());
  ASSERT_FALSE(p);
  EXPECT_EQ(p.error().code, errc::unsupported);
  EXPECT_TRUE(p.error().detail.starts_with("too_many_buckets: ")) << p.error().detail;
}

TEST(make_plan, chooses_the_step_of_plain_time_by_the_range) {
  const std::pair<const char*, granularity> cases[] = {{"realtime", granularity::minute},
                                                       {"day", granularity::hour},
                                                       {"30d", granularity::day},
                                                       {"12mo", granularity::month}};
  for (const auto& [range, step] : cases) {
    const auto p = make_plan(ask({"visits"}, {"time"}, range), london_shop(), london_now());
    ASSERT_TRUE(p) << p.error().text();
    EXPECT_EQ(p->step, step) << range;
  }
}

struct refused {
  const char* what;
  question q;
  errc code;
  const char* detail_begin;
};

question with(question q, const std::function<void(question&)>& change) {
  change(q);
  return q;
}

TEST(make_plan, points_at_what_is_wrong) {
  const auto fine = ask({"visits"}, {}, "7d");
  const refused cases[] = {
      {"unknown metric", ask({"visits", "vistors"}, {}, "7d"), errc::bad_request,
       "/metrics/1: there is no metric 'vistors'; the nearest is 'visitors'"},
      {"no metric", ask({}, {}, "7d"), errc::bad_request, "/metrics: "},
      {"metric twice", ask({"visits", "visits"}, {}, "7d"), errc::bad_request, "/metrics/0: "},
      {"history metric", ask({"scroll_depth"}, {}, "7d"), errc::unsupported,
       "not_yet: /metrics/0: 'scroll_depth' needs event history"},
      {"unknown dimension", ask({"visits"}, {"visit:planet"}, "7d"), errc::bad_request,
       "/dimensions/0: "},
      {"history dimension", ask({"visits"}, {"visit:source"}, "7d"), errc::unsupported,
       "not_yet: /dimensions/0: 'visit:source' needs event history"},
      {"property", ask({"visits"}, {"event:props:plan"}, "7d"), errc::unsupported,
       "not_yet: /dimensions/0: "},
      {"two times", ask({"visits"}, {"time:day", "time:hour"}, "7d"), errc::bad_request,
       "/dimensions/1: "},
      {"visits by name", ask({"visits"}, {"event:name"}, "7d"), errc::unsupported,
       "not_yet: /metrics/0: 'visits' by event name"},
      {"current by day", ask({"current_visitors"}, {"time:day"}, "7d"), errc::bad_request,
       "/metrics/0: "},
      {"unknown range", ask({"visits"}, {}, "fortnight"), errc::bad_request, "/date_range: "},
      {"no day", ask_between({"visits"}, {}, "2024-02-30", "2024-03-01"), errc::bad_request,
       "/date_range/0: "},
      {"backwards", ask_between({"visits"}, {}, "2024-03-02", "2024-03-01"), errc::bad_request,
       "/date_range: "},
      {"unknown zone", with(fine, [](auto& q) { q.timezone = "Europe/Atlantis"; }),
       errc::bad_request, "/timezone: "},
      {"odd currency", with(fine, [](auto& q) { q.currency = "gbp"; }), errc::bad_request,
       "/currency: "},
      {"odd order",
       with(fine,
            [](auto& q) {
              q.order_by = {{"events", true}};
            }),
       errc::bad_request, "/order_by/0: "},
      {"labels without time", with(fine, [](auto& q) { q.include_time_labels = true; }),
       errc::bad_request, "/include/time_labels: "},
      {"odd comparison",
       with(fine,
            [](auto& q) {
              q.compare = comparison::custom;
              q.compare_from = "2024-01-01";
              q.compare_to = "soon";
            }),
       errc::bad_request, "/compare/1: "},
  };
  for (const auto& c : cases) {
    const auto p = make_plan(c.q, london_shop(), london_now());
    ASSERT_FALSE(p) << c.what;
    EXPECT_EQ(p.error().code, c.code) << c.what;
    EXPECT_TRUE(p.error().detail.starts_with(c.detail_begin)) << c.what << p.error().detail;
  }
}

TEST(make_plan, survives_the_ends_of_the_calendar) {
  for (const auto* from :
       {"0001-01-01", "0002-01-01", "0001-01-01T00:00:00Z", "9997-12-30", "9999-12-31T23:59:58Z"}) {
    for (const auto* to : {"0002-01-03", "9997-12-31", "9999-12-31", "9999-12-31T23:59:59Z"}) {
      for (const auto mode :
           {comparison::none, comparison::previous_period, comparison::year_over_year}) {
        for (const auto* step : {"time:year", "time:day", "time:minute"}) {
          auto q = ask_between({"visits"}, {step}, from, to);
          q.compare = mode;
          q.timezone = "Asia/Kolkata";
          const auto p = make_plan(q, london_shop(), london_now());
          if (p) {
            EXPECT_LE(p->buckets.size(), buckets_max + 1) << from << to << step;
          }
        }
      }
    }
  }
}

TEST(make_plan, compares_with_nothing_before_the_year_1) {
  auto q = ask_between({"visits"}, {}, "0900-01-01", "2024-01-01");
  q.compare = comparison::previous_period;
  const auto p = make_plan(q, london_shop(), london_now());
  ASSERT_FALSE(p);
  EXPECT_TRUE(p.error().detail.starts_with("/compare: ")) << p.error().detail;
}

TEST(make_plan, refuses_names_that_rows_may_have_missed) {
  auto facts = london_shop();
  facts.names.clear();
  for (int i = 0; i < 1'000; ++i) facts.names.push_back("name" + std::to_string(i));
  EXPECT_FALSE(make_plan(ask({"events"}, {"event:name"}, "7d"), facts, london_now()));
  auto q = ask({"events"}, {}, "7d");
  q.names = {"name7"};
  EXPECT_TRUE(make_plan(q, facts, london_now()));
  q.names = {"another"};
  EXPECT_FALSE(make_plan(q, facts, london_now()));
}

}  // namespace
}  // namespace tally

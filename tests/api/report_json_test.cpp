#include "api/report_json.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace tally::api {
namespace {

using nlohmann::json;

TEST(parse_funnel, reads_steps_as_filters_lists_of_them_and_objects) {
  const auto r = parse_funnel(R"({"site_id": "shop", "date_range": "7d", "window_seconds": 60,
    "strict": true, "dimensions": ["visit:source"], "steps": [
      ["is", "event:name", ["a"]],
      [["is", "event:name", ["b"]], ["is", "event:page", ["/"]]],
      {"label": "Third", "filter": ["not", ["is", "event:name", ["c"]]]}]})");
  ASSERT_TRUE(r) << r.error().detail;
  const auto& q = r->funnel;
  ASSERT_EQ(q.steps.size(), 3u);
  EXPECT_EQ(q.steps[0].op, filter_op::is);
  EXPECT_EQ(q.steps[1].op, filter_op::all_of);
  EXPECT_EQ(q.steps[1].parts[1].pointer, "/steps/1/1");
  EXPECT_EQ(q.steps[2].parts[0].pointer, "/steps/2/filter/1");
  EXPECT_EQ(q.labels, (std::vector<std::string>{"step 1", "step 2", "Third"}));
  EXPECT_EQ(q.window, std::chrono::seconds{60});
  EXPECT_TRUE(q.strict);
  EXPECT_EQ(q.asked.merchant, "shop");
  EXPECT_EQ(q.asked.dimensions, (std::vector<std::string>{"visit:source"}));
}

TEST(parse_funnel, points_at_what_is_wrong) {
  const std::string two = R"([["is", "event:name", ["a"]], ["is", "event:name", ["b"]]])";
  const std::vector<std::pair<std::string, std::string>> cases{
      {R"({"steps": )" + two + "}", "/date_range: "},
      {R"({"date_range": "7d"})", "/steps: "},
      {R"({"date_range": "7d", "steps": [["is", "event:name", ["a"]]]})", "/steps: "},
      {R"({"date_range": "7d", "steps": [["is", "event:name", ["a"]], {}]})", "/steps/1/filter: "},
      {R"({"date_range": "7d", "steps": [["is", "event:name", ["a"]], {"filter": 1}]})",
       "/steps/1/filter: "},
      {R"({"date_range": "7d", "window_seconds": 0, "steps": )" + two + "}", "/window_seconds: "},
      {R"({"date_range": "7d", "windows": 1, "steps": )" + two + "}", "/windows: "},
  };
  for (const auto& [body, begin] : cases) {
    const auto r = parse_funnel(body);
    ASSERT_FALSE(r) << body;
    EXPECT_EQ(r.error().code, errc::bad_request) << body;
    EXPECT_TRUE(r.error().detail.starts_with(begin)) << body << "\n" << r.error().detail;
  }
}

TEST(parse_journeys, reads_every_field) {
  const auto r = parse_journeys(R"({"site_id": "shop", "date_range": "7d",
    "end": ["is", "event:name", ["purchase"]], "by": "event:name", "steps": 3, "top": 7,
    "window_seconds": 60, "through": ["a", "b"], "identity": true})");
  ASSERT_TRUE(r) << r.error().detail;
  const auto& q = r->journeys;
  EXPECT_TRUE(q.backwards && q.identity);
  EXPECT_EQ(q.anchor.op, filter_op::is);
  EXPECT_EQ(q.by, "event:name");
  EXPECT_EQ(q.steps, 3u);
  EXPECT_EQ(q.top, 7u);
  EXPECT_EQ(q.window, std::chrono::seconds{60});
  EXPECT_EQ(q.through, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(q.asked.merchant, "shop");
}

TEST(parse_journeys, points_at_what_is_wrong) {
  const std::string anchor = R"(["is", "event:name", ["a"]])";
  const std::vector<std::pair<std::string, std::string>> cases{
      {R"({"start": )" + anchor + "}", "/date_range: "},
      {R"({"date_range": "7d"})", "/start: "},
      {R"({"date_range": "7d", "start": )" + anchor + R"(, "end": )" + anchor + "}", "/start: "},
      {R"({"date_range": "7d", "start": 1})", "/start: "},
      {R"({"date_range": "7d", "end": ["is"]})", "/end: "},
      {R"({"date_range": "7d", "steps": 11, "start": )" + anchor + "}", "/steps: "},
      {R"({"date_range": "7d", "top": 0, "start": )" + anchor + "}", "/top: "},
      {R"({"date_range": "7d", "dimensions": [], "start": )" + anchor + "}", "/dimensions: "},
  };
  for (const auto& [body, begin] : cases) {
    const auto r = parse_journeys(body);
    ASSERT_FALSE(r) << body;
    EXPECT_TRUE(r.error().detail.starts_with(begin)) << body << "\n" << r.error().detail;
  }
}

TEST(parse_retention, reads_period_and_of) {
  const auto r = parse_retention(R"({"date_range": "12mo", "period": "month", "of": "customers"})");
  ASSERT_TRUE(r) << r.error().detail;
  EXPECT_EQ(r->retention.period, granularity::month);
  EXPECT_TRUE(r->retention.of_orders);
  for (const auto* bad : {R"({"date_range": "7d", "period": "year"})",
                          R"({"date_range": "7d", "of": "orders"})", R"({"period": "day"})"})
    EXPECT_FALSE(parse_retention(bad)) << bad;
}

TEST(to_json, writes_a_funnel) {
  funnel_question q;
  q.asked.merchant = "shop";
  q.labels = {"A", "B"};
  actors::funnel_reply reply;
  using form = metric_value::form;
  reply.table.steps = {{10, {form::percent, 1'000}, {form::percent, 1'000}, 0},
                       {3, {form::percent, 300}, {}, 7}};
  reply.table.rows = {{"Google", reply.table.steps}};
  reply.meta.events_read = 12;
  const auto got = json::parse(to_json(q, reply));
  const auto steps = json::parse(R"([
    {"label": "A", "visitors": 10, "conversion": 100.0, "from_previous": 100.0, "drop_off": 0},
    {"label": "B", "visitors": 3, "conversion": 30.0, "from_previous": null, "drop_off": 7}])");
  EXPECT_EQ(got["results"]["steps"], steps);
  EXPECT_EQ(got["results"]["rows"], json::array({{{"dimensions", {"Google"}}, {"steps", steps}}}));
  EXPECT_EQ(got["meta"]["cost"]["events"], 12);
}

TEST(to_json, writes_retention_with_the_revenue_of_customers) {
  retention_question q;
  q.of_orders = true;
  actors::retention_reply reply;
  reply.table.currency = "EUR";
  reply.table.rows = {{"2026-01-01", 2, {{2, 12'500'000}, {1, 0}}}};
  const auto got = json::parse(to_json(q, reply));
  EXPECT_EQ(got["results"], json::parse(R"([{"cohort": "2026-01-01", "size": 2, "cells": [
    {"people": 2, "revenue": "12.50"}, {"people": 1, "revenue": "0.00"}]}])"));
}

}  // namespace
}  // namespace tally::api

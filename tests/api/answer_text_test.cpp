#include "api/answer_text.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "domain/client_time.hpp"

namespace tally::api {
namespace {

using form = metric_value::form;

metric_value integer(int128 n) {
  return {form::integer, n};
}

event_time instant(std::string_view text) {
  return parse_client_time(text)->at;
}

/// What Plausible's documentation shows for a time series of visitors.
struct time_series {
  question q;
  actors::query_reply reply;

  time_series() {
    q.merchant = "dummy.site";
    q.metrics = {"visitors", "events"};
    q.dimensions = {"time:day"};
    reply.as_of = instant("2024-09-10T08:00:00.000Z");
    reply.complete_through = instant("2024-09-10T07:59:59.500Z");
    reply.generation = 1;
    reply.rows_read = 2;
    auto& t = reply.table;
    t.zone = "Europe/Tallinn";
    t.currency = "EUR";
    t.from = "2024-09-08T00:00:00+03:00";
    t.to = "2024-09-09T23:59:59+03:00";
    t.rows = {{{"2024-09-08"}, {integer(3), integer(10)}, {}, {}},
              {{"2024-09-09"}, {integer(0), integer(0)}, {}, {}}};
    t.total_rows = 2;
  }
};

TEST(to_json, writes_plausibles_shape) {
  const time_series s;
  EXPECT_EQ(
      to_json(s.q, s.reply),
      R"({"results":[{"dimensions":["2024-09-08"],"metrics":[3,10]},)"
      R"({"dimensions":["2024-09-09"],"metrics":[0,0]}],)"
      R"("meta":{"as_of":"2024-09-10T08:00:00.000Z","complete_through":"2024-09-10T07:59:59.500Z",)"
      R"("generation":1,"exact":true,"currency":"EUR","other_currencies":[],)"
      R"("cost":{"rows":2,"events":0,"blocks_skipped":0}},)"
      R"("query":{"site_id":"dummy.site","metrics":["visitors","events"],)"
      R"("date_range":["2024-09-08T00:00:00+03:00","2024-09-09T23:59:59+03:00"],"filters":[],)"
      R"("dimensions":["time:day"],"order_by":[["time:day","asc"],["visitors","desc"]],)"
      R"("include":{},"pagination":{"limit":100000,"offset":0},)"
      R"("timezone":"Europe/Tallinn","currency":"EUR"}})");
}

TEST(to_json, writes_comparisons_as_plausible_does) {
  time_series s;
  s.q.compare = comparison::previous_period;
  auto& row = s.reply.table.rows[0];
  row.compared = {integer(4), integer(5)};
  row.compared_labels = {"2024-09-06"};
  const auto json = nlohmann::json::parse(to_json(s.q, s.reply));
  EXPECT_EQ(
      json["results"][0]["comparison"],
      nlohmann::json::parse(R"({"dimensions":["2024-09-06"],"metrics":[4,5],"change":[-25,100]})"));
  EXPECT_TRUE(json["results"][1]["comparison"].is_null());
  EXPECT_EQ(json["query"]["include"]["compare"], "previous_period");
}

TEST(to_json, writes_each_unit_in_its_form) {
  time_series s;
  s.q.metrics = {"net_sales", "units",       "bounce_rate",     "views_per_visit",
                 "aov",       "bounce_rate", "complete_through"};
  s.q.dimensions = {};
  s.reply.table.rows = {{{},
                         {{form::decimal, -12'500'000},
                          {form::decimal, 3'000'000},
                          {form::percent, 5},
                          {form::decimal, 2'330'000},
                          {form::decimal, 33'333'333},
                          {},
                          {}},
                         {},
                         {}}};
  const auto text = to_json(s.q, s.reply);
  EXPECT_NE(text.find(R"("metrics":["-12.50",3,0.5,2.33,"33.333333",null,)"
                      R"("2024-09-10T07:59:59.500Z"])"),
            std::string::npos)
      << text;
}

TEST(to_json, writes_what_include_asks_for) {
  time_series s;
  s.q.include_totals = s.q.include_time_labels = s.q.include_total_rows = s.q.include_exactness =
      true;
  auto& t = s.reply.table;
  t.rows[0].metrics[0].error = 0.008125;
  t.exact = false;
  t.error = 0.008125;
  t.time_labels = {"2024-09-08", "2024-09-09"};
  t.totals = answer_row{{}, {integer(3), integer(10)}, {}, {}};
  const auto json = nlohmann::json::parse(to_json(s.q, s.reply));
  EXPECT_EQ(json["meta"]["totals"]["metrics"], (nlohmann::json{3, 10}));
  EXPECT_EQ(json["meta"]["time_labels"].size(), 2u);
  EXPECT_EQ(json["meta"]["total_rows"], 2);
  EXPECT_EQ(json["meta"]["exact"], false);
  EXPECT_DOUBLE_EQ(json["meta"]["error"], 0.008125);
  EXPECT_EQ(json["results"][0]["errors"], (nlohmann::json{0.008125, 0}));
}

TEST(to_json, escapes_names) {
  time_series s;
  s.q.dimensions = {"event:name"};
  s.reply.table.rows[0].dimensions = {"a\"b\\c\n\x01 é"};
  const auto json = nlohmann::json::parse(to_json(s.q, s.reply));
  EXPECT_EQ(json["results"][0]["dimensions"][0], "a\"b\\c\n\x01 é");
}

TEST(to_json, stays_json_where_a_name_is_not_utf8) {
  time_series s;
  s.q.dimensions = {"event:name"};
  s.reply.table.rows[0].dimensions = {"a\xff"};
  const auto json = nlohmann::json::parse(to_json(s.q, s.reply));
  EXPECT_EQ(json["results"][0]["dimensions"][0], "a\xEF\xBF\xBD");
}

TEST(to_csv, writes_a_header_and_quotes_what_needs_it) {
  time_series s;
  s.q.dimensions = {"event:name"};
  s.q.compare = comparison::previous_period;
  auto& rows = s.reply.table.rows;
  rows[0].dimensions = {"a,\"b\""};
  rows[0].compared_labels = {"c"};
  rows[0].compared = {integer(1), {}};
  rows[1].dimensions = {""};
  EXPECT_EQ(to_csv(s.q, s.reply),
            "event:name,visitors,events,comparison:event:name,comparison:visitors,"
            "comparison:events\n\"a,\"\"b\"\"\",3,10,c,1,\n,0,0,,,\n");
}

TEST(to_ndjson, writes_an_object_a_line) {
  time_series s;
  s.q.metrics[1] = "gross_sales";
  s.reply.table.rows[0].metrics[1] = {form::decimal, 125'000};
  s.reply.table.rows[1].metrics[1] = {form::decimal, 0};
  EXPECT_EQ(to_ndjson(s.q, s.reply),
            "{\"time:day\":\"2024-09-08\",\"visitors\":3,\"gross_sales\":\"0.125\"}\n"
            "{\"time:day\":\"2024-09-09\",\"visitors\":0,\"gross_sales\":\"0.00\"}\n");
}

TEST(to_text, writes_numbers_beyond_64_bits) {
  const int128 large = int128{INT64_MAX} * 10;
  EXPECT_EQ(to_text(integer(large), "events", "EUR"), "92233720368547758070");
  EXPECT_EQ(to_text(integer(-large), "events", "EUR"), "-92233720368547758070");
  EXPECT_EQ(to_text({form::percent, -5}, "bounce_rate", "EUR"), "-0.5");
  EXPECT_EQ(to_text({form::percent, 1'000}, "bounce_rate", "EUR"), "100.0");
  EXPECT_EQ(to_text({form::decimal, 1'000'000}, "net_sales", "JPY"), "1");
}

}  // namespace
}  // namespace tally::api

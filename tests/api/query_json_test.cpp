#include "api/query_json.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace tally::api {
namespace {

TEST(parse_query, reads_every_field) {
  const auto r = parse_query(R"({
    "site_id": "m123", "metrics": ["net_sales", "orders"], "dimensions": ["time:hour"],
    "date_range": ["2026-11-01", "2026-11-20"], "timezone": "Europe/Berlin", "currency": "EUR",
    "filters": ["and", [["is", "event:name", ["purchase", "refund", "purchase"]]]],
    "compare": "previous_period", "refunds_on": "order", "convert": false,
    "match_day_of_week": true,
    "order_by": [["net_sales", "desc"], ["time:hour", "asc"]],
    "pagination": {"limit": 1000, "offset": 20},
    "include": {"totals": true, "time_labels": true, "total_rows": true, "exactness": true},
    "consistency": {"after": "token", "max_wait_ms": 250}, "generation": "3"})");
  ASSERT_TRUE(r) << r.error().text();
  const auto& q = r->q;
  EXPECT_EQ(q.merchant, "m123");
  EXPECT_EQ(q.metrics, (std::vector<std::string>{"net_sales", "orders"}));
  EXPECT_EQ(q.dimensions, std::vector<std::string>{"time:hour"});
  EXPECT_EQ(q.date_range + " " + q.from + " " + q.to, "custom 2026-11-01 2026-11-20");
  EXPECT_EQ(q.timezone, "Europe/Berlin");
  EXPECT_EQ(q.currency, "EUR");
  EXPECT_EQ(q.names, (std::vector<std::string>{"purchase", "refund"}));
  EXPECT_EQ(q.compare, comparison::previous_period);
  EXPECT_TRUE(q.match_day_of_week && q.refunds_on_order_day && !q.converts);
  EXPECT_EQ(q.order_by,
            (std::vector<std::pair<std::string, bool>>{{"net_sales", true}, {"time:hour", false}}));
  EXPECT_EQ(q.limit, 1'000u);
  EXPECT_EQ(q.offset, 20u);
  EXPECT_TRUE(q.include_totals && q.include_time_labels && q.include_total_rows &&
              q.include_exactness);
  EXPECT_EQ(r->after, "token");
  EXPECT_EQ(r->max_wait, std::chrono::milliseconds{250});
  EXPECT_EQ(r->generation, "3");
}

TEST(parse_query, needs_little) {
  const auto r = parse_query(R"({"site_id": "m", "metrics": ["visitors"], "date_range": "7d"})");
  ASSERT_TRUE(r) << r.error().text();
  EXPECT_EQ(r->q.date_range, "7d");
  EXPECT_EQ(r->max_wait, std::chrono::milliseconds{500});
  EXPECT_EQ(r->generation, "current");
}

TEST(parse_query, takes_a_generation_as_a_number_or_as_text) {
  for (const auto* generation : {"2", "\"2\""}) {
    const auto r = parse_query(
        R"({"site_id": "m", "metrics": ["visitors"], "date_range": "7d", "generation": )" +
        std::string{generation} + "}");
    ASSERT_TRUE(r) << r.error().text();
    EXPECT_EQ(r->generation, "2");
  }
}

TEST(parse_query, reads_comparisons_where_plausible_has_them) {
  const auto r = parse_query(R"({"site_id": "m", "metrics": ["visitors"], "date_range": "7d",
    "filters": [["is", "event:name", ["a"]]],
    "include": {"imports": false, "compare": ["2024-01-01", "2024-01-07"],
                "compare_match_day_of_week": true}})");
  ASSERT_TRUE(r) << r.error().text();
  EXPECT_EQ(r->q.compare, comparison::custom);
  EXPECT_EQ(r->q.compare_from + r->q.compare_to, "2024-01-012024-01-07");
  EXPECT_TRUE(r->q.match_day_of_week);
}

/// A question with more members.
std::string with(const std::string& members) {
  return R"({"site_id": "m", "metrics": ["visitors"], "date_range": "7d", )" + members + "}";
}

TEST(parse_query, points_at_what_is_wrong) {
  const std::pair<std::string, std::string> cases[] = {
      {"{", "byte 2: "},
      {"[]", ": must be an object"},
      {"{}", "/metrics: is required"},
      {R"({"site_id": 7})", "/site_id: must be a text"},
      {R"({"site_id": "m"})", "/metrics: is required"},
      {R"({"site_id": "m", "metrics": "visitors"})", "/metrics: must be an array"},
      {R"({"site_id": "m", "metrics": ["visitors", 7]})", "/metrics/1: must be a text"},
      {R"({"site_id": "m", "metrics": ["visitors"]})", "/date_range: is required"},
      {R"({"site_id": "m", "metrics": ["visitors"], "date_range": ["2024-01-01"]})",
       "/date_range: must be"},
      {with(R"("metric": [])"), "/metric: there is no such field; the nearest is 'metrics'"},
      {with(R"("a/b": 1)"), "/a~1b: "},
      {with(R"("compare": "last_year")"), "/compare: "},
      {with(R"("order_by": [["visitors", "down"]])"), "/order_by/0: "},
      {with(R"("pagination": {"limit": 0})"), "/pagination/limit: "},
      {with(R"("pagination": {"limit": 1.5})"), "/pagination/limit: "},
      {with(R"("pagination": {"offset": -1})"), "/pagination/offset: "},
      {with(R"("pagination": {"page": 1})"), "/pagination/page: "},
      {with(R"("include": {"totals": "yes"})"), "/include/totals: "},
      {with(R"("include": [])"), "/include: must be an object"},
      {with(R"("consistency": {"max_wait_ms": 10001})"), "/consistency/max_wait_ms: "},
      {with(R"("generation": "latest")"), "/generation: "},
      {with(R"("filters": "all")"), "/filters: "},
      {with(R"("filters": [["equals", "event:name", ["a"]]])"), "/filters/0/0: "},
      {with(R"("filters": [["is", "event:name", []]])"), "/filters/0/2: "},
      {with(R"("filters": [["is", "event:name"]])"), "/filters/0: "},
      {with(R"("filters": [["not"]])"), "/filters/0: "},
      {with(R"("filters": [["and", []]])"), "/filters/0/1: "},
      {with(R"("filters": [["is", 7, ["a"]]])"), "/filters/0/1: "},
      {with(R"("filters": [["is", "event:name", ["a"], {"case": true}]])"), "/filters/0/3: "},
      {with(R"("filters": [["is", "event:name", [1]]])"), "/filters/0/2/0: "},
  };
  for (const auto& [body, begin] : cases) {
    const auto r = parse_query(body);
    ASSERT_FALSE(r) << body;
    EXPECT_EQ(r.error().code, errc::bad_request) << body;
    EXPECT_TRUE(r.error().detail.starts_with(begin)) << body << "\n" << r.error().detail;
  }
}

TEST(parse_query, reads_filters_of_every_operator_with_their_pointers) {
  const auto r = parse_query(with(R"("filters": [
    ["is", "visit:country", ["DE", "FR"]],
    ["or", [["contains", "event:page", ["/blog"], {"case_sensitive": false}],
            ["not", ["matches", "event:page", ["^/shop"]]]]],
    ["has_not_done", ["is", "event:name", ["purchase"]]]])"));
  ASSERT_TRUE(r) << r.error().detail;
  const auto& filters = r->q.filters;
  ASSERT_EQ(filters.size(), 3u);
  EXPECT_EQ(filters[0].op, filter_op::is);
  EXPECT_EQ(filters[0].field, "visit:country");
  EXPECT_EQ(filters[0].values, (std::vector<std::string>{"DE", "FR"}));
  EXPECT_EQ(filters[1].op, filter_op::any_of);
  ASSERT_EQ(filters[1].parts.size(), 2u);
  EXPECT_FALSE(filters[1].parts[0].case_sensitive);
  EXPECT_TRUE(holds_for(filters[1].parts[0], "/BLOG/1"));
  EXPECT_EQ(filters[1].parts[1].op, filter_op::none_of);
  EXPECT_EQ(filters[1].parts[1].parts[0].pointer, "/filters/1/1/1/1");
  EXPECT_TRUE(holds_for(filters[1].parts[1].parts[0], "/shop/2"));
  EXPECT_EQ(filters[2].op, filter_op::has_not_done);
  EXPECT_TRUE(r->q.names.empty());
}

TEST(parse_query, keeps_a_plain_list_of_names_for_totals) {
  for (const auto* filter :
       {R"([["is", "event:name", ["b", "a", "b"]]])", R"(["is", "event:name", ["a", "b"]])",
        R"([["and", [["is", "event:name", ["a", "b"]]]]])"}) {
    const auto r = parse_query(with(R"("filters": )" + std::string{filter}));
    ASSERT_TRUE(r) << filter;
    EXPECT_EQ(r->q.names, (std::vector<std::string>{"a", "b"})) << filter;
    EXPECT_TRUE(r->q.filters.empty()) << filter;
  }
  for (const auto* filter : {R"([["is_not", "event:name", ["a"]]])",
                             R"([["is", "event:name", ["a"], {"case_sensitive": false}]])",
                             R"([["is", "event:name", ["a"]], ["is", "event:page", ["/"]]])"}) {
    const auto r = parse_query(with(R"("filters": )" + std::string{filter}));
    ASSERT_TRUE(r) << filter;
    EXPECT_TRUE(r->q.names.empty()) << filter;
    EXPECT_FALSE(r->q.filters.empty()) << filter;
  }
}

TEST(parse_query, refuses_filters_over_its_limits) {
  std::string many = "[";
  for (int i = 0; i < 101; ++i)
    many += std::string{i == 0 ? "" : ","} + R"(["is", "event:page", ["/"]])";
  const auto over = parse_query(with(R"("filters": )" + many + "]"));
  ASSERT_FALSE(over);
  EXPECT_TRUE(over.error().detail.starts_with("/filters: more than 100")) << over.error().detail;
  const auto expression = parse_query(with(R"("filters": [["matches", "event:page", ["("]]])"));
  ASSERT_FALSE(expression);
  EXPECT_TRUE(expression.error().detail.starts_with("/filters/0/2: ")) << expression.error().detail;
}

TEST(parse_query, refuses_what_is_too_long_or_too_deep) {
  EXPECT_FALSE(parse_query(std::string(query_bytes_max + 1, ' ')));
  const auto deep = with(R"("filters": )" + std::string(30'000, '[') + std::string(30'000, ']'));
  const auto r = parse_query(deep);
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().detail, ": is nested more than 16 deep");
}

TEST(parse_query, survives_any_cut_of_a_question) {
  const auto whole = with(R"("filters": ["and", [["is", "event:name", ["caf\u00e9"]]]])");
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(parse_query(std::string_view{whole}.substr(0, size))) << size;
}

TEST(describe, takes_a_failure_apart) {
  const auto fine = describe({errc::unsupported, "too_fine: /date_range: no rows: sorry"});
  EXPECT_EQ(fine.status, 422u);
  EXPECT_EQ(fine.code, "too_fine");
  EXPECT_EQ(fine.pointer, "/date_range");
  EXPECT_EQ(fine.detail, "no rows: sorry");
  const auto groups = describe({errc::unsupported, "too_many_groups: /dimensions/1: too many"});
  EXPECT_EQ(groups.code, "too_many_groups");
  EXPECT_EQ(groups.pointer, "/dimensions/1");
  EXPECT_EQ(describe({errc::unsupported, "too_much_memory: 1 GiB"}).code, "too_much_memory");
  const auto odd = describe({errc::bad_request, "/metrics/0: there is no metric 'x'"});
  EXPECT_EQ(odd.status, 400u);
  EXPECT_EQ(odd.code, "bad_request");
  EXPECT_EQ(odd.pointer, "/metrics/0");
  const auto broken = describe({errc::bad_request, "byte 2: the question is no JSON"});
  EXPECT_EQ(broken.pointer, "");
  EXPECT_EQ(broken.detail, "byte 2: the question is no JSON");
  EXPECT_EQ(describe({errc::bad_request, ": must be an object"}).detail, "must be an object");
  EXPECT_EQ(describe({errc::unavailable, "draining"}).status, 503u);
}

}  // namespace
}  // namespace tally::api

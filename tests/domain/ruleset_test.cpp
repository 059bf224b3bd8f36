#include "domain/ruleset.hpp"

#include <gtest/gtest.h>

#include "domain/logic_v1/apply.hpp"
#include "domain/property_text.hpp"
#include "tests/domain/filter_parts.hpp"

namespace tally {
namespace {

constexpr std::int64_t noon = 1'700'049'600'000;  // 2023-11-15T12:00:00Z
constexpr std::int64_t hour_ms = 3'600'000;

TEST(event_filter, every_operator_over_one_event) {
  event e;
  e.name = "page_view";
  e.url = "https://me@shop.example:8443/sale?x=1#top";
  e.agent = "Mozilla/5.0 (compatible; GoogleBot/2.1)";
  using enum filter_op;
  const std::pair<event_filter, bool> cases[] = {
      {compared(is, "event:name", {"purchase", "page_view"}), true},
      {compared(is, "event:name", {"Page_View"}), false},
      {compared(is, "event:name", {"Page_View"}, false), true},
      {compared(is, "event:name", {"page"}, false), false},
      {compared(is_not, "event:name", {"page_view"}), false},
      {compared(is_not, "event:name", {"refund"}), true},
      {compared(contains, "visit:agent", {"bot"}), false},
      {compared(contains, "visit:agent", {"bot"}, false), true},
      {compared(contains, "visit:agent", {"(compat"}, false), true},
      {compared(contains_not, "visit:agent", {"Bot"}), false},
      {compared(matches, "visit:agent", {"(?i)bot|crawl|spider"}), true},
      {compared(matches, "visit:agent", {"^bot|crawl"}, false), false},
      {compared(matches_not, "visit:agent", {"spider"}), true},
      {compared(is, "event:page", {"/sale"}), true},
      {compared(is, "event:hostname", {"shop.example"}), true},
      {compared(is, "visit:country", {""}), true},
      {compared(is, "event:coupon", {""}), true},
  };
  for (const auto& [filter, expected] : cases)
    EXPECT_EQ(holds(filter, e), expected)
        << to_string(filter.op) << ' ' << filter.field << ' ' << filter.values[0];
  const auto yes = cases[0].first, no = cases[1].first;
  EXPECT_TRUE(holds(joined(all_of, {yes, yes}), e));
  EXPECT_FALSE(holds(joined(all_of, {yes, no}), e));
  EXPECT_TRUE(holds(joined(any_of, {no, yes}), e));
  EXPECT_FALSE(holds(joined(any_of, {no, no}), e));
  EXPECT_TRUE(holds(joined(none_of, {no}), e));
  EXPECT_FALSE(holds(joined(none_of, {yes}), e));
  EXPECT_TRUE(holds(event_filter{}, e));
}

TEST(event_filter, a_page_is_found_in_every_form_of_url) {
  const std::pair<std::string_view, std::pair<std::string_view, std::string_view>> cases[] = {
      {"", {"", ""}},
      {"/a/b?c#d", {"/a/b", ""}},
      {"https://shop.example", {"/", "shop.example"}},
      {"https://shop.example?x", {"/", "shop.example"}},
      {"http://[::1]:80/p", {"/p", "[::1]"}},
      {"#top", {"/", ""}},
  };
  for (const auto& [url, expected] : cases) {
    event e;
    e.url = url;
    EXPECT_EQ(event_field(e, "event:page"), expected.first) << url;
    EXPECT_EQ(event_field(e, "event:hostname"), expected.second) << url;
  }
}

TEST(event_filter, an_items_field_holds_if_one_item_fits) {
  event e;
  e.has_order = true;
  e.order.items.resize(2);
  e.order.items[0] = {"85123A", "sku-1", "White heart", "gifts", "acme", "red", {}, {}};
  e.order.items[1] = {"71053", "", "", "lamps", "", "", {}, {}};
  using enum filter_op;
  const std::pair<event_filter, bool> cases[] = {
      {compared(is, "event:product", {"White heart"}), true},
      {compared(is, "event:product", {"71053"}), true},
      {compared(is, "event:product", {"85123A"}), false},
      {compared(is, "event:category", {"lamps", "chairs"}), true},
      {compared(is_not, "event:category", {"lamps"}), false},
      {compared(is_not, "event:category", {"chairs"}), true},
      {compared(contains, "event:brand", {"ACM"}, false), true},
      {compared(matches, "event:sku", {"^sku-[0-9]$"}), true},
      {compared(matches_not, "event:variant", {"^re"}), false},
      {compared(is, "event:variant", {""}), true},
      {compared(is, "event:sku", {""}), true},
  };
  for (const auto& [filter, expected] : cases)
    EXPECT_EQ(holds(filter, e), expected)
        << to_string(filter.op) << ' ' << filter.field << ' ' << filter.values[0];
  EXPECT_TRUE(holds(compared(is, "event:product", {""}), event{}));
  EXPECT_FALSE(holds(compared(is, "event:product", {"71053"}), event{}));
}

TEST(event_filter, a_property_is_compared_as_text) {
  event e;
  // {"plan": "gold", "n": 300, "below": -5, "half": 0.5, "two": 2.0f, "on": true, "list": ["gold"]}
  constexpr std::string_view props{
      "\x87\xa4plan\xa4gold\xa1n\xcd\x01\x2c\xa5"
      "below\xfb\xa4half\xcb\x3f\xe0\0\0\0\0\0\0"
      "\xa3two\xca\x40\0\0\0\xa2on\xc3\xa4list\x91\xa4gold",
      62};
  e.props = props;
  using enum filter_op;
  const std::pair<event_filter, bool> cases[] = {
      {compared(is, "event:props:plan", {"gold"}), true},
      {compared(is, "event:props:plan", {"Gold"}), false},
      {compared(is, "event:props:n", {"300"}), true},
      {compared(is, "event:props:below", {"-5"}), true},
      {compared(is, "event:props:half", {"0.5"}), true},
      {compared(is, "event:props:two", {"2"}), true},
      {compared(is, "event:props:on", {"true"}), true},
      {compared(is, "event:props:list", {""}), true},
      {compared(is_not, "event:props:list", {"gold"}), true},
      {compared(is, "event:props:nothing", {""}), true},
      {compared(matches, "event:props:plan", {"^g"}), true},
  };
  for (const auto& [filter, expected] : cases)
    EXPECT_EQ(holds(filter, e), expected)
        << to_string(filter.op) << ' ' << filter.field << ' ' << filter.values[0];
  EXPECT_TRUE(is_event_field("event:props:a:b"));
  EXPECT_FALSE(is_event_field("event:props:"));
  EXPECT_FALSE(is_event_field("event:props"));
}

TEST(event_filter, properties_cut_anywhere_have_no_value) {
  constexpr std::string_view props{"\x81\xa4plan\xa4gold"};
  std::string room;
  for (std::size_t bytes = 0; bytes < props.size(); ++bytes)
    EXPECT_EQ(property_text(props.substr(0, bytes), "plan", room), "") << bytes;
  EXPECT_EQ(property_text(props, "plan", room), "gold");
  EXPECT_EQ(property_text(props, "gold", room), "");
}

TEST(event_filter, an_expression_that_cannot_be_read_is_named) {
  event_filter filter;
  filter.op = filter_op::matches;
  filter.values = {"a(b"};
  const auto compiled = compile(filter);
  ASSERT_FALSE(compiled);
  EXPECT_NE(compiled.error().detail.find("'a(b' is no regular expression"), std::string::npos);
}

TEST(event_filter, every_field_has_a_value_somewhere) {
  event e;
  for (const auto name : event_field_names()) EXPECT_EQ(event_field(e, name), "") << name;
  EXPECT_EQ(event_field(e, "event:nothing"), "");
}

/// A merchant in Berlin.
class ruleset_apply_test : public ::testing::Test {
 protected:
  ruleset_apply_test() {
    state.set_reporting(*zone::find("Europe/Berlin"), "Europe/Berlin", "EUR");
  }

  logic_v1::applied put(event e) {
    e.merchant = "m";
    if (e.received_at == event_time{}) e.received_at = e.at;
    std::vector<slice_range> missing;
    state.ids.missing_for(e, e.received_at, missing);
    for (const auto& range : missing) state.ids.load(range, {});
    return logic_v1::apply(state, e, {++offset, e.received_at, "bytes"}, rules);
  }
  logic_v1::applied put(std::int64_t ms, std::string_view name, std::string_view visitor = "a") {
    event e;
    e.at = time_from_ms(ms);
    e.name = name;
    e.visitor = visitor;
    return put(e);
  }
  traffic_row day(std::int64_t ms) {
    return rolled_up(state.deltas, *state.reporting_zone)
        .traffic.at(bucket_begin(*state.reporting_zone, granularity::day, time_from_ms(ms)),
                    granularity::day, 0);
  }

  merchant_state state;
  ruleset rules;
  std::uint64_t offset = 0;
};

TEST_F(ruleset_apply_test, names_count_as_what_the_ruleset_says) {
  rules.names["Order Completed"] = counts_as::purchase;
  rules.names["heartbeat"] = counts_as::ignore;
  rules.names["page_view"] = counts_as::custom;
  put(noon, "Order Completed");
  put(noon, "heartbeat");
  put(noon, "page_view");
  EXPECT_EQ(state.deltas.commerce.entries().at(0).row.orders, 1);
  EXPECT_EQ(day(noon).events, 2);
  EXPECT_EQ(day(noon).pageviews, 0);
  EXPECT_EQ(state.counts.filtered.all().at("ignored_name"), 1);
  EXPECT_EQ(state.counts.accepted, 2);
}

TEST_F(ruleset_apply_test, dropped_events_are_in_the_ledger_by_reason_and_nowhere_else) {
  rules.drops.push_back({"bot", compared(filter_op::matches, "visit:agent", {"(?i)bot"})});
  rules.drops.push_back({"staff", compared(filter_op::is, "event:user", {"boss"})});
  event e;
  e.at = time_from_ms(noon);
  e.name = "page_view";
  e.agent = "a Bot";
  e.user = "boss";
  EXPECT_EQ(put(e).what, logic_v1::effect::filtered);
  e.agent = "";
  EXPECT_EQ(put(e).what, logic_v1::effect::filtered);
  e.user = "customer";
  EXPECT_EQ(put(e).what, logic_v1::effect::accepted);
  EXPECT_EQ(state.counts.filtered, (decltype(state.counts.filtered){{"bot", 1}, {"staff", 1}}));
  EXPECT_EQ(day(noon).events, 1);
  EXPECT_EQ(day(noon).visits, 1);
}

TEST_F(ruleset_apply_test, a_dropped_event_is_a_duplicate_when_it_comes_again) {
  rules.drops.push_back({"all", event_filter{}});
  event e;
  e.at = time_from_ms(noon);
  e.name = "page_view";
  e.id = "x";
  e.sent = client_time_from_ms(noon);
  EXPECT_EQ(put(e).what, logic_v1::effect::filtered);
  EXPECT_EQ(put(e).what, logic_v1::effect::duplicate);
}

TEST_F(ruleset_apply_test, a_range_is_days_of_the_merchants_zone_with_both_ends) {
  using namespace std::chrono;
  const auto day_of = [](unsigned d) { return local_days{year{2023} / 11 / d}; };
  correct_rule rule;
  rule.range = day_range{day_of(15), day_of(16)};
  rule.drop = true;
  rules.corrections.push_back(rule);
  const auto midnight = noon - 13 * hour_ms;  // 2023-11-15T00:00+01:00
  EXPECT_EQ(put(midnight - 1, "a").what, logic_v1::effect::accepted);
  EXPECT_EQ(put(midnight, "a").what, logic_v1::effect::filtered);
  EXPECT_EQ(put(midnight + 48 * hour_ms - 1, "a").what, logic_v1::effect::filtered);
  EXPECT_EQ(put(midnight + 48 * hour_ms, "a").what, logic_v1::effect::accepted);
  EXPECT_EQ(state.counts.filtered.all().at("corrected"), 2);
}

TEST_F(ruleset_apply_test, a_redated_event_counts_where_it_belongs) {
  correct_rule rule;
  rule.filter = compared(filter_op::is, "event:visitor", {"wrong-clock"});
  rule.shift = std::chrono::minutes{-24 * 60};
  rules.corrections.push_back(rule);
  event e;
  e.at = time_from_ms(noon);
  e.received_at = e.at;
  e.name = "page_view";
  e.visitor = "wrong-clock";
  put(e);
  EXPECT_EQ(day(noon).events, 0);
  EXPECT_EQ(day(noon - 24 * hour_ms).events, 1);
  EXPECT_EQ(day(noon - 24 * hour_ms).visits, 1);
  EXPECT_EQ(state.newest_ms, noon - 24 * hour_ms) << "lateness goes by corrected times";
  EXPECT_FALSE(put(noon - 20 * hour_ms, "page_view", "b").late);
}

TEST_F(ruleset_apply_test, corrections_follow_each_other_and_drops_see_what_they_left) {
  correct_rule first, second;
  first.filter = compared(filter_op::is, "event:name", {"buy"});
  first.set = {{"name", "purchase"}, {"order.currency", "GBP"}, {"order.total", "12.50"}};
  second.filter = compared(filter_op::is, "event:name", {"purchase"});
  second.set = {{"user", "nobody"}};
  rules.corrections = {first, second};
  rules.drops.push_back({"bought", compared(filter_op::is, "event:name", {"buy"})});
  EXPECT_EQ(put(noon, "buy").what, logic_v1::effect::accepted);
  const auto& commerce = state.deltas.commerce.entries().at(0);
  EXPECT_EQ(state.currencies.all().at(commerce.tag()), "GBP");
  EXPECT_EQ(commerce.row.orders, 1);
  EXPECT_EQ(commerce.row.gross_sales, 12'500'000);
  EXPECT_EQ(state.names.all(), std::vector<std::string>{"purchase"});
}

TEST_F(ruleset_apply_test, timeouts_cut_visits_and_lateness) {
  rules.visit_timeout = std::chrono::minutes{5};
  rules.late_visit = std::chrono::hours{1};
  put(noon, "page_view");
  put(noon + 6 * 60'000, "page_view");
  EXPECT_EQ(day(noon).visits, 2);
  EXPECT_TRUE(put(noon - hour_ms, "page_view").late);
}

TEST_F(ruleset_apply_test, a_fixed_zone_and_currency_ignore_the_merchants_settings) {
  event e;
  e.kind = event_kind::settings;
  e.title = "Asia/Tokyo";
  e.order.currency = "JPY";
  rules.reporting_fixed = true;
  put(e);
  EXPECT_EQ(state.zone_name, "Europe/Berlin");
  rules.reporting_fixed = false;
  put(e);
  EXPECT_EQ(state.zone_name, "Asia/Tokyo");
}

// The id set is the same for all rulesets: what is rejected or a duplicate goes by what was sent.
TEST_F(ruleset_apply_test, rules_do_not_change_what_is_a_duplicate) {
  correct_rule rule;
  rule.filter = compared(filter_op::is, "event:name", {"a"});
  rule.shift = std::chrono::minutes{10'000};
  rules.corrections.push_back(rule);
  merchant_state plain;
  std::uint64_t duplicates = 0;
  for (int i = 0; i < 200; ++i) {
    event e;
    e.merchant = "m";
    e.name = i % 3 == 0 ? "a" : "b";
    const auto id = std::to_string(i % 50);
    e.id = id;
    e.at = e.received_at = time_from_ms(noon + i % 7 * 60'000);
    e.sent = client_time_from_ms(to_ms(e.at));
    const auto with_rules = put(e).what;
    std::vector<slice_range> missing;
    plain.ids.missing_for(e, e.received_at, missing);
    const auto without =
        logic_v1::apply(plain, e, {offset, e.received_at, "bytes"}, ruleset{}).what;
    EXPECT_EQ(with_rules, without);
    duplicates += with_rules == logic_v1::effect::duplicate ? 1 : 0;
  }
  EXPECT_EQ(state.ids.newest_ms[0], plain.ids.newest_ms[0]);
  EXPECT_EQ(state.texts.hashes(), plain.texts.hashes());
  EXPECT_EQ(static_cast<std::int64_t>(duplicates), plain.counts.duplicate);
}

TEST(ruleset, what_can_be_set_is_checked) {
  EXPECT_TRUE(check_settable("order.currency", "GBP"));
  EXPECT_FALSE(check_settable("order.currency", "pounds"));
  EXPECT_TRUE(check_settable("order.tax", "0.25"));
  EXPECT_FALSE(check_settable("order.tax", "0,25"));
  EXPECT_FALSE(check_settable("id", "x"));
  EXPECT_FALSE(check_settable("name", ""));
}

}  // namespace
}  // namespace tally

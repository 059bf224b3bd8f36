#include "domain/scan_plan.hpp"

#include "tests/domain/filter_parts.hpp"
#include "tests/domain/scan_fixture.hpp"

namespace tally {
namespace {

result<scan_plan> plan_of(const question& q) {
  return make_scan_plan(q, london_shop(), london_now(), ruleset{});
}

std::string error_of(const question& q) {
  const auto p = plan_of(q);
  return p ? "" : p.error().text();
}

TEST(scan_plan, names_what_it_does_not_know) {
  EXPECT_EQ(error_of(ask({"vistors"}, {}, "7d")),
            "bad_request: /metrics/0: there is no metric 'vistors'; the nearest is 'visitors'");
  EXPECT_EQ(error_of(ask({"events"}, {"event:pge"}, "7d")),
            "bad_request: /dimensions/0: there is no dimension 'event:pge'; the nearest is "
            "'event:page'");
  auto q = ask({"events"}, {}, "7d");
  q.filters = {compared(filter_op::is, "visit:sorce", {"x"})};
  q.filters[0].pointer = "/filters/0";
  EXPECT_EQ(error_of(q),
            "bad_request: /filters/0/1: there is no field 'visit:sorce'; the nearest is "
            "'visit:source'");
  EXPECT_EQ(error_of(ask({"events"}, {}, "yesterday")).substr(0, 24), "bad_request: /date_range");
  q = ask({"events"}, {"event:page"}, "7d");
  q.order_by = {{"visitors", true}};
  EXPECT_EQ(error_of(q).substr(0, 24), "bad_request: /order_by/0");
}

TEST(scan_plan, says_what_events_do_not_tell) {
  EXPECT_EQ(error_of(ask({"events"}, {"event:goal"}, "7d")),
            "bad_request: /dimensions/0: the merchant has no goals");
  EXPECT_EQ(error_of(ask({"events"}, {"visit:city"}, "7d")),
            "unsupported: not_yet: /dimensions/0: events do not tell 'visit:city'");
  EXPECT_EQ(error_of(ask({"tax"}, {"event:product"}, "7d")),
            "bad_request: /metrics/0: 'tax' is of whole orders: not by a field of their items");
  EXPECT_EQ(error_of(ask({"accepted"}, {"event:page"}, "7d")).substr(0, 32),
            "unsupported: not_yet: /metrics/0");
  EXPECT_EQ(error_of(ask({"current_visitors"}, {"event:page"}, "7d")).substr(0, 23),
            "bad_request: /metrics/0");
}

TEST(scan_plan, has_done_stands_in_no_other_has_done) {
  auto q = ask({"events"}, {}, "7d");
  const auto inner =
      joined(filter_op::has_done, {compared(filter_op::is, "event:name", {"purchase"})});
  q.filters = {joined(filter_op::none_of, {inner})};
  EXPECT_EQ(error_of(q), "");
  q.filters = {joined(filter_op::has_not_done, {joined(filter_op::any_of, {inner})})};
  q.filters[0].pointer = "/filters/0";
  EXPECT_EQ(error_of(q), "bad_request: /filters/0: has_done cannot stand within has_done");
}

TEST(scan_plan, reads_around_the_range_only_where_visits_are_asked_for) {
  const auto plain = plan_of(ask_between({"events"}, {}, "2024-05-01", "2024-05-02"));
  EXPECT_EQ(plain->range.from, instant("2024-04-30T23:00:00Z"));
  EXPECT_EQ(plain->range.to, instant("2024-05-02T23:00:00Z"));
  EXPECT_FALSE(plain->range.all);
  const auto visits = plan_of(ask_between({"visits"}, {}, "2024-05-01", "2024-05-02"));
  EXPECT_EQ(visits->range.from, instant("2024-04-30T17:00:00Z"));
  EXPECT_EQ(visits->range.to, instant("2024-05-03T05:00:00Z"));
  EXPECT_TRUE(plan_of(ask({"new_customers"}, {}, "7d"))->range.all);
  EXPECT_FALSE(
      visits->range.wants(instant("2024-05-03T05:00:00Z"), instant("2024-05-09T00:00:00Z")));
  EXPECT_TRUE(
      visits->range.wants(instant("2024-01-01T00:00:00Z"), instant("2024-04-30T17:00:00Z")));
}

TEST(scan_plan, wishes_only_the_columns_that_it_needs) {
  const auto wish = wish_of(*plan_of(ask({"events"}, {"event:page", "event:props:plan"}, "7d")));
  EXPECT_EQ(wish.texts, (std::set<text_field>{text_field::name, text_field::url}));
  EXPECT_EQ(wish.properties, std::set<std::string>{"plan"});
  EXPECT_FALSE(wish.items);
  EXPECT_TRUE(wish_of(*plan_of(ask({"orders"}, {}, "7d"))).items);
  ruleset rules;
  rules.drops.push_back({"bot", compared(filter_op::is, "visit:agent", {"x"})});
  const auto all =
      wish_of(*make_scan_plan(ask({"events"}, {}, "7d"), london_shop(), london_now(), rules));
  EXPECT_EQ(all.texts.size(), text_fields);
}

TEST(scan, names_the_dimension_with_too_many_values) {
  std::mt19937 random{7};
  const counted_shop shop{random_shop(random, 400), zone::utc(), ruleset{}};
  auto plan = *make_scan_plan(ask({"events"}, {"event:name", "event:id"}, "all"), shop.facts,
                              shop.facts.newest, ruleset{});
  plan.groups_max = 100;
  scan limited{std::make_shared<const scan_plan>(plan)};
  const auto fine = limited.add(columns_of(shop.events, 0, 400));
  ASSERT_FALSE(fine.ok());
  EXPECT_EQ(fine.error().text().substr(0, 58),
            "unsupported: too_many_groups: /dimensions/1: 'event:id' ha");
  plan.groups_max = scan_groups_max;
  plan.bytes_max = 4'096;
  scan narrow{std::make_shared<const scan_plan>(plan)};
  EXPECT_EQ(narrow.add(columns_of(shop.events, 0, 400)).error().detail.substr(0, 15),
            "too_much_memory");
}

TEST(scan, estimates_many_visitors_as_totals_do) {
  std::vector<shop_event> events;
  for (std::uint64_t i = 0; i < 6'000; ++i) {
    shop_event e;
    e.offset = i + 1;
    e.at_ms = to_ms(instant("2024-03-28T00:00:00Z")) + static_cast<std::int64_t>(i) * 5'000;
    e.id = "e" + std::to_string(i);
    e.name = "page_view";
    e.visitor = "v" + std::to_string(i * 7 % 5'003);
    events.push_back(e);
  }
  std::mt19937 random{3};
  const counted_shop shop{events, zone::utc(), ruleset{}};
  auto q = ask({"visitors", "visits"}, {"time:hour"}, "all");
  q.include_totals = true;
  const auto scanned = shop.scan_all(q, shop.facts.newest, random);
  ASSERT_TRUE(scanned.ok());
  EXPECT_EQ(text_of(*scanned),
            text_of(evaluate(*make_plan(q, shop.facts, shop.facts.newest), shop.rows())));
  EXPECT_FALSE(scanned->exact);
}

/// A visit that goes on for days, seen by a question about its last minute.
TEST(scan, reads_more_until_a_long_visit_is_whole) {
  std::vector<shop_event> events;
  for (std::uint64_t i = 0; i < 300; ++i) {
    shop_event e;
    e.offset = i + 1;
    e.at_ms = to_ms(instant("2024-03-20T00:00:00Z")) + static_cast<std::int64_t>(i) * 1'500'000;
    e.name = "page_view";
    e.visitor = "robot";
    if (i == 0) e.url = "https://shop.example/start";
    events.push_back(e);
  }
  std::mt19937 random{3};
  const counted_shop shop{events, zone::utc(), ruleset{}};
  const auto q =
      ask_between({"events"}, {"visit:entry_page"}, "2024-03-25T04:00:00Z", "2024-03-25T05:59:59Z");
  const auto scanned = shop.scan_all(q, shop.facts.newest, random);
  ASSERT_TRUE(scanned.ok());
  ASSERT_EQ(scanned->rows.size(), 0u + 1u);
  EXPECT_EQ(scanned->rows[0].dimensions[0], "/start");
  const auto last = plan_of(q);
  EXPECT_FALSE(last->range.all);
}

}  // namespace
}  // namespace tally

#include "domain/named_filters.hpp"

#include "tests/domain/filter_parts.hpp"
#include "tests/domain/naive_answer.hpp"
#include "tests/domain/random_asker.hpp"

namespace tally {
namespace {

TEST(named_filters, goals_are_of_one_event_and_segments_of_anything_but_segments) {
  const auto page = compared(filter_op::is, "event:page", {"/a"});
  const auto source = compared(filter_op::is, "visit:source", {"Google"});
  const auto cohort = compared(filter_op::is, "visit:cohort", {"2024-03-01"});
  const auto goal = compared(filter_op::is, "event:goal", {"A"});
  const auto segment = compared(filter_op::is, "segment", {"S"});
  const auto nothing = compared(filter_op::is, "event:moon", {"full"});
  const auto done = joined(filter_op::has_done, {page});
  const auto mixed = joined(filter_op::any_of, {page, source});
  const auto allows = [](const event_filter& f, filter_use use) {
    return check_named_filter({"A name", f}, use).ok();
  };
  EXPECT_TRUE(allows(page, filter_use::goal));
  for (const auto& f : {source, cohort, goal, segment, nothing, done, mixed})
    EXPECT_FALSE(allows(f, filter_use::goal)) << f.field;
  for (const auto& f : {page, source, cohort, goal, done, mixed})
    EXPECT_TRUE(allows(f, filter_use::segment)) << f.field;
  for (const auto& f : {segment, nothing}) EXPECT_FALSE(allows(f, filter_use::segment)) << f.field;
  for (const auto& name : {std::string{}, std::string(101, 'a'), std::string{"a\nb"}})
    EXPECT_FALSE(check_named_filter({name, page}, filter_use::goal).ok()) << name;
  EXPECT_TRUE(check_named_filter({"Größe, /a*", page}, filter_use::goal).ok());
}

TEST(named_filters, names_are_compared_as_values_are) {
  const auto page = compared(filter_op::is, "event:page", {"/a"});
  const named_filters named{{{"Bought", page}, {"Begun", page}, {"Read", page}}, {}};
  const auto count = [&](const event_filter& f) {
    const auto meant = meaning_of(f, named);
    return meant ? static_cast<int>(meant->op == filter_op::none_of ? meant->parts[0].parts.size()
                                                                    : meant->parts.size())
                 : -1;
  };
  EXPECT_EQ(count(compared(filter_op::is, "event:goal", {"Read", "Begun"})), 2);
  EXPECT_EQ(count(compared(filter_op::is_not, "event:goal", {"Read"})), 1);
  EXPECT_EQ(count(compared(filter_op::is, "event:goal", {"read"}, false)), 1);
  EXPECT_EQ(count(compared(filter_op::is, "event:goal", {"read"})), -1);
  EXPECT_EQ(count(compared(filter_op::contains, "event:goal", {"B"})), 2);
  EXPECT_EQ(count(compared(filter_op::contains_not, "event:goal", {"B"})), 2);
  EXPECT_EQ(count(compared(filter_op::matches, "event:goal", {"^B.*t$"})), 1);
  EXPECT_EQ(count(compared(filter_op::contains, "event:goal", {"x"})), 0);
  const auto unknown = meaning_of(compared(filter_op::is, "event:goal", {"Sold"}), named);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().detail, "there is no goal 'Sold'; there are Bought, Begun, Read");
  EXPECT_EQ(meaning_of(compared(filter_op::is, "segment", {"S"}), named).error().detail,
            "the merchant has no segments");
}

/// What names stand for is proved by asking without them.
class named_filters_test : public ::testing::Test, protected random_asker {
 protected:
  event_filter of_one_event() {
    for (;;)
      if (auto f = filter(1, false); check_named_filter({"a", f}, filter_use::goal)) return f;
  }
  question about(const counted_shop&) {
    question q;
    q.metrics = {"events", "visitors", "visits",    "bounce_rate", "visit_duration", "time_on_page",
                 "orders", "units",    "net_sales", "tax",         "customers",      "aov"};
    if (pick(2) == 0) q.metrics = {"events", "visitors", "orders", "gross_sales", "refunds"};
    q.date_range = "custom";
    q.from = date(pick(5));
    q.to = date(5 + pick(9));
    return q;
  }
  answer ask(const counted_shop& shop, const question& q) {
    auto a = shop.scan_all(q, shop.facts.newest + std::chrono::hours{1}, random);
    EXPECT_TRUE(a.ok()) << a.error().text();
    return std::move(*a);
  }
  counted_shop random_counted(std::uint32_t seed) {
    random.seed(seed);
    return {random_shop(random, 40 + pick(250)), *zone::find("Europe/Berlin"), ruleset{}};
  }
};

TEST_F(named_filters_test, a_goals_row_is_what_its_filter_selects_and_totals_are_what_reaches_any) {
  std::size_t rows = 0;
  for (std::uint32_t seed = 1; seed <= 100; ++seed) {
    const auto shop = random_counted(seed);
    named_filters named;
    for (const auto* name : {"A", "B", "C"}) named.goals.push_back({name, of_one_event()});
    auto q = about(shop);
    q.named = std::make_shared<const named_filters>(named);
    q.include_totals = true;
    if (pick(2) == 0) q.filters = {filter(0, true)};
    auto by_goal = q;
    by_goal.dimensions = {"event:goal"};
    const auto found = ask(shop, by_goal);
    rows += found.rows.size();
    std::vector<event_filter> any;
    for (const auto& goal : named.goals) {
      any.push_back(goal.filter);
      auto one = q;
      one.filters.push_back(goal.filter);
      const auto want = ask(shop, one).rows.at(0).metrics;
      const auto row = std::ranges::find(found.rows, std::vector<std::string>{goal.name},
                                         &answer_row::dimensions);
      if (row != found.rows.end())
        EXPECT_EQ(row->metrics, want) << "seed " << seed << " goal " << goal.name;
      else
        EXPECT_EQ(want[0].number, 0) << "seed " << seed << " goal " << goal.name;
    }
    auto all = q;
    all.filters.push_back(joined(filter_op::any_of, any));
    EXPECT_EQ(found.totals->metrics, ask(shop, all).rows.at(0).metrics) << "seed " << seed;
  }
  EXPECT_GT(rows, 90u);
}

TEST_F(named_filters_test, a_name_in_a_filter_is_the_filter_it_names) {
  std::int64_t events = 0;
  for (std::uint32_t seed = 1; seed <= 60; ++seed) {
    const auto shop = random_counted(seed);
    named_filters named;
    named.goals = {{"A", of_one_event()}, {"B", of_one_event()}};
    named.segments = {{"S", filter(0, true)},
                      {"T", compared(filter_op::is_not, "event:goal", {"A"})}};
    auto q = about(shop);
    if (pick(2) == 0) q.dimensions = {one_of(visit_fields)};
    auto spelled = q;
    q.named = std::make_shared<const named_filters>(named);
    q.filters = {compared(filter_op::is, "segment", {"S", "T"}),
                 compared(filter_op::is_not, "event:goal", {"B"})};
    const auto not_a = joined(filter_op::none_of, {named.goals[0].filter});
    spelled.filters = {joined(filter_op::any_of, {named.segments[0].filter, not_a}),
                       joined(filter_op::none_of, {named.goals[1].filter})};
    const auto found = ask(shop, q);
    EXPECT_EQ(text_of(found), text_of(ask(shop, spelled))) << "seed " << seed;
    for (const auto& row : found.rows) events += static_cast<std::int64_t>(row.metrics[0].number);
  }
  EXPECT_GT(events, 500);
}

TEST_F(named_filters_test, by_goal_each_goal_of_an_event_is_looked_at_by_itself) {
  const auto shop = random_counted(7);
  const auto view = compared(filter_op::is, "event:name", {"page_view"});
  const named_filters named{{{"A", view}, {"B", view}}, {}};
  auto q = about(shop);
  q.date_range = "all";
  q.named = std::make_shared<const named_filters>(named);
  q.dimensions = {"event:goal"};
  q.filters = {compared(filter_op::is, "event:goal", {"B"})};
  const auto found = ask(shop, q);
  ASSERT_EQ(found.rows.size(), 1u);
  EXPECT_EQ(found.rows[0].dimensions, std::vector<std::string>{"B"});
}

TEST_F(named_filters_test, what_cannot_be_is_named) {
  const auto shop = random_counted(1);
  auto q = about(shop);
  const auto refused = [&](const question& asked) {
    const auto p = make_scan_plan(asked, shop.facts, shop.facts.newest, shop.rules);
    return p ? std::string{} : p.error().detail;
  };
  auto by_goal = q;
  by_goal.dimensions = {"event:goal"};
  EXPECT_EQ(refused(by_goal), "/dimensions/0: the merchant has no goals");
  auto filtered = q;
  filtered.filters = {compared(filter_op::is, "segment", {"S"})};
  filtered.filters[0].pointer = "/filters/0";
  EXPECT_EQ(refused(filtered), "/filters/0/2: the merchant has no segments");
  by_goal.named = std::make_shared<const named_filters>(
      named_filters{{{"A", compared(filter_op::is, "event:page", {"/a"})}}, {}});
  by_goal.dimensions.emplace_back("event:product");
  EXPECT_EQ(refused(by_goal),
            "/dimensions: goals and lines of orders do not stand beside each other");
}

}  // namespace
}  // namespace tally

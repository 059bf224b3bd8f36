#include "api/demo_shop.hpp"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

namespace tally::api {
namespace {

using nlohmann::json;

const event_time first_day = time_from_ms(1'767'225'600'000);  // 2026-01-01

std::vector<json> quarter(const demo_shop& shop) {
  demo_simulator simulator{shop, 1};
  std::vector<json> events;
  for (int day = 0; day < 90; ++day) {
    for (const auto& e : simulator.play_day(first_day + std::chrono::days{day})) {
      events.push_back(json::parse(e.json));
      EXPECT_EQ(events.back().at("at"), to_ms(e.at));
    }
  }
  return events;
}

TEST(demo_shop, visitors_look_more_than_they_buy_and_buy_more_than_they_return) {
  for (const auto& shop : demo_shops()) {
    std::map<std::string, double> count;
    std::set<std::string> ids, visitors;
    for (const auto& e : quarter(shop)) {
      count[e.at("name")] += 1;
      EXPECT_TRUE(ids.insert(e.at("id")).second);
      visitors.insert(e.at("visitor"));
      EXPECT_EQ(e.at("merchant"), shop.id);
    }
    EXPECT_GT(count["page_view"], count["add_to_cart"] * 3) << shop.id;
    EXPECT_GT(count["add_to_cart"], count["checkout"]) << shop.id;
    EXPECT_GT(count["checkout"], count["purchase"]) << shop.id;
    EXPECT_GT(count["purchase"], count["refund"] * 5) << shop.id;
    EXPECT_GT(count["refund"], 0) << shop.id;
    EXPECT_GT(visitors.size(), 90U * shop.visits_per_day / 2) << shop.id;
  }
}

TEST(demo_shop, orders_have_items_with_prices_and_refunds_name_an_order_made_before) {
  std::map<std::string, std::int64_t> ordered;
  std::vector<json> refunds;
  for (const auto& e : quarter(demo_shops()[0])) {
    if (e.at("name") == "refund") refunds.push_back(e);
    if (e.at("name") != "purchase") continue;
    const auto& order = e.at("order");
    EXPECT_EQ(order.at("currency"), "GBP");
    EXPECT_FALSE(order.at("items").empty());
    EXPECT_TRUE(ordered.emplace(order.at("id"), e.at("at")).second);
  }
  for (const auto& e : refunds) {
    const auto found = ordered.find(e.at("order").at("id"));
    ASSERT_NE(found, ordered.end());
    EXPECT_GT(e.at("at").get<std::int64_t>(), found->second);
  }
}

TEST(demo_shop, equal_seeds_give_equal_days) {
  demo_simulator one{demo_shops()[1], 3}, two{demo_shops()[1], 3};
  const auto a = one.play_day(first_day), b = two.play_day(first_day);
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i].json, b[i].json);
}

TEST(demo_shop, a_live_visit_is_over_within_minutes) {
  demo_simulator simulator{demo_shops()[2], 3};
  for (int i = 0; i < 500; ++i) {
    const auto events = simulator.play_visit(first_day, true);
    ASSERT_FALSE(events.empty());
    EXPECT_EQ(events.front().at, first_day);
    EXPECT_LT(events.back().at - first_day, std::chrono::minutes{15});
  }
}

}  // namespace
}  // namespace tally::api

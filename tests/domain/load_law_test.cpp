#include "domain/load_law.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

namespace tally {
namespace {

constexpr std::int64_t day_ms = 86'400'000;

std::string line_of(const load_law& law, std::uint64_t index) {
  std::string out;
  law.append_line(out, index);
  return out;
}

nlohmann::json event_of(const load_law& law, std::uint64_t index) {
  return nlohmann::json::parse(line_of(law, index));
}

load_options small_load() {
  load_options options;
  options.events = 20'000;
  options.merchants = 1'000;
  return options;
}

TEST(load_law, an_event_depends_on_options_and_index_alone) {
  const load_law one{small_load()}, two{small_load()};
  EXPECT_EQ(line_of(one, 7), line_of(two, 7));
  EXPECT_NE(line_of(one, 7), line_of(one, 8));
  auto other = small_load();
  other.seed = 2;
  EXPECT_NE(line_of(one, 7), line_of(load_law{other}, 7));
}

TEST(load_law, the_first_event_is_the_same_for_ever) {
  EXPECT_EQ(
      line_of(load_law{small_load()}, 0),
      R"({"merchant":"m000820","id":"5e41ab087439611e","at":1761005048399,"name":"page_view",)"
      R"("visitor":"0b9683642e0c","session":"12b7c9d1","url":"/products/mugs-425bff-07",)"
      R"("referrer":"https://www.bing.com/","country":"BR","device":"desktop",)"
      R"("browser":"safari"})"
      "\n");
}

TEST(load_law, every_line_is_json_with_the_fields_of_the_law_and_ids_are_unique) {
  const load_law law{small_load()};
  std::set<std::string> ids;
  std::size_t bytes = 0, sessions = 0;
  for (std::uint64_t i = 0; i < law.options().events; ++i) {
    const auto text = line_of(law, i);
    bytes += text.size();
    ASSERT_EQ(text.back(), '\n');
    const auto event = nlohmann::json::parse(text);
    ASSERT_EQ(event.at("id").get<std::string>().size(), 16);
    EXPECT_TRUE(ids.insert(event.at("id")).second) << i;
    EXPECT_EQ(event.at("visitor").get<std::string>().size(), 12);
    EXPECT_EQ(event.at("merchant"), load_merchant_name(law.merchant_of(i)));
    EXPECT_EQ(event.at("at"), to_ms(law.time_of(i)));
    sessions += event.contains("session") ? 1 : 0;
    const bool paid = event.at("name") == "purchase" || event.at("name") == "refund";
    ASSERT_EQ(event.contains("order"), paid);
    if (!paid) continue;
    const auto field = event.at("name") == "purchase" ? "total" : "amount";
    const auto amount = std::stod(event.at("order").at(field).get<std::string>());
    EXPECT_GE(amount, 5);
    EXPECT_LE(amount, 200);
  }
  const auto events = static_cast<double>(law.options().events);
  EXPECT_NEAR(static_cast<double>(bytes) / events, 236, 12);
  EXPECT_NEAR(static_cast<double>(sessions) / events, 0.70, 0.02);
}

TEST(load_law, names_follow_their_shares) {
  const load_law law{small_load()};
  std::map<std::string, double> share;
  for (std::uint64_t i = 0; i < law.options().events; ++i) {
    share[event_of(law, i).at("name")] += 1.0 / static_cast<double>(law.options().events);
  }
  EXPECT_NEAR(share["page_view"], 0.85, 0.01);
  EXPECT_NEAR(share["add_to_cart"], 0.08, 0.01);
  EXPECT_NEAR(share["checkout"], 0.03, 0.005);
  EXPECT_NEAR(share["purchase"], 0.03, 0.005);
  EXPECT_NEAR(share["refund"], 0.01, 0.005);
}

TEST(load_law, merchants_follow_zipf_or_are_even) {
  auto options = small_load();
  options.events = 200'000;
  const load_law law{options};
  std::vector<double> share(options.merchants);
  for (std::uint64_t i = 0; i < options.events; ++i) share[law.merchant_of(i)] += 1;
  double harmonic = 0;
  for (std::uint32_t k = 1; k <= options.merchants; ++k) harmonic += 1.0 / k;
  for (const std::uint32_t m : {0U, 1U, 9U}) {
    EXPECT_NEAR(share[m] / 200'000, 1 / ((m + 1) * harmonic), 0.003) << m;
  }
  options.uniform = true;
  const load_law even{options};
  std::vector<int> count(options.merchants);
  for (std::uint64_t i = 0; i < options.events; ++i) count[even.merchant_of(i)] += 1;
  EXPECT_LT(*std::max_element(count.begin(), count.end()), 300);
  EXPECT_GT(*std::min_element(count.begin(), count.end()), 120);
}

TEST(load_law, time_goes_on_but_for_the_late_and_half_of_it_is_the_last_day) {
  const load_law law{small_load()};
  const auto end = to_ms(law.options().end);
  std::int64_t newest = 0;
  double late = 0, last_day = 0, last_week = 0;
  for (std::uint64_t i = 0; i < law.options().events; ++i) {
    const auto at = to_ms(law.time_of(i));
    EXPECT_LT(at, end);
    EXPECT_GE(at, end - 30 * day_ms - 600'000);
    late += at < newest ? 1 : 0;
    EXPECT_GT(at, newest - 600'000);
    newest = std::max(newest, at);
    last_day += at >= end - day_ms ? 1 : 0;
    last_week += at >= end - 7 * day_ms ? 1 : 0;
  }
  EXPECT_NEAR(last_day / 20'000, 0.5, 0.01);
  EXPECT_NEAR(last_week / 20'000, 0.8, 0.01);
  EXPECT_NEAR(late / 20'000, 0.02, 0.01);
}

TEST(load_law, live_events_carry_the_time_they_are_given) {
  const load_law law{small_load()};
  const auto now = time_from_ms(1'800'000'000'000);
  int late = 0;
  for (std::uint64_t i = 0; i < 2'000; ++i) {
    std::string out;
    law.append_line_live(out, i, now);
    const auto at = nlohmann::json::parse(out).at("at").get<std::int64_t>();
    EXPECT_LE(at, to_ms(now));
    EXPECT_GT(at, to_ms(now) - 600'000);
    late += at != to_ms(now) ? 1 : 0;
  }
  EXPECT_NEAR(late, 40, 25);
}

TEST(load_law, one_merchants_load_names_no_merchant_and_paths_are_its_own) {
  auto options = small_load();
  options.only_merchant = 3;
  const load_law law{options};
  std::set<std::string> paths, visitors;
  for (std::uint64_t i = 0; i < options.events; ++i) {
    const auto event = event_of(law, i);
    ASSERT_FALSE(event.contains("merchant"));
    paths.insert(event.at("url"));
    visitors.insert(event.at("visitor"));
  }
  EXPECT_EQ(paths.size(), 50);
  EXPECT_LE(visitors.size(), law.visitors_of(3));
  EXPECT_EQ(law.visitors_of(3), options.events / 6);
  EXPECT_EQ(load_law{small_load()}.visitors_of(999), 5);
}

}  // namespace
}  // namespace tally

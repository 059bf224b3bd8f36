#include "domain/scan.hpp"

#include <algorithm>

#include "domain/query_metrics.hpp"
#include "tests/domain/scan_fixture.hpp"

namespace tally {
namespace {

class random_question {
 public:
  explicit random_question(std::mt19937& random) : random_{random} {}

  std::uint32_t pick(std::size_t n) { return static_cast<std::uint32_t>(random_() % n); }
  std::string one_of(const std::vector<std::string>& all) { return all[pick(all.size())]; }

  /// "2024-03-30" or an instant between the first and the last event, or a little outside.
  std::string date(std::int64_t day) {
    const auto at = instant("2024-03-26T00:00:00Z") + std::chrono::days{day};
    return bucket_label(zone::utc(), granularity::day,
                        std::chrono::floor<std::chrono::seconds>(at));
  }
  void range(question& q) {
    const auto first = pick(14);
    q.date_range = pick(5) == 0 ? "all" : "custom";
    q.from = date(first);
    q.to = date(first + pick(8));
    if (pick(3) == 0) {
      q.from += "T0" + std::to_string(pick(9)) + ":00:00Z";
      q.to += "T1" + std::to_string(pick(9)) + ":59:59Z";
    }
    q.timezone = one_of({"", "", "Europe/London", "Asia/Kolkata", "America/New_York"});
    if (pick(3) == 0)
      q.compare = pick(2) == 0 ? comparison::previous_period : comparison::year_over_year;
    if (q.compare == comparison::previous_period && pick(3) == 0) {
      q.compare = comparison::custom;
      q.compare_from = date(pick(5));
      q.compare_to = date(5 + pick(9));
    }
    q.include_totals = pick(2) == 0;
  }

 private:
  std::mt19937& random_;
};

TEST(scan, says_what_totals_say) {
  std::size_t compared = 0;
  for (std::uint32_t seed = 1; seed <= 30; ++seed) {
    std::mt19937 random{seed};
    random_question make{random};
    const auto* const z = zone::find(make.one_of({"Europe/Berlin", "UTC", "Australia/Lord_Howe"}));
    ruleset rules;
    if (seed % 3 == 0) rules.names["signup"] = counts_as::ignore;
    if (seed % 4 == 0) {
      correct_rule moved;
      moved.filter.op = filter_op::is;
      moved.filter.field = "event:page";
      moved.filter.values = {"/b"};
      moved.shift = std::chrono::minutes{-200};
      moved.set = {{"order.currency", "GBP"}, {"name", "purchase"}, {"order.tax", "1.5"}};
      rules.corrections.push_back(moved);
      drop_rule dropped{"french", {}};
      dropped.filter.op = filter_op::is;
      dropped.filter.field = "visit:country";
      dropped.filter.values = {"FR"};
      rules.drops.push_back(dropped);
    }
    const counted_shop shop{random_shop(random, 100 + random() % 900), *z, rules};
    const auto rows = shop.rows();
    for (int i = 0; i < 12; ++i) {
      question q;
      q.merchant = "m1";
      const auto by_name = make.pick(4) == 0;
      for (const auto& m : all_metrics())
        if ((m.sources & (from_operations | from_current)) == 0 && m.sources != from_none &&
            (!by_name || m.by_name) && m.name != "pageviews" && make.pick(3) == 0)
          q.metrics.emplace_back(m.name);
      if (q.metrics.empty()) q.metrics = {"events"};
      const auto step =
          make.one_of({"", "time:hour", "time:day", "time:week", "time:month", "time"});
      if (!step.empty()) q.dimensions.push_back(step);
      if (by_name) q.dimensions.emplace_back("event:name");
      make.range(q);
      if (make.pick(4) == 0) q.currency = "USD";
      if (make.pick(3) == 0) q.order_by = {{q.metrics[0], make.pick(2) == 0}};
      const auto now = shop.facts.newest + std::chrono::hours{1};
      const auto plan = make_plan(q, shop.facts, now);
      if (!plan) continue;
      ++compared;
      const auto scanned = shop.scan_all(q, now, random);
      ASSERT_TRUE(scanned.ok()) << scanned.error().text();
      ASSERT_EQ(text_of(*scanned), text_of(evaluate(*plan, rows)))
          << "seed " << seed << " question " << i << " " << ::testing::PrintToString(q.metrics)
          << ::testing::PrintToString(q.dimensions) << " now " << to_ms(now) << " rewrites "
          << rules.rewrites();
    }
  }
  EXPECT_GT(compared, 150u);
}

}  // namespace
}  // namespace tally

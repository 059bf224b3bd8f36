#include "tests/domain/naive_answer.hpp"
#include "tests/domain/random_asker.hpp"

namespace tally {
namespace {

const std::vector<std::string> event_metrics{
    "events",      "visitors",  "pageviews", "orders",     "units",           "refunds",
    "gross_sales", "net_sales", "customers", "percentage", "order_value_p50", "order_value_p90"};
const std::vector<std::string> visit_metrics{
    "visits",       "bounce_rate", "visit_duration", "conversion_rate", "revenue_per_visit",
    "time_on_page", "exit_rate",   "scroll_depth"};
const std::vector<std::string> customer_metrics{"new_customers", "returning_customers",
                                                "returning_rate", "days_between_orders",
                                                "revenue_to_date"};

class naive_test : public ::testing::Test, protected random_asker {
 protected:
  void add(std::vector<std::string>& names, const std::string& name) {
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  }

  question any_question() {
    question q;
    q.merchant = "m1";
    for (auto i = 1 + pick(3); i-- > 0;)
      add(q.metrics, one_of(pick(2) == 0   ? event_metrics
                            : pick(3) != 0 ? visit_metrics
                                           : customer_metrics));
    if (pick(3) != 0)
      add(q.dimensions, one_of({"time:day", "time:hour", "time:month", "time:hour_of_day",
                                "time:day_of_week", "time"}));
    if (pick(4) == 0) add(q.dimensions, "time:hour_of_day");
    for (auto i = pick(3); i-- > 0;) add(q.dimensions, any_field());
    for (auto i = pick(3); i-- > 0;) q.filters.push_back(filter(0, true));
    if (pick(10) == 0) q.names = {"purchase", "page_view"};
    const auto first = pick(14);
    q.date_range = pick(4) == 0 ? "all" : "custom";
    q.from = date(first);
    q.to = date(first + pick(6));
    if (pick(3) == 0) {
      q.from += "T0" + std::to_string(pick(9)) + ":17:03.250Z";
      q.to += "T1" + std::to_string(pick(9)) + ":59:59Z";
    }
    q.timezone = one_of({"", "Europe/London", "Asia/Kolkata", "America/New_York"});
    if (pick(3) == 0) q.currency = one_of({"USD", "JPY", "EUR", "CHF"});
    q.converts = pick(6) != 0;
    q.refunds_on_order_day = pick(3) == 0;
    if (pick(3) == 0) q.compare = comparison::previous_period;
    if (pick(3) == 0) q.order_by.emplace_back(one_of(q.metrics), pick(2) == 0);
    if (pick(3) == 0 && !q.dimensions.empty())
      q.order_by.emplace_back(one_of(q.dimensions), pick(2) == 0);
    if (pick(4) == 0) q.limit = 1 + pick(8);
    if (pick(4) == 0) q.offset = pick(6);
    q.include_totals = pick(2) == 0;
    return q;
  }

  /// Rates of some days, of which some become known only after orders were counted.
  void add_rates(counted_shop& shop) {
    auto book = std::make_shared<rate_book>(one_of({"EUR", "EUR", "CHF"}));
    auto known = shop.facts.oldest - std::chrono::hours{20};
    for (auto imports = 1 + pick(4); imports-- > 0;) {
      std::vector<daily_rate> rates;
      for (auto n = 1 + pick(6); n-- > 0;) {
        const auto day = std::chrono::floor<std::chrono::days>(shop.facts.oldest) +
                         std::chrono::days{static_cast<int>(pick(8)) - 3};
        const auto digits = std::to_string(1 + pick(30'000));
        rates.push_back({day, one_of({"USD", "JPY", "EUR"}),
                         *parse_rate(std::to_string(pick(3)) + "." + digits)});
      }
      book->add(rates, known);
      known += std::chrono::hours{1 + pick(60)};
    }
    shop.facts.rates = book;
    if (pick(3) == 0) shop.facts.rates_known = shop.facts.oldest + std::chrono::hours{pick(100)};
  }
};

TEST_F(naive_test, a_scan_says_what_plain_loops_over_the_events_say) {
  std::size_t rows = 0;
  for (std::uint32_t seed = 1; seed <= 18; ++seed) {
    random.seed(seed);
    ruleset rules;
    rules.names["Buy"] = counts_as::purchase;
    if (seed % 4 == 0) rules.names["signup"] = counts_as::ignore;
    const auto* const z = zone::find(one_of({"Europe/Berlin", "Australia/Lord_Howe"}));
    counted_shop shop{random_shop(random, 50 + pick(250)), *z, rules};
    if (seed % 3 != 0) add_rates(shop);
    const auto now = shop.facts.newest + std::chrono::hours{1};
    for (int i = 0; i < 20; ++i) {
      const auto q = any_question();
      const auto p = make_scan_plan(q, shop.facts, now, rules);
      if (!p) {
        ASSERT_TRUE(p.error().detail.find("of whole orders") != std::string::npos ||
                    p.error().detail.find("only one dimension") != std::string::npos)
            << p.error().text();
        continue;
      }
      const auto scanned = shop.scan_all(q, now, random);
      ASSERT_TRUE(scanned.ok()) << scanned.error().text();
      rows += scanned->rows.size();
      ASSERT_EQ(text_of(*scanned), text_of(naive_answer{shop, q, *p}.make()))
          << "seed " << seed << " question " << i << " metrics "
          << ::testing::PrintToString(q.metrics) << " dimensions "
          << ::testing::PrintToString(q.dimensions) << " filters " << q.filters.size();
    }
  }
  EXPECT_GT(rows, 3'000u);
}

}  // namespace
}  // namespace tally

#pragma once

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "tests/domain/scan_fixture.hpp"

namespace tally {

inline const std::vector<std::string> event_fields{"event:name",       "event:page",
                                                   "event:props:plan", "event:hostname",
                                                   "event:coupon",     "event:currency"};
inline const std::vector<std::string> item_fields_asked{"event:product", "event:category",
                                                        "event:brand", "event:product_id"};
inline const std::vector<std::string> visit_fields{
    "visit:source",        "visit:channel",    "visit:country",         "visit:browser",
    "visit:referrer",      "visit:utm_medium", "visit:entry_page",      "visit:exit_page",
    "visit:customer_type", "visit:cohort",     "visit:browser_version", "visit:screen_class"};
inline const std::vector<std::string> values_asked{
    "purchase", "page_view",  "/a",     "/",          "gold", "(none)", "EUR",
    "hats",     "Name of p1", "Google", "Direct",     "DE",   "acme",   "firefox",
    "new",      "2024-03-01", "Email",  "engagement", "12.0", "tablet"};

/// Makes random filters and dates for the events of random_shop().
struct random_asker {
  std::uint32_t pick(std::size_t n) { return static_cast<std::uint32_t>(random() % n); }
  const std::string& one_of(const std::vector<std::string>& all) { return all[pick(all.size())]; }

  std::string any_field() {
    const auto n = pick(5);
    return one_of(n < 2 ? event_fields : n < 4 ? visit_fields : item_fields_asked);
  }

  event_filter filter(int depth, bool behaviour) {
    event_filter f;
    const auto n = depth >= 3 ? 0 : pick(10);
    if (n < 6) {
      static constexpr filter_op ops[] = {
          filter_op::is,           filter_op::is,      filter_op::is_not,     filter_op::contains,
          filter_op::contains_not, filter_op::matches, filter_op::matches_not};
      f.op = ops[pick(std::size(ops))];
      f.field = any_field();
      const bool expression = f.op == filter_op::matches || f.op == filter_op::matches_not;
      for (auto i = 1 + pick(3); i-- > 0;)
        f.values.push_back(expression ? one_of({"^/a", "o.*l", "^$", "[0-9]"})
                                      : one_of(values_asked));
      f.case_sensitive = pick(4) != 0;
      ensure(compile(f).ok(), "a filter must compile");
    } else if (n < 8) {
      f.op = n == 6 ? filter_op::all_of : filter_op::any_of;
      for (auto i = 1 + pick(3); i-- > 0;) f.parts.push_back(filter(depth + 1, behaviour));
    } else if (n == 8 || !behaviour) {
      f.op = filter_op::none_of;
      f.parts.push_back(filter(depth + 1, behaviour));
    } else {
      f.op = pick(2) == 0 ? filter_op::has_done : filter_op::has_not_done;
      f.parts.push_back(filter(depth + 1, false));
    }
    return f;
  }

  static std::string date(unsigned day) {
    const auto at = instant("2024-03-26T00:00:00Z") + std::chrono::days{day};
    return bucket_label(zone::utc(), granularity::day,
                        std::chrono::floor<std::chrono::seconds>(at));
  }

  std::mt19937 random;
};

}  // namespace tally

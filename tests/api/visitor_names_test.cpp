#include "api/visitor_names.hpp"

#include <gtest/gtest.h>

#include <set>

#include "tests/api/foreign_samples.hpp"

namespace tally::api {
namespace {

constexpr auto day = std::chrono::hours{24};
constexpr event_time midnight{std::chrono::days{14'945}};

struct visitor_names_test : ::testing::Test {
  std::string at(event_time now, std::string_view agent = "agent") {
    time = now;
    return names.name({"shop", "203.0.113.9", agent}, now);
  }
  event_time time = midnight;
  visitor_names names{[this] { return sample_salts(time); }};
};

TEST_F(visitor_names_test, are_the_same_for_the_same_merchant_address_and_agent_only) {
  const auto now = midnight + std::chrono::hours{9};
  std::set<std::string> all;
  for (const auto* merchant : {"shop", "other"})
    for (const auto* address : {"203.0.113.9", "203.0.113.10", "2001:db8::1"})
      for (const auto* agent : {"a", "b"}) {
        time = now;
        const auto name = names.name({merchant, address, agent}, now);
        EXPECT_EQ(name.size(), 16u);
        EXPECT_EQ(name, names.name({merchant, address, agent}, now + std::chrono::hours{5}));
        all.insert(name);
      }
  EXPECT_EQ(all.size(), 12u);
  EXPECT_NE(names.name({"a", "b", "c"}, now), names.name({"ab", "", "c"}, now));
}

TEST_F(visitor_names_test, are_others_on_the_next_day) {
  const auto morning = midnight + std::chrono::hours{9};
  EXPECT_NE(at(morning), at(morning + day));
}

TEST_F(visitor_names_test, last_over_midnight_as_long_as_the_visit_goes_on) {
  using std::chrono::minutes;
  const auto before = at(midnight - minutes{5});
  EXPECT_EQ(at(midnight + minutes{10}), before);
  EXPECT_EQ(at(midnight + minutes{40}), before) << "30 minutes after the last";
  EXPECT_NE(at(midnight + minutes{71}), before) << "31 minutes after the last";
  EXPECT_NE(at(midnight - minutes{31}, "early"), "");
  const auto early = at(midnight - minutes{31}, "early");
  EXPECT_NE(at(midnight + minutes{1}, "early"), early);
}

}  // namespace
}  // namespace tally::api

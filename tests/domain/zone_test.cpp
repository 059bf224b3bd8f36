#include "domain/zone.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/domain/zone_oracle.hpp"

using namespace tally;
using std::chrono::seconds;
using std::chrono::sys_days;

namespace {

bucket_time at_s(std::int64_t s) {
  return bucket_time{seconds{s}};
}

std::int64_t offset_at(const char* name, bucket_time t) {
  return zone::find(name)->at(t).offset.count();
}

}  // namespace

TEST(zone, is_found_by_its_name_and_by_links) {
  ASSERT_NE(zone::find("Europe/London"), nullptr);
  EXPECT_EQ(zone::find("Europe/London")->name(), "Europe/London");
  EXPECT_EQ(zone::find("GB"), zone::find("Europe/London"));
  EXPECT_EQ(zone::find("Asia/Calcutta")->name(), "Asia/Kolkata");
  EXPECT_EQ(zone::find("UTC"), &zone::utc());
  for (const auto* name : {"", "Europe", "Europe/", "Europe/Londo", "Europe/Londonx",
                           "europe/london", "../../etc/passwd", "zzz", " "})
    EXPECT_EQ(zone::find(name), nullptr) << name;
}

TEST(zone, names_are_sorted_and_all_found) {
  const auto names = zone::names();
  EXPECT_GT(names.size(), 590U);
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
  for (const auto name : names) {
    ASSERT_NE(zone::find(name), nullptr) << name;
    EXPECT_EQ(zone::find(zone::find(name)->name()), zone::find(name)) << name;
  }
}

TEST(zone, the_version_is_a_year_and_a_letter) {
  const auto version = zone::rules_version();
  ASSERT_EQ(version.size(), 5U);
  EXPECT_GE(version.substr(0, 4), "2024");
  EXPECT_GE(version.back(), 'a');
  EXPECT_LE(version.back(), 'z');
}

TEST(zone, knows_summer_time_odd_offsets_and_the_far_future) {
  using namespace std::chrono;
  EXPECT_EQ(offset_at("Europe/Berlin", sys_days{2010y / 12 / 1}), 3'600);
  EXPECT_EQ(offset_at("Europe/Berlin", sys_days{2010y / 7 / 1}), 7'200);
  EXPECT_EQ(offset_at("Europe/Berlin", sys_days{9999y / 7 / 1}), 7'200);
  EXPECT_EQ(offset_at("Europe/Berlin", sys_days{9999y / 12 / 31}), 3'600);
  EXPECT_EQ(offset_at("Europe/Dublin", sys_days{2050y / 7 / 1}), 3'600);
  EXPECT_EQ(offset_at("Australia/Sydney", sys_days{2500y / 1 / 1}), 39'600);
  EXPECT_EQ(offset_at("Australia/Sydney", sys_days{2500y / 7 / 1}), 36'000);
  EXPECT_EQ(offset_at("Asia/Kathmandu", sys_days{2020y / 1 / 1}), 20'700);
  EXPECT_EQ(offset_at("Asia/Kolkata", sys_days{3000y / 1 / 1}), 19'800);
  EXPECT_EQ(offset_at("Africa/Monrovia", sys_days{1971y / 1 / 1}), -2'670);
  EXPECT_EQ(offset_at("Europe/London", sys_days{1y / 1 / 1}), -75);
  EXPECT_EQ(offset_at("Etc/UTC", sys_days{2020y / 1 / 1}), 0);
  EXPECT_EQ(offset_at("Etc/GMT+5", sys_days{2020y / 1 / 1}), -18'000);
}

TEST(zone, a_rule_for_ever_has_its_last_change_on_the_last_sunday_of_march) {
  using namespace std::chrono;
  for (int y = 2024; y < 9'000; y += 13) {
    const bucket_time change = sys_days{year{y} / March / Sunday[last]} + 1h;
    const auto after = zone::find("Europe/Berlin")->at(change);
    EXPECT_EQ(after.begin, change);
    EXPECT_EQ(after.end, sys_days{year{y} / October / Sunday[last]} + 1h);
    EXPECT_EQ(after.offset, 2h);
    EXPECT_EQ(zone::find("Europe/Berlin")->at(change - 1s).offset, 1h);
  }
}

TEST(zone, periods_follow_each_other_and_differ) {
  for (const auto name : zone::names()) {
    const auto* const z = zone::find(name);
    auto p = z->at(at_s(-(std::int64_t{1} << 40)));
    EXPECT_EQ(to_s(p.begin), -(std::int64_t{1} << 40)) << name;
    while (to_s(p.end) < instant_of(2450)) {
      ASSERT_LT(p.begin, p.end) << name;
      ASSERT_LT(std::chrono::abs(p.offset), std::chrono::hours{24}) << name;
      ASSERT_EQ(z->at(p.end - seconds{1}).begin, p.begin) << name << " " << to_s(p.end);
      const auto next = z->at(p.end);
      ASSERT_EQ(next.begin, p.end) << name;
      ASSERT_NE(next.offset, p.offset) << name << " " << to_s(p.end);
      p = next;
    }
  }
}

TEST(zone, offsets_agree_with_the_c_library_in_every_zone) {
  if (!system_has_zone("Europe/London")) GTEST_SKIP() << "no tz database on this machine";
  const auto range = compared_range::of_this_machine();
  std::mt19937_64 random{1};
  std::uniform_int_distribution<std::int64_t> any{range.from, range.to - 1};
  std::size_t compared = 0, corrected = 0;
  for (const auto name : zone::names()) {
    if (!system_has_zone(name)) continue;
    const auto* const z = zone::find(name);
    if (const auto t = disagreement(*z, range)) {
      ASSERT_LE(++corrected, corrected_zones_max()) << name << " at " << *t;
      continue;
    }
    const zone_oracle oracle{name};
    const auto check = [&](std::int64_t t) {
      ++compared;
      return z->at(at_s(t)).offset.count() == zone_oracle::offset(t);
    };
    for (auto p = z->at(at_s(range.from)); to_s(p.end) < range.to; p = z->at(p.end)) {
      const auto change = to_s(p.end);
      for (const auto t : {change - 1, change, change + 1})
        ASSERT_TRUE(check(t)) << name << " at " << t;
    }
    for (int i = 0; i < 300; ++i) {
      const auto t = any(random);
      ASSERT_TRUE(check(t)) << name << " at " << t;
    }
  }
  EXPECT_GT(compared, 100'000U);
}

#include "domain/value_percentiles.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace tally {
namespace {

std::int64_t nearest_rank(std::vector<std::int64_t> values, unsigned percent) {
  std::ranges::sort(values);
  const auto rank = std::ceil(static_cast<double>(values.size()) * percent / 100);
  return values[static_cast<std::size_t>(std::max(rank, 1.0)) - 1];
}

TEST(value_percentiles, of_nothing_are_nothing) {
  const value_percentiles none;
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(none.at(50), 0);
}

TEST(value_percentiles, of_few_are_exact) {
  value_percentiles few;
  for (const auto v : {30, 10, 20, 40}) few.add(v);
  EXPECT_EQ(few.at(0), 10);
  EXPECT_EQ(few.at(50), 20);
  EXPECT_EQ(few.at(51), 30);
  EXPECT_EQ(few.at(99), 40);
  EXPECT_EQ(few.at(100), 40);
  EXPECT_EQ(few.error(), 0);
}

TEST(value_percentiles, of_many_are_within_their_error) {
  std::mt19937_64 random{7};
  for (const auto scale : {1e3, 1e7, 1e12, 4e18}) {
    value_percentiles sketch;
    std::vector<std::int64_t> values;
    std::uniform_real_distribution<double> spread{-0.2, 1};
    for (int i = 0; i < 5'000; ++i) {
      values.push_back(static_cast<std::int64_t>(std::pow(spread(random), 3) * scale));
      sketch.add(values.back());
    }
    EXPECT_EQ(sketch.error(), value_percentiles::sketch_error);
    for (const unsigned percent : {1U, 10U, 50U, 90U, 99U, 100U}) {
      const auto expected = static_cast<double>(nearest_rank(values, percent));
      EXPECT_NEAR(static_cast<double>(sketch.at(percent)), expected,
                  std::abs(expected) * value_percentiles::sketch_error + 0.5)
          << percent << " of " << scale;
    }
  }
}

TEST(value_percentiles, do_not_depend_on_how_values_are_grouped) {
  std::mt19937 random{11};
  for (const std::size_t count : {5U, 511U, 512U, 513U, 2'000U}) {
    value_percentiles all, merged;
    std::vector<value_percentiles> parts(7);
    for (std::size_t i = 0; i < count; ++i) {
      const auto v = static_cast<std::int64_t>(random() % 1'000'000);
      all.add(v);
      parts[random() % parts.size()].add(v);
    }
    for (const auto& p : parts) merged.merge(p);
    EXPECT_EQ(merged.error(), all.error()) << count;
    for (unsigned percent = 0; percent <= 100; percent += 5)
      EXPECT_EQ(merged.at(percent), all.at(percent)) << count;
  }
}

TEST(value_percentiles, hold_the_largest_values) {
  value_percentiles huge;
  const auto largest = std::numeric_limits<std::int64_t>::max();
  for (int i = 0; i < 600; ++i) huge.add(money_sum{largest} * 3);
  EXPECT_GT(huge.at(50), largest / 256 * 255);
  for (int i = 0; i < 6'000; ++i) huge.add(-money_sum{largest} * 3);
  EXPECT_LT(huge.at(50), -(largest / 256 * 255));
}

}  // namespace
}  // namespace tally

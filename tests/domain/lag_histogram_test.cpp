#include "domain/lag_histogram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace tally {
namespace {

std::string encoded(const lag_histogram& h) {
  std::string bytes;
  byte_writer out{bytes};
  h.encode(out);
  return bytes;
}

lag_histogram of(const std::vector<std::int64_t>& values) {
  lag_histogram h;
  for (const auto v : values) h.add(v);
  return h;
}

std::vector<std::int64_t> random_lags(unsigned seed, std::size_t count) {
  std::mt19937_64 random{seed};
  std::vector<std::int64_t> lags(count);
  for (auto& lag : lags) lag = static_cast<std::int64_t>(random() >> (24 + random() % 40));
  return lags;
}

TEST(lag_histogram, is_empty_and_zero_at_first) {
  const lag_histogram h;
  EXPECT_TRUE(h.empty());
  EXPECT_EQ(h.count(), 0);
  EXPECT_EQ(h.quantile(0.5), 0);
}

TEST(lag_histogram, is_exact_below_64_ms) {
  lag_histogram h;
  for (int ms = 0; ms < 64; ++ms) h.add(ms);
  for (int ms = 0; ms < 64; ++ms) EXPECT_EQ(h.quantile((ms + 1) / 64.0), ms);
}

TEST(lag_histogram, one_value_comes_back_within_one_64th) {
  for (std::int64_t ms = 1; ms < std::int64_t{1} << 40; ms = ms * 17 / 16 + 1) {
    const auto back = of({ms}).quantile(1);
    EXPECT_LE(std::abs(back - ms) * 64, ms) << ms;
  }
}

TEST(lag_histogram, values_outside_its_range_count_as_the_nearest_inside) {
  EXPECT_EQ(of({-1}), of({0}));
  EXPECT_EQ(of({std::numeric_limits<std::int64_t>::min()}), of({0}));
  EXPECT_EQ(of({std::numeric_limits<std::int64_t>::max()}), of({std::int64_t{1} << 40}));
  EXPECT_EQ(of({std::int64_t{1} << 40}).quantile(0.5), std::int64_t{1} << 40);
}

TEST(lag_histogram, quantiles_of_many_values_are_within_one_64th) {
  auto lags = random_lags(1, 10'000);
  const auto h = of(lags);
  std::sort(lags.begin(), lags.end());
  EXPECT_EQ(h.count(), lags.size());
  for (const double q : {0.0, 0.01, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto rank = std::max(1.0, std::ceil(q * 10'000));
    const auto truth = lags[static_cast<std::size_t>(rank) - 1];
    EXPECT_LE(std::abs(h.quantile(q) - truth) * 64, truth) << q;
  }
}

TEST(lag_histogram, a_count_adds_as_often_as_it_says) {
  lag_histogram once, often;
  once.add(1'000, 3);
  once.add(7, 0);
  for (int i = 0; i < 3; ++i) often.add(1'000);
  EXPECT_EQ(once, often);
}

TEST(lag_histogram, merging_any_parts_in_any_order_gives_the_same_bytes) {
  const auto lags = random_lags(2, 3'000);
  const auto whole = encoded(of(lags));
  std::mt19937_64 random{3};
  for (int round = 0; round < 50; ++round) {
    std::vector<lag_histogram> parts(1 + random() % 5);
    for (const auto lag : lags) parts[random() % parts.size()].add(lag);
    std::shuffle(parts.begin(), parts.end(), random);
    lag_histogram sum;
    for (const auto& part : parts) sum.merge(part);
    sum.merge(lag_histogram{});
    EXPECT_EQ(encoded(sum), whole);
  }
}

TEST(lag_histogram, counts_stop_at_the_largest_number) {
  lag_histogram h;
  h.add(5, std::numeric_limits<std::uint64_t>::max());
  h.add(5, 2);
  h.merge(h);
  EXPECT_EQ(h.count(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(h.quantile(0.5), 5);
}

TEST(lag_histogram, comes_back_from_its_bytes) {
  for (const std::size_t count : {0u, 1u, 10u, 10'000u}) {
    const auto h = of(random_lags(4, count));
    const auto bytes = encoded(h);
    byte_reader in{bytes};
    EXPECT_EQ(lag_histogram::decode(in), h);
    EXPECT_TRUE(in.ok() && in.at_end());
    for (std::size_t cut = 0; cut < std::min<std::size_t>(bytes.size(), 200); ++cut) {
      byte_reader torn{std::string_view{bytes}.substr(0, cut)};
      (void)lag_histogram::decode(torn);
      EXPECT_FALSE(torn.ok());
    }
  }
}

TEST(lag_histogram, bytes_that_it_cannot_have_written_fail) {
  const std::pair<const char*, std::string> cases[] = {
      {"more steps than bytes", "\xff\xff\xff\xff\x0f\1\1"},
      {"the same step twice", {2, 5, 1, 0, 1}},
      {"a count of zero", {1, 5, 0}},
      {"a step past 2^40", std::string{"\1\xc1\x11\1", 4}},
      {"indexes that wrap", std::string{"\2\5\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\1", 14}},
  };
  for (const auto& [what, bytes] : cases) {
    byte_reader in{bytes};
    (void)lag_histogram::decode(in);
    EXPECT_FALSE(in.ok()) << what;
  }
  byte_reader largest{std::string_view{"\1\xc0\x11\1", 4}};
  EXPECT_EQ(lag_histogram::decode(largest), of({std::int64_t{1} << 40}));
  EXPECT_TRUE(largest.ok());
}

}  // namespace
}  // namespace tally

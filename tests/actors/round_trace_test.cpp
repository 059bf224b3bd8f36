#include "actors/round_trace.hpp"

#include <gtest/gtest.h>

#include <set>
#include <thread>

namespace tally::actors {
namespace {

using rounds = std::vector<persistence::round_number>;

constexpr std::uint64_t hash_of(std::uint64_t merchant) {
  return merchant << 32;
}

TEST(round_trace, finds_the_rounds_of_a_merchant_in_order_and_once) {
  round_trace trace;
  for (const persistence::round_number r : {7u, 3u, 7u, 9u}) trace.note(hash_of(1), r);
  trace.note(hash_of(2), 8);
  EXPECT_EQ(trace.look().rounds_of(hash_of(1), 0), (rounds{3, 7, 9}));
  EXPECT_EQ(trace.look().rounds_of(hash_of(1), 8), (rounds{9}));
  EXPECT_EQ(trace.look().rounds_of(hash_of(2), 0), (rounds{8}));
  EXPECT_EQ(trace.look().rounds_of(hash_of(3), 0), rounds{});
}

TEST(round_trace, forgets_old_rounds_and_keeps_all_others) {
  round_trace trace;
  for (persistence::round_number r = 1; r <= 20'000; ++r) trace.note(hash_of(r % 7), r);
  trace.forget_before(15'000);
  const auto left = trace.look().rounds_of(hash_of(3), 15'000);
  std::set<persistence::round_number> expected;
  for (persistence::round_number r = 15'000; r <= 20'000; ++r)
    if (r % 7 == 3) expected.insert(r);
  EXPECT_EQ(left, rounds(expected.begin(), expected.end()));
  EXPECT_LT(trace.look().rounds_of(hash_of(3), 0).size(), 20'000u / 7);
}

TEST(round_trace, pictures_stay_as_they_were) {
  round_trace trace;
  trace.note(hash_of(1), 1);
  const auto before = trace.look();
  trace.note(hash_of(1), 2);
  trace.forget_before(100);
  EXPECT_EQ(before.rounds_of(hash_of(1), 0), (rounds{1}));
}

TEST(round_trace, is_read_while_it_is_written) {
  round_trace trace;
  trace.note(hash_of(5), 1);
  auto picture = trace.look();
  std::thread reader{[&] {
    for (int i = 0; i < 1'000; ++i) EXPECT_EQ(picture.rounds_of(hash_of(5), 0), (rounds{1}));
  }};
  for (persistence::round_number r = 2; r < 10'000; ++r) trace.note(hash_of(5), r);
  reader.join();
  EXPECT_EQ(trace.look().rounds_of(hash_of(5), 0).size(), 9'999u);
}

}  // namespace
}  // namespace tally::actors

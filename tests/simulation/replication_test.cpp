#include <gtest/gtest.h>

#include "tests/simulation/simulation.hpp"

namespace tally::simulation {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t seeds = 150;
#else
constexpr std::uint64_t seeds = 4'000;
#endif

/// On failure: `simulate --seeds 1 --from SEED --trace` shows what happened.
TEST(replication, keeps_every_promise_through_random_faults) {
  run_outcome sum;
  std::uint64_t stuck = 0;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const auto one = run({.seed = seed, .rules = {}});
    ASSERT_EQ(one.violation, "") << "seed " << seed;
    stuck += one.is_stuck_by_loss ? 1 : 0;
    add_counts(sum, one);
  }
  // Where no in-sync copy is left, only an operator can go on; that must stay rare.
  EXPECT_LE(stuck, 1 + seeds / 100);
  // The faults happened: a simulator that is quiet proves nothing.
  EXPECT_GT(sum.commits, seeds * 20);
  EXPECT_GT(sum.leaders, seeds);
  EXPECT_GT(sum.truncations, seeds / 50);
  EXPECT_GT(sum.reads, seeds * 20);
  EXPECT_GT(sum.lost_disks, seeds / 10);
  EXPECT_GT(sum.doubtful_swaps, seeds / 10);
  EXPECT_GT(sum.fetched_copies, seeds / 20);
}

TEST(replication, simulates_the_same_from_the_same_seed) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const auto one = run({.seed = seed, .rules = {}, .keeps_trace = true});
    const auto again = run({.seed = seed, .rules = {}, .keeps_trace = true});
    EXPECT_EQ(one.trace, again.trace) << "seed " << seed;
    EXPECT_EQ(one.steps, again.steps) << "seed " << seed;
  }
}

}  // namespace
}  // namespace tally::simulation

#include "actors/crash_points.hpp"

#include <gtest/gtest.h>

namespace tally::actors {
namespace {

TEST(crash_plan, knows_every_point_by_its_name) {
  EXPECT_GE(crash_plan::names().size(), 10);
  for (const auto& name : crash_plan::names()) {
    crash_plan plan;
    EXPECT_TRUE(plan.arm(name)) << name;
    EXPECT_TRUE(plan.arm(name + ":2")) << name;
  }
}

TEST(crash_plan, ends_the_process_at_the_passing_that_was_asked_for_and_no_sooner) {
  crash_plan plan;
  ASSERT_TRUE(plan.arm("lane_before_apply:2"));
  plan.pass(crash_point::journal_after_write);
  plan.pass(crash_point::lane_before_apply);
  EXPECT_EXIT(plan.pass(crash_point::lane_before_apply), ::testing::ExitedWithCode(crash_exit_code),
              "");
}

TEST(crash_plan, unarmed_ends_nothing) {
  crash_plan plan;
  ASSERT_TRUE(plan.arm(""));
  for (int i = 0; i < 10; ++i) plan.pass(crash_point::journal_before_write);
}

}  // namespace
}  // namespace tally::actors

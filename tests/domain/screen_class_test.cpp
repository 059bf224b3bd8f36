#include "domain/screen_class.hpp"

#include <gtest/gtest.h>

#include <utility>

namespace tally {
namespace {

TEST(screen_class, goes_by_the_width) {
  const std::pair<const char*, const char*> cases[] = {
      {"1x1", "mobile"},       {"575x9000", "mobile"},   {"576x800", "tablet"},
      {"991x800", "tablet"},   {"992x600", "laptop"},    {"1439x900", "laptop"},
      {"1440x900", "desktop"}, {"1920X1080", "desktop"}, {"390", "mobile"}};
  for (const auto& [screen, expected] : cases) EXPECT_EQ(screen_class(screen), expected) << screen;
}

TEST(screen_class, is_nothing_of_other_texts) {
  for (const auto* const text :
       {"", "x", "0x600", "wide", "-5x3", "1920x", "1920x1080x2", "1920*1080", " 1920x1080",
        "100001x1", "99999999999999999999x1", "1920x0"})
    EXPECT_EQ(screen_class(text), "") << text;
}

}  // namespace
}  // namespace tally

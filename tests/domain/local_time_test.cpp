#include "domain/local_time.hpp"

#include <gtest/gtest.h>

#include "domain/client_time.hpp"

namespace tally {
namespace {

std::string utc_of(const char* zone_name, std::string_view shown) {
  const auto wall = parse_wall_time(shown, "%Y-%m-%d %H:%M:%S");
  if (!wall) return "unreadable";
  return format_rfc3339(from_wall(*zone::find(zone_name), *wall));
}

TEST(wall_time, patterns_read_the_usual_spellings) {
  const auto ms = [](std::string_view text, std::string_view pattern) {
    const auto read = parse_wall_time(text, pattern);
    return read ? read->time_since_epoch().count() : -1;
  };
  EXPECT_EQ(ms("1970-01-02 00:00:01", "%Y-%m-%d %H:%M:%S"), 86'401'000);
  EXPECT_EQ(ms("2/1/1970 0:01", "%d/%m/%Y %H:%M"), 86'460'000);
  EXPECT_EQ(ms("01/02/70 12:30 am", "%m/%d/%y %I:%M %p"), 86'400'000 + 1'800'000);
  EXPECT_EQ(ms("01/02/70 1:30 PM", "%m/%d/%y %I:%M %p"), 86'400'000 + 48'600'000);
  EXPECT_EQ(ms("1970-01-01 00:00:00.1239", "%Y-%m-%d %H:%M:%S"), 123);
}

TEST(wall_time, what_is_no_date_or_has_more_text_is_not_read) {
  for (const auto* wrong : {"", "2011-02-29 00:00:00", "2011-13-01 00:00:00", "2011-01-01 24:00:00",
                            "2011-01-01 00:60:00", "2011-01-01 00:00:00Z", "2011-01-01"}) {
    EXPECT_FALSE(parse_wall_time(wrong, "%Y-%m-%d %H:%M:%S")) << wrong;
  }
}

TEST(from_wall, follows_the_zone_in_winter_and_summer) {
  EXPECT_EQ(utc_of("Europe/London", "2010-12-01 08:26:00"), "2010-12-01T08:26:00.000Z");
  EXPECT_EQ(utc_of("Europe/London", "2011-05-31 15:53:00"), "2011-05-31T14:53:00.000Z");
  EXPECT_EQ(utc_of("America/New_York", "2011-05-31 22:00:00"), "2011-06-01T02:00:00.000Z");
  EXPECT_EQ(utc_of("Asia/Kathmandu", "2011-01-01 00:00:00"), "2010-12-31T18:15:00.000Z");
}

TEST(from_wall, an_hour_shown_twice_is_its_first_time_and_a_skipped_one_goes_on_before_the_change) {
  EXPECT_EQ(utc_of("Europe/London", "2011-10-30 01:30:00"), "2011-10-30T00:30:00.000Z");
  EXPECT_EQ(utc_of("Europe/London", "2011-10-30 02:00:00"), "2011-10-30T02:00:00.000Z");
  EXPECT_EQ(utc_of("Europe/London", "2011-03-27 01:30:00"), "2011-03-27T01:30:00.000Z");
  EXPECT_EQ(utc_of("Europe/London", "2011-03-27 02:00:00"), "2011-03-27T01:00:00.000Z");
}

}  // namespace
}  // namespace tally

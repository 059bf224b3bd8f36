#include "domain/client_time.hpp"

#include <gtest/gtest.h>

#include <random>

using namespace tally;

namespace {

constexpr std::int64_t noon_ms = 1'291'191'960'000;  // 2010-12-01T08:26:00Z

std::optional<std::int64_t> instant(std::string_view text) {
  const auto t = parse_client_time(text);
  return t ? std::optional{to_ms(t->at)} : std::nullopt;
}

}  // namespace

TEST(client_time, the_usual_spellings_need_no_text) {
  const std::pair<std::string_view, time_form> cases[] = {
      {"2010-12-01T08:26:00.000Z", time_form::millis_z},
      {"2010-12-01T08:26:00Z", time_form::seconds_z},
      {"1291191960000", time_form::integer_ms}};
  for (const auto& [text, form] : cases) {
    const auto t = parse_client_time(text);
    ASSERT_TRUE(t) << text;
    EXPECT_EQ(t->form, form) << text;
    EXPECT_EQ(to_ms(t->at), noon_ms) << text;
    EXPECT_TRUE(t->text.empty()) << text;
    EXPECT_EQ(as_sent(*t), text);
  }
}

TEST(client_time, other_spellings_keep_their_text) {
  for (const auto* text :
       {"2010-12-01 08:26:00Z", "2010-12-01t08:26:00z", "2010-12-01T08:26:00.0Z",
        "2010-12-01T08:26:00.000999999999999999Z", "2010-12-01T08:26:00+00:00",
        "2010-12-01T08:26:00-00:00", "2010-12-01T09:56:00+01:30", "2010-11-30T21:26:00-11:00",
        "2010-12-01T08:26:00.000+00:00", "01291191960000"}) {
    const auto t = parse_client_time(text);
    ASSERT_TRUE(t) << text;
    EXPECT_EQ(t->form, time_form::other_text) << text;
    EXPECT_EQ(to_ms(t->at), noon_ms) << text;
    EXPECT_EQ(as_sent(*t), text);
  }
}

TEST(client_time, decimals_are_cut_to_milliseconds) {
  EXPECT_EQ(instant("1970-01-01T00:00:00.5Z"), 500);
  EXPECT_EQ(instant("1970-01-01T00:00:00.1239Z"), 123);
  EXPECT_EQ(instant("1970-01-01T00:00:00.000999Z"), 0);
  EXPECT_EQ(instant("1969-12-31T23:59:59.9999Z"), -1);
  EXPECT_EQ(instant("1969-12-31T23:59:59.001Z"), -999);
}

TEST(client_time, a_leap_second_is_the_last_millisecond_before) {
  EXPECT_EQ(instant("2016-12-31T23:59:60Z"), instant("2016-12-31T23:59:59.999Z"));
  EXPECT_EQ(instant("2016-12-31T23:59:60.5Z"), instant("2016-12-31T23:59:59.999Z"));
  const auto t = parse_client_time("2016-12-31T23:59:60Z");
  EXPECT_EQ(as_sent(*t), "2016-12-31T23:59:60Z");
  EXPECT_EQ(instant("2016-12-31T23:59:61Z"), std::nullopt);
}

TEST(client_time, integers_are_milliseconds) {
  EXPECT_EQ(instant("0"), 0);
  EXPECT_EQ(instant("-1"), -1);
  EXPECT_EQ(instant("007"), 7);
  for (const auto* text : {"0", "-1", "-0", "007", "-007", "12"})
    EXPECT_EQ(as_sent(*parse_client_time(text)), text);
  EXPECT_EQ(client_time_from_ms(-5).form, time_form::integer_ms);
  EXPECT_EQ(as_sent(client_time_from_ms(-5)), "-5");
}

TEST(client_time, the_years_1_to_9999_are_the_limit) {
  EXPECT_EQ(instant("0001-01-01T00:00:00Z"), -62'135'596'800'000);
  EXPECT_EQ(instant("-62135596800000"), -62'135'596'800'000);
  EXPECT_EQ(instant("9999-12-31T23:59:59.999Z"), 253'402'300'799'999);
  EXPECT_EQ(instant("253402300799999"), 253'402'300'799'999);
  for (const auto* text :
       {"0000-12-31T23:59:59Z", "-62135596800001", "253402300800000", "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:00-00:01", "99999999999999999999", "-99999999999999999999"})
    EXPECT_EQ(instant(text), std::nullopt) << text;
}

TEST(client_time, refuses_what_is_neither) {
  for (const auto* text : {"",
                           "-",
                           "+1",
                           "1.5",
                           "1e3",
                           " 1",
                           "now",
                           "2010-12-01",
                           "2010-12-01T08:26Z",
                           "2010-12-01T08:26:00",
                           "2010-12-01T08:26:00.Z",
                           "2010-12-01T08:26:00,5Z",
                           "2010-12-01T08:26:00+0100",
                           "2010-12-01T08:26:00+01",
                           "2010-12-01T08:26:00+24:00",
                           "2010-12-01T08:26:00+01:60",
                           "2010-12-01T08:26:00ZZ",
                           "2010-12-01T08:26:00Z ",
                           "2010-13-01T00:00:00Z",
                           "2010-00-01T00:00:00Z",
                           "2010-02-29T00:00:00Z",
                           "2010-12-32T00:00:00Z",
                           "2010-12-00T00:00:00Z",
                           "2010-12-01T24:00:00Z",
                           "2010-12-01T08:60:00Z",
                           "2010-12-01_08:26:00Z",
                           "10-12-01T08:26:00Z",
                           "2010-1-01T08:26:00Z",
                           "+2010-12-01T08:26:00Z",
                           "-2010-12-01T08:26:00Z"})
    EXPECT_EQ(instant(text), std::nullopt) << text;
  EXPECT_EQ(instant("2012-02-29T00:00:00Z"), 1'330'473'600'000);
}

TEST(client_time, a_cut_text_is_refused_everywhere) {
  const std::string_view text = "2010-12-01T09:26:00.123+01:00";
  for (std::size_t n = 5; n < text.size(); ++n)
    EXPECT_EQ(instant(text.substr(0, n)), std::nullopt) << text.substr(0, n);
  EXPECT_TRUE(instant(text));
}

TEST(client_time, no_timestamp_is_sent_as_nothing) {
  EXPECT_EQ(as_sent(client_time{}), "");
}

TEST(client_time, reads_what_it_writes) {
  std::mt19937_64 random{1};
  std::uniform_int_distribution<std::int64_t> any{-62'135'596'800'000, 253'402'300'799'999};
  for (int i = 0; i < 100'000; ++i) {
    const auto ms = any(random);
    const auto text = format_rfc3339(time_from_ms(ms));
    const auto t = parse_client_time(text);
    ASSERT_TRUE(t) << text;
    ASSERT_EQ(to_ms(t->at), ms) << text;
    ASSERT_EQ(t->form, time_form::millis_z) << text;
    ASSERT_EQ(as_sent(*t), text);
  }
}

TEST(client_time, any_offset_names_the_same_instant) {
  std::mt19937_64 random{2};
  std::uniform_int_distribution<int> any{-1'439, 1'439};
  for (int i = 0; i < 20'000; ++i) {
    const int minutes = any(random);
    auto text = format_rfc3339(time_from_ms(noon_ms + std::int64_t{minutes} * 60'000));
    const int size = minutes < 0 ? -minutes : minutes;
    const auto two = [](int n) { return std::string(n < 10 ? "0" : "") + std::to_string(n); };
    text.replace(23, 1, (minutes < 0 ? "-" : "+") + two(size / 60) + ":" + two(size % 60));
    ASSERT_EQ(instant(text), noon_ms) << text;
  }
}

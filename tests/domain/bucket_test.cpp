#include "domain/bucket.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "domain/client_time.hpp"
#include "tests/domain/zone_oracle.hpp"

using namespace tally;
using namespace std::chrono_literals;
using std::chrono::days;
using std::chrono::seconds;
using std::chrono::sys_days;

namespace {

constexpr granularity all_widths[] = {granularity::minute, granularity::hour,  granularity::day,
                                      granularity::week,   granularity::month, granularity::quarter,
                                      granularity::year};

bucket_time at_s(std::int64_t s) {
  return bucket_time{seconds{s}};
}

/// An instant from "2010-12-01T08:26:00Z".
bucket_time utc(std::string_view text) {
  return std::chrono::floor<seconds>(parse_client_time(text)->at);
}

std::string text_of(bucket_time t) {
  auto text = format_rfc3339(t);
  return text.replace(19, 4, "");
}

std::string begin_text(const char* z, granularity g, std::string_view at) {
  return text_of(bucket_begin(*zone::find(z), g, utc(at)));
}

std::string next_text(const char* z, granularity g, std::string_view begin) {
  return text_of(bucket_next(*zone::find(z), g, utc(begin)));
}

std::string label(const char* z, granularity g, std::string_view begin) {
  return bucket_label(*zone::find(z), g, utc(begin));
}

/// The buckets around an instant against the C library's idea of local time.
struct bucket_check {
  const zone& z;
  const std::vector<std::int64_t>& changes;
  bucket_finder finder{z};

  void clock(std::int64_t t, granularity g, int width, const char* pattern) const {
    const auto begin = bucket_begin(z, g, at_s(t));
    ASSERT_EQ(to_s(begin), zone_oracle::clock_begin(t, width));
    ASSERT_EQ(bucket_begin(z, g, at_s(t) + 999ms), begin);
    const auto next = bucket_next(z, g, begin);
    ASSERT_LE(to_s(begin), t);
    ASSERT_LT(t, to_s(next));
    ASSERT_EQ(bucket_begin(z, g, begin), begin);
    ASSERT_EQ(bucket_begin(z, g, next - 1ms), begin);
    ASSERT_EQ(bucket_begin(z, g, next), next);
    char expected[32] = {};
    const auto fields = zone_oracle::local(t);
    std::strftime(expected, sizeof expected, pattern, &fields);
    ASSERT_EQ(bucket_label(z, g, begin), expected);
  }

  /// First instant of `date`, or of the next one that exists.
  [[nodiscard]] bucket_time expected_begin(sys_days date) const {
    for (;; date += days{1})
      if (const auto t = zone_oracle::date_begin(date, changes)) return at_s(*t);
  }

  void dates(std::int64_t t) const {
    const sys_days date = zone_oracle::date(t);
    ASSERT_EQ(sys_days{local_date_of(z, at_s(t))}, date);
    const auto begin = bucket_begin(z, granularity::day, at_s(t));
    ASSERT_EQ(begin, expected_begin(date));
    ASSERT_LE(to_s(begin), t);
    ASSERT_EQ(date_begin(z, date), begin);
    ASSERT_EQ(date_begin(z, date + days{1}), expected_begin(date + days{1}));
    ASSERT_EQ(bucket_begin(z, granularity::day, begin), begin);
    ASSERT_EQ(bucket_next(z, granularity::day, begin), expected_begin(date + days{1}));
    ASSERT_EQ(sys_days{local_date_of(z, begin)}, date);
    ASSERT_EQ(bucket_label(z, granularity::day, begin), format_rfc3339(date).substr(0, 10));
  }

  void calendar(std::int64_t t) const {
    const auto f = zone_oracle::local(t);
    const std::chrono::year y{f.tm_year + 1900};
    const sys_days date = zone_oracle::date(t);
    const std::pair<granularity, sys_days> firsts[] = {
        {granularity::week, date - days{(f.tm_wday + 6) % 7}},
        {granularity::month, y / (f.tm_mon + 1) / 1},
        {granularity::quarter, y / (f.tm_mon / 3 * 3 + 1) / 1},
        {granularity::year, y / 1 / 1}};
    for (const auto& [g, first] : firsts) {
      const auto begin = bucket_begin(z, g, at_s(t));
      ASSERT_EQ(begin, expected_begin(first)) << to_string(g);
      ASSERT_EQ(bucket_begin(z, g, begin), begin) << to_string(g);
      ASSERT_EQ(bucket_label(z, g, begin), format_rfc3339(first).substr(0, 10)) << to_string(g);
      const auto next = bucket_next(z, g, begin);
      ASSERT_GT(next, begin) << to_string(g);
      ASSERT_EQ(bucket_begin(z, g, next), next) << to_string(g);
    }
  }

  void instant(std::int64_t t) {
    clock(t, granularity::minute, 60, "%Y-%m-%d %H:%M:00");
    clock(t, granularity::hour, 3'600, "%Y-%m-%d %H:00:00");
    dates(t);
    const auto found = finder.find(at_s(t) + 500ms);
    ASSERT_EQ(found.minute, bucket_begin(z, granularity::minute, at_s(t)));
    ASSERT_EQ(found.hour, bucket_begin(z, granularity::hour, at_s(t)));
    ASSERT_EQ(found.day, bucket_begin(z, granularity::day, at_s(t)));
  }
};

}  // namespace

TEST(bucket, granularities_have_names) {
  for (const auto g : all_widths) EXPECT_EQ(granularity_from(to_string(g)), g);
  EXPECT_EQ(to_string(granularity::minute), "minute");
  EXPECT_EQ(to_string(granularity::year), "year");
  EXPECT_EQ(granularity_from("Day"), std::nullopt);
  EXPECT_EQ(granularity_from(""), std::nullopt);
}

TEST(bucket, begins_and_labels_are_local) {
  const auto* const at = "2010-12-01T08:26:31Z";
  EXPECT_EQ(begin_text("UTC", granularity::minute, at), "2010-12-01T08:26:00Z");
  EXPECT_EQ(begin_text("UTC", granularity::hour, at), "2010-12-01T08:00:00Z");
  EXPECT_EQ(begin_text("UTC", granularity::week, at), "2010-11-29T00:00:00Z");
  EXPECT_EQ(begin_text("UTC", granularity::quarter, at), "2010-10-01T00:00:00Z");
  EXPECT_EQ(begin_text("America/New_York", granularity::day, at), "2010-12-01T05:00:00Z");
  EXPECT_EQ(begin_text("America/New_York", granularity::year, at), "2010-01-01T05:00:00Z");
  EXPECT_EQ(begin_text("Asia/Tokyo", granularity::month, at), "2010-11-30T15:00:00Z");
  EXPECT_EQ(label("Asia/Tokyo", granularity::month, "2010-11-30T15:00:00Z"), "2010-12-01");
  EXPECT_EQ(label("UTC", granularity::hour, "2010-12-01T08:00:00Z"), "2010-12-01 08:00:00");
  EXPECT_EQ(next_text("America/New_York", granularity::month, "2010-12-01T05:00:00Z"),
            "2011-01-01T05:00:00Z");
}

TEST(bucket, hours_follow_offsets_of_half_and_quarter_hours) {
  EXPECT_EQ(begin_text("Asia/Kolkata", granularity::hour, "2020-01-01T12:15:00Z"),
            "2020-01-01T11:30:00Z");
  EXPECT_EQ(begin_text("Asia/Kathmandu", granularity::hour, "2020-01-01T12:20:00Z"),
            "2020-01-01T12:15:00Z");
  EXPECT_EQ(label("Asia/Kathmandu", granularity::hour, "2020-01-01T12:15:00Z"),
            "2020-01-01 18:00:00");
}

TEST(bucket, minutes_follow_offsets_with_seconds) {
  EXPECT_EQ(begin_text("Africa/Monrovia", granularity::minute, "1971-06-01T12:00:29Z"),
            "1971-06-01T11:59:30Z");
  EXPECT_EQ(label("Africa/Monrovia", granularity::minute, "1971-06-01T11:59:30Z"),
            "1971-06-01 11:15:00");
}

TEST(bucket, the_repeated_hour_is_two_buckets_with_one_label) {
  const auto* const z = "Europe/London";
  EXPECT_EQ(begin_text(z, granularity::hour, "2010-10-31T00:30:00Z"), "2010-10-31T00:00:00Z");
  EXPECT_EQ(begin_text(z, granularity::hour, "2010-10-31T01:30:00Z"), "2010-10-31T01:00:00Z");
  EXPECT_EQ(label(z, granularity::hour, "2010-10-31T00:00:00Z"), "2010-10-31 01:00:00");
  EXPECT_EQ(label(z, granularity::hour, "2010-10-31T01:00:00Z"), "2010-10-31 01:00:00");
  EXPECT_EQ(next_text(z, granularity::day, "2010-10-30T23:00:00Z"), "2010-11-01T00:00:00Z");
}

TEST(bucket, the_skipped_hour_is_none) {
  const auto* const z = "Europe/London";
  EXPECT_EQ(next_text(z, granularity::hour, "2010-03-28T00:00:00Z"), "2010-03-28T01:00:00Z");
  EXPECT_EQ(label(z, granularity::hour, "2010-03-28T00:00:00Z"), "2010-03-28 00:00:00");
  EXPECT_EQ(label(z, granularity::hour, "2010-03-28T01:00:00Z"), "2010-03-28 02:00:00");
}

TEST(bucket, a_change_of_half_an_hour_cuts_the_hour) {
  const auto* const z = "Australia/Lord_Howe";
  EXPECT_EQ(next_text(z, granularity::hour, "2020-04-04T14:00:00Z"), "2020-04-04T15:00:00Z");
  EXPECT_EQ(next_text(z, granularity::hour, "2020-04-04T15:00:00Z"), "2020-04-04T15:30:00Z");
  EXPECT_EQ(label(z, granularity::hour, "2020-04-04T14:00:00Z"), "2020-04-05 01:00:00");
  EXPECT_EQ(label(z, granularity::hour, "2020-04-04T15:00:00Z"), "2020-04-05 01:00:00");
}

TEST(bucket, a_day_begins_after_the_skipped_midnight) {
  EXPECT_EQ(begin_text("America/Havana", granularity::day, "2020-03-08T12:00:00Z"),
            "2020-03-08T05:00:00Z");
  EXPECT_EQ(label("America/Havana", granularity::hour, "2020-03-08T05:00:00Z"),
            "2020-03-08 01:00:00");
  EXPECT_EQ(next_text("America/Havana", granularity::day, "2020-03-08T05:00:00Z"),
            "2020-03-09T04:00:00Z");
  EXPECT_EQ(begin_text("America/Scoresbysund", granularity::day, "2023-03-26T12:00:00Z"),
            "2023-03-26T01:00:00Z");
}

TEST(bucket, a_date_on_both_sides_of_midnight_is_one_day) {
  // On 2010-11-07 at 00:01 (02:31Z) the clock of St John's went back to 23:01.
  const auto* const z = "America/St_Johns";
  EXPECT_EQ(begin_text(z, granularity::day, "2010-11-07T02:30:30Z"), "2010-11-07T02:30:00Z");
  EXPECT_EQ(begin_text(z, granularity::day, "2010-11-07T02:31:00Z"), "2010-11-06T02:30:00Z");
  EXPECT_EQ(begin_text(z, granularity::day, "2010-11-07T03:29:59Z"), "2010-11-06T02:30:00Z");
  EXPECT_EQ(begin_text(z, granularity::day, "2010-11-07T03:30:00Z"), "2010-11-07T02:30:00Z");
  EXPECT_EQ(next_text(z, granularity::day, "2010-11-06T02:30:00Z"), "2010-11-07T02:30:00Z");
  EXPECT_EQ(next_text(z, granularity::day, "2010-11-07T02:30:00Z"), "2010-11-08T03:30:00Z");
}

TEST(bucket, a_skipped_date_is_no_day) {
  const auto& samoa = *zone::find("Pacific/Apia");
  EXPECT_EQ(next_text("Pacific/Apia", granularity::day, "2011-12-29T10:00:00Z"),
            "2011-12-30T10:00:00Z");
  EXPECT_EQ(label("Pacific/Apia", granularity::day, "2011-12-30T10:00:00Z"), "2011-12-31");
  using namespace std::chrono;
  EXPECT_EQ(date_begin(samoa, 2011y / 12 / 30), date_begin(samoa, 2011y / 12 / 31));
}

TEST(bucket, days_go_on_through_the_calendar) {
  for (const auto* name : {"UTC", "America/St_Johns", "Pacific/Apia", "America/Juneau",
                           "Asia/Manila", "Pacific/Kwajalein", "America/Havana"}) {
    const auto& z = *zone::find(name);
    const bool all = name == std::string_view{"America/St_Johns"};
    auto begin = date_begin(z, std::chrono::year{all ? 1 : 1800} / 1 / 1);
    auto date = sys_days{local_date_of(z, begin)};
    while (date < sys_days{std::chrono::year{all ? 9'999 : 2100} / 12 / 25}) {
      const auto next = bucket_next(z, granularity::day, begin);
      const sys_days next_date = local_date_of(z, next);
      ASSERT_GT(next, begin) << name;
      ASSERT_GE(next_date, date + days{1}) << name;
      ASSERT_LE(next_date, date + days{2}) << name;
      begin = next;
      date = next_date;
    }
  }
}

TEST(bucket, agrees_with_the_c_library_around_every_change_of_every_zone) {
  if (!system_has_zone("Europe/London")) GTEST_SKIP() << "no tz database on this machine";
  const auto range = compared_range::of_this_machine();
  std::mt19937_64 random{1};
  std::uniform_int_distribution<std::int64_t> any{range.from, range.to - 1},
      near{-200'000, 200'000};
  std::set<const zone*> seen;
  std::size_t changes_seen = 0, corrected = 0;
  for (const auto name : zone::names()) {
    const auto* const z = zone::find(name);
    if (!system_has_zone(z->name()) || !seen.insert(z).second) continue;
    SCOPED_TRACE(z->name());
    if (disagreement(*z, range)) {
      ASSERT_LE(++corrected, corrected_zones_max()) << z->name();
      continue;
    }
    const zone_oracle oracle{z->name()};
    const auto changes = zone_oracle::changes(range);
    changes_seen += changes.size();
    std::vector<std::int64_t> instants;
    for (const auto c : changes)
      for (const auto t : {c - 1, c, c + 1, c + near(random), c + near(random) / 50})
        instants.push_back(t);
    for (int i = 0; i < 50; ++i) instants.push_back(any(random));
    bucket_check check{*z, changes};
    for (std::size_t i = 0; i < instants.size(); ++i) {
      SCOPED_TRACE(instants[i]);
      check.instant(instants[i]);
      if (i % 5 == 0) check.calendar(instants[i]);
      if (testing::Test::HasFatalFailure()) return;
    }
  }
  EXPECT_GT(changes_seen, 500U);
}

TEST(bucket, the_finder_agrees_on_any_sequence_of_instants) {
  std::mt19937_64 random{2};
  for (const auto* name : {"UTC", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia",
                           "Africa/Monrovia", "Asia/Kathmandu"}) {
    const auto& z = *zone::find(name);
    bucket_finder finder{z};
    for (int i = 0; i < 100; ++i) {
      const auto change = z.at(at_s(static_cast<std::int64_t>(random() % 2'000'000'000))).end;
      auto t = event_time{to_s(change) > instant_of(2100) ? at_s(0) : change} - 12h;
      for (int n = 0; n < 1'000; ++n) {
        t += std::chrono::milliseconds{static_cast<std::int64_t>(random() % 400'000) - 150'000};
        const auto found = finder.find(t);
        ASSERT_EQ(found.minute, bucket_begin(z, granularity::minute, t)) << name << to_ms(t);
        ASSERT_EQ(found.hour, bucket_begin(z, granularity::hour, t)) << name << to_ms(t);
        ASSERT_EQ(found.day, bucket_begin(z, granularity::day, t)) << name << to_ms(t);
      }
    }
  }
}

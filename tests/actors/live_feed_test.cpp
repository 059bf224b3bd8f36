#include "actors/live_feed.hpp"

#include <gtest/gtest.h>

#include "actors/messages.hpp"

namespace tally::actors {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class live_feed_test : public ::testing::Test {
 protected:
  static constexpr std::uint64_t offset_before = 100;

  std::shared_ptr<live_feed> make(std::uint64_t bytes_max = 1 << 20) {
    return std::make_shared<live_feed>(
        live_window::limits{}, [this] { return now; }, bytes, bytes_max, offset_before);
  }
  void add(live_feed& feed, std::uint64_t offset, const std::string& visitor = "ann") const {
    event e;
    e.name = "page_view";
    e.visitor = visitor;
    e.url = "https://shop.example/";
    e.at = now;
    feed.add(e, true, offset);
  }

  event_time now = time_from_ms(1'700'000'000'000);
  gauge bytes{0};
};

TEST_F(live_feed_test, begins_where_it_was_asked_for) {
  const auto feed = make();
  auto s = feed->look();
  EXPECT_EQ(s.offset, offset_before);
  EXPECT_EQ(s.since, now);
  EXPECT_EQ(s.as_of, now);
  EXPECT_FALSE(s.complete);
  EXPECT_EQ(s.numbers.visitors, 0u);
  now += live_span - milliseconds{1};
  EXPECT_FALSE(feed->look().complete);
  now += milliseconds{1};
  EXPECT_TRUE(feed->look().complete);
}

TEST_F(live_feed_test, counts_an_event_once_however_often_it_is_applied) {
  const auto feed = make();
  add(*feed, offset_before);  // handed out before it began
  EXPECT_EQ(feed->look().numbers.pageviews, 0u);
  add(*feed, 101);
  add(*feed, 101);
  add(*feed, 105);
  add(*feed, 103);
  const auto s = feed->look();
  EXPECT_EQ(s.numbers.pageviews, 2u);
  EXPECT_EQ(s.offset, 105u);
}

TEST_F(live_feed_test, changes_its_version_with_events_and_with_time) {
  const auto feed = make();
  const auto empty = feed->version();
  add(*feed, 101);
  const auto one = feed->version();
  EXPECT_NE(one, empty);
  now += live_span - milliseconds{1};
  EXPECT_EQ(feed->version(), one);
  now += milliseconds{1};
  const auto expired = feed->version();
  EXPECT_NE(expired, one);
  EXPECT_EQ(feed->look().numbers.visitors, 0u);
  now += live_span;
  EXPECT_EQ(feed->version(), expired);
}

TEST_F(live_feed_test, makes_its_text_once_a_second_for_all) {
  const auto feed = make();
  int made = 0;
  const auto make_text = [&](const live_snapshot& s) {
    ++made;
    return std::to_string(s.numbers.pageviews);
  };
  EXPECT_EQ(*feed->text(make_text).text, "0");
  add(*feed, 101);
  EXPECT_EQ(*feed->text(make_text).text, "0");
  now += seconds{1};
  const auto first = feed->text(make_text);
  EXPECT_EQ(*first.text, "1");
  EXPECT_EQ(first.offset, 101u);
  EXPECT_EQ(first.version, feed->version());
  now += seconds{9};
  EXPECT_EQ(feed->text(make_text).text, first.text);
  EXPECT_EQ(made, 2);
  add(*feed, 102);
  now -= seconds{60};  // a clock that was set back
  EXPECT_EQ(*feed->text(make_text).text, "2");
}

TEST_F(live_feed_test, says_until_when_all_is_in_it_while_events_are_on_their_way) {
  const auto feed = make();
  const auto meter = std::make_shared<slot_meter>();
  feed->follow(meter);
  add(*feed, 101);
  const auto added = now;
  now += seconds{3};
  EXPECT_EQ(feed->look().as_of, now);
  meter->queued = 500;
  EXPECT_EQ(feed->look().as_of, added);
  meter->queued = 0;
  EXPECT_EQ(feed->look().as_of, now);
}

TEST_F(live_feed_test, shares_the_memory_of_the_node_and_gives_it_back) {
  auto feed = make(20'000);
  auto other = make(20'000);
  for (std::uint64_t i = 1; i <= 1'000; ++i) {
    add(*feed, offset_before + i, std::to_string(i));
    now += milliseconds{1};
  }
  EXPECT_LE(bytes, 20'000);
  EXPECT_GT(bytes, 10'000);
  const auto s = feed->look();
  EXPECT_LT(s.numbers.visitors, 200u);
  EXPECT_GT(s.since, now - seconds{1});
  feed.reset();
  other.reset();
  EXPECT_EQ(bytes, 0);
}

}  // namespace
}  // namespace tally::actors

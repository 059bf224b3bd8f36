#include "domain/live_window.hpp"

#include <gtest/gtest.h>

#include <set>

namespace tally {
namespace {

constexpr event_time noon = time_from_ms(1'700'000'000'000);
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

event view(std::string_view visitor, std::string_view url, event_time at = noon) {
  event e;
  e.name = "page_view";
  e.visitor = visitor;
  e.url = url;
  e.at = at;
  return e;
}

TEST(live_window, shows_pages_and_sources_as_questions_do_and_no_query) {
  live_window w{{}};
  auto a = view("ann", "https://shop.example/a/b?mail=x@y.z&utm_source=news#top");
  a.referrer = "https://www.google.de/";
  w.add(a, true, noon);
  auto b = view("bob", "https://shop.example");
  b.referrer = "https://www.google.de/";
  w.add(b, true, noon);
  auto c = view("bob", "/relative?token=secret", noon + milliseconds{1});
  w.add(c, true, noon + milliseconds{1});
  auto d = view("", "");
  d.referrer = "https://blog.example/post";
  w.add(d, true, noon);
  const auto n = w.numbers();
  using line = live_numbers::line;
  EXPECT_EQ(n.pages, (std::vector<line>{{"/", 1, 1}, {"/a/b", 1, 1}, {"/relative", 1, 1}}));
  EXPECT_EQ(n.sources, (std::vector<line>{
                           {"", 1, 1}, {"Google", 1, 1}, {"news", 1, 1}, {"blog.example", 0, 1}}));
  EXPECT_EQ(n.last[0].page, "/relative");
}

TEST(live_window, counts_visitors_once_and_every_page_view) {
  live_window w{{}};
  auto a = view("ann", "https://s/x");
  a.country = "DE";
  EXPECT_TRUE(w.add(a, true, noon));
  EXPECT_TRUE(w.add(view("ann", "https://s/y", noon + seconds{1}), true, noon + seconds{1}));
  EXPECT_TRUE(w.add(view("bob", "https://s/x", noon + seconds{2}), true, noon + seconds{2}));
  EXPECT_TRUE(w.add(view("", "https://s/x", noon + seconds{3}), true, noon + seconds{3}));
  auto sale = view("bob", "https://s/x", noon + seconds{4});
  sale.name = "purchase";
  EXPECT_TRUE(w.add(sale, false, noon + seconds{4}));
  const auto n = w.numbers();
  EXPECT_EQ(n.visitors, 2u);
  EXPECT_EQ(n.pageviews, 4u);
  using line = live_numbers::line;
  EXPECT_EQ(n.pages, (std::vector<line>{{"/x", 2, 3}, {"/y", 1, 1}}));
  EXPECT_EQ(n.countries, (std::vector<line>{{"", 2, 3}, {"DE", 1, 1}}));
  EXPECT_EQ(n.sources, (std::vector<line>{{"", 2, 4}}));
  ASSERT_EQ(n.last.size(), 5u);
  EXPECT_EQ(n.last[0], (live_numbers::seen{"purchase", "/x", "", noon + seconds{4}}));
  EXPECT_EQ(n.last[4], (live_numbers::seen{"page_view", "/x", "DE", noon}));
}

TEST(live_window, stands_for_the_user_where_there_is_no_visitor) {
  live_window w{{}};
  auto a = view("", "/");
  a.user = "u";
  w.add(a, true, noon);
  w.add(a, true, noon);
  EXPECT_EQ(w.numbers().visitors, 1u);
}

TEST(live_window, forgets_after_five_minutes_to_the_millisecond) {
  live_window w{{}};
  EXPECT_EQ(to_ms(w.next_expiry()), std::numeric_limits<std::int64_t>::max());
  w.add(view("ann", "/"), true, noon);
  w.add(view("bob", "/", noon + seconds{9}), true, noon + seconds{9});
  EXPECT_EQ(w.next_expiry(), noon + live_span);
  EXPECT_FALSE(w.expire(noon + live_span - milliseconds{1}));
  EXPECT_EQ(w.numbers().visitors, 2u);
  EXPECT_TRUE(w.expire(noon + live_span));
  EXPECT_EQ(w.numbers().visitors, 1u);
  EXPECT_TRUE(w.expire(noon + minutes{9}));
  EXPECT_EQ(w.numbers().visitors, 0u);
  EXPECT_EQ(w.bytes(), 0u);
}

TEST(live_window, leaves_out_old_events_and_takes_those_of_the_future_for_present) {
  live_window w{{}};
  EXPECT_FALSE(w.add(view("ann", "/", noon - live_span), true, noon));
  EXPECT_TRUE(w.add(view("bob", "/", noon - live_span + milliseconds{1}), true, noon));
  EXPECT_TRUE(w.add(view("eve", "/", noon + minutes{50}), true, noon));
  EXPECT_TRUE(w.expire(noon + milliseconds{1}));
  EXPECT_EQ(w.numbers().last[0].at, noon);
  EXPECT_TRUE(w.expire(noon + live_span));
  EXPECT_EQ(w.size(), 0u);
}

TEST(live_window, keeps_to_its_limits_and_says_from_when_it_knows_all) {
  live_window w{{.events_max = 3, .bytes_max = 1 << 20}};
  for (int i = 0; i < 5; ++i)
    w.add(view(std::to_string(i), "/", noon + seconds{i}), true, noon + seconds{i});
  EXPECT_EQ(w.size(), 3u);
  EXPECT_EQ(w.dropped_until(), noon + seconds{1});
  EXPECT_EQ(w.numbers().visitors, 3u);
  live_window narrow{{.events_max = 1'000'000, .bytes_max = 100'000}};
  const std::string path(200, 'p');
  for (int i = 0; i < 5'000; ++i) narrow.add(view("v", path, noon), true, noon);
  EXPECT_LE(narrow.bytes(), 100'000u);
  EXPECT_GT(narrow.size(), 100u);
}

TEST(live_window, shows_the_ten_largest_and_the_twenty_newest) {
  live_window w{{}};
  for (int page = 0; page < 30; ++page)
    for (int visitor = 0; visitor <= page; ++visitor)
      w.add(view(std::to_string(visitor), "/" + std::to_string(100 + page), noon), true, noon);
  const auto n = w.numbers();
  EXPECT_EQ(n.visitors, 30u);
  ASSERT_EQ(n.pages.size(), live_top_max);
  for (std::size_t i = 0; i < n.pages.size(); ++i)
    EXPECT_EQ(n.pages[i], (live_numbers::line{"/" + std::to_string(129 - i), 30 - i, 30 - i}));
  EXPECT_EQ(n.last.size(), live_last_events_max);
}

TEST(live_window, agrees_with_counting_everything_again) {
  live_window w{{}};
  struct one {
    event_time at;
    std::string visitor;
  };
  std::vector<one> all;
  unsigned state = 1;
  const auto chance = [&](unsigned below) {
    state = state * 1'103'515'245 + 12'345;
    return (state >> 16) % below;
  };
  auto now = noon;
  for (int i = 0; i < 3'000; ++i) {
    now += milliseconds{chance(2'000)};
    const one e{now - seconds{chance(400)}, std::to_string(chance(50))};
    w.add(view(e.visitor, "/", e.at), true, now);
    all.push_back(e);
    if (chance(10) != 0) continue;
    w.expire(now);
    std::set<std::string> visitors;
    std::uint64_t pageviews = 0;
    for (const auto& x : all) {
      if (x.at <= now - live_span) continue;
      visitors.insert(x.visitor);
      ++pageviews;
    }
    ASSERT_EQ(w.numbers().visitors, visitors.size());
    ASSERT_EQ(w.numbers().pageviews, pageviews);
  }
}

}  // namespace
}  // namespace tally

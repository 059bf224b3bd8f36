#include "domain/logic_v1/apply.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace tally::logic_v1 {
namespace {

constexpr std::int64_t noon = 1'700'049'600'000;  // 2023-11-15T12:00:00Z
constexpr std::int64_t minute_ms = 60'000;

/// A merchant in UTC with one line per thing that happens.
class apply_test : public ::testing::Test {
 protected:
  applied at(std::int64_t ms, std::string_view name, std::string_view visitor,
             std::string_view id = {}) {
    event e;
    e.merchant = "m";
    e.name = name;
    e.visitor = visitor;
    e.id = id;
    if (!id.empty()) e.sent = client_time_from_ms(ms);
    e.at = time_from_ms(ms);
    e.received_at = time_from_ms(received ? received : ms);
    return put(e);
  }
  applied put(const event& e) {
    std::vector<slice_range> missing;
    state.ids.missing_for(e, e.received_at, missing);
    for (const auto& range : missing) state.ids.load(range, {});
    return apply(state, e, {++offset, e.received_at, "bytes"}, rules);
  }
  total_rows all_rows() const { return rolled_up(state.deltas, *state.reporting_zone); }
  traffic_row day(std::int64_t ms) {
    return all_rows().traffic.at(bucket_begin(zone::utc(), granularity::day, time_from_ms(ms)),
                                 granularity::day, 0);
  }

  merchant_state state;
  ruleset rules;
  std::uint64_t offset = 0;
  std::int64_t received = 0;
};

TEST_F(apply_test, a_merchants_event_names_are_limited_and_known_ones_go_on) {
  for (std::size_t i = 0; i < distinct_names_max; ++i)
    ASSERT_EQ(at(noon, "name-" + std::to_string(i), "a").what, effect::accepted);
  const auto over = at(noon, "one-more", "a", "id-1");
  EXPECT_EQ(over.what, effect::rejected);
  EXPECT_EQ(to_string(over.reason), "too_many_names");
  EXPECT_EQ(at(noon, "one-more", "a", "id-1").what, effect::rejected)
      << "its id was not remembered";
  EXPECT_EQ(at(noon, "name-9999", "a", "id-1").what, effect::accepted);
  EXPECT_EQ(state.counts.rejected.all().at("too_many_names"), 2);
  EXPECT_EQ(state.counts.accepted, 10'001);
  EXPECT_EQ(state.texts.count(text_kind::name), distinct_names_max);
}

TEST_F(apply_test, a_merchants_property_keys_are_limited_and_an_event_adds_all_of_its_or_none) {
  const auto with_keys = [&](std::size_t from, std::size_t to) {
    std::vector<std::string> keys;
    for (auto i = from; i < to; ++i) keys.push_back("key-" + std::to_string(i));
    event e;
    e.merchant = "m";
    e.name = "page_view";
    e.at = e.received_at = time_from_ms(noon);
    e.property_keys.assign(keys.begin(), keys.end());
    return put(e);
  };
  for (std::size_t i = 0; i + 50 < distinct_properties_max; i += 50)
    ASSERT_EQ(with_keys(i, i + 50).what, effect::accepted);
  EXPECT_EQ(with_keys(1'945, 1'999).what, effect::accepted);
  const auto over = with_keys(1'998, 2'001);
  EXPECT_EQ(over.what, effect::rejected);
  EXPECT_EQ(to_string(over.reason), "too_many_properties");
  EXPECT_EQ(state.texts.count(text_kind::property), 1'999);
  EXPECT_EQ(with_keys(1'999, 2'000).what, effect::accepted);
  EXPECT_EQ(with_keys(2'000, 2'001).what, effect::rejected);
  EXPECT_EQ(with_keys(0, 50).what, effect::accepted);
  EXPECT_EQ(state.counts.rejected.all().at("too_many_properties"), 2);
}

TEST_F(apply_test, the_bytes_of_a_merchants_texts_are_limited) {
  const std::string filler(200, 'x');
  std::size_t fit = 0;
  while (at(noon, filler + std::to_string(fit), "a").what == effect::accepted) ++fit;
  EXPECT_LT(fit, distinct_names_max);
  EXPECT_LE(state.texts.text_bytes(), distinct_bytes_max);
  EXPECT_GT(state.texts.text_bytes() + 210, distinct_bytes_max);
  EXPECT_EQ(at(noon, filler + "0", "a").what, effect::accepted);
}

TEST_F(apply_test, refused_bytes_are_kept_within_a_limit_an_hour_and_all_are_counted) {
  const auto refuse = [&](std::int64_t received_ms) {
    event e;
    e.kind = event_kind::rejected;
    e.name = "bad_amount";
    e.raw = "{";
    e.at = e.received_at = time_from_ms(received_ms);
    const std::string bytes(4'096, 'x');
    return apply(state, e, {++offset, e.received_at, bytes}, rules);
  };
  const auto fit = rejects_hour_bytes_max / 4'096;
  for (std::size_t i = 0; i < fit + 10; ++i) refuse(noon);
  EXPECT_EQ(state.rejects.size(), fit);
  EXPECT_EQ(state.counts.rejected.all().at("bad_amount"), fit + 10);
  refuse(noon + 59 * minute_ms);
  EXPECT_EQ(state.rejects.size(), fit);
  refuse(noon + 60 * minute_ms);
  EXPECT_EQ(state.rejects.size(), fit + 1);
  // An event of the hour before, received late, is counted with the newest hour.
  refuse(noon);
  EXPECT_EQ(state.rejects.size(), fit + 2);
  EXPECT_EQ(state.rejects_hour_bytes, 2 * 4'096);
}

TEST_F(apply_test, a_refusal_with_an_id_counts_once) {
  event e;
  e.kind = event_kind::rejected;
  e.name = "bad_line";
  e.id = "import-1";
  e.sent = client_time_from_ms(0);
  e.raw = "x";
  e.at = e.received_at = time_from_ms(noon);
  EXPECT_EQ(put(e).what, effect::recorded);
  EXPECT_EQ(put(e).what, effect::duplicate);
  EXPECT_EQ(state.counts.rejected.all().at("bad_line"), 1);
  EXPECT_EQ(state.counts.duplicate, 0);
}

TEST_F(apply_test, two_events_within_the_timeout_are_one_visit) {
  at(noon, "page_view", "a");
  at(noon + 30 * minute_ms, "page_view", "a");
  EXPECT_EQ(day(noon).visits, 1);
  EXPECT_EQ(day(noon).bounces, 0);
  EXPECT_EQ(day(noon).visit_ms, 30 * minute_ms);
  EXPECT_EQ(day(noon).visit_pageviews, 2);
}

TEST_F(apply_test, a_gap_over_the_timeout_makes_two_visits_of_which_both_bounce) {
  at(noon, "page_view", "a");
  at(noon + 30 * minute_ms + 1, "page_view", "a");
  EXPECT_EQ(day(noon).visits, 2);
  EXPECT_EQ(day(noon).bounces, 2);
}

TEST_F(apply_test, a_late_event_between_two_visits_joins_them) {
  at(noon, "page_view", "a");
  at(noon + 50 * minute_ms, "purchase", "a");
  EXPECT_EQ(day(noon).visits, 2);
  at(noon + 25 * minute_ms, "add_to_cart", "a");
  EXPECT_EQ(day(noon).visits, 1);
  EXPECT_EQ(day(noon).with_cart, 1);
  EXPECT_EQ(day(noon).with_purchase, 1);
  EXPECT_EQ(day(noon).abandoned, 0);
  EXPECT_EQ(day(noon).visit_ms, 50 * minute_ms);
}

TEST_F(apply_test, an_event_over_six_hours_behind_is_late_and_in_no_visit) {
  at(noon, "page_view", "a");
  const auto late = at(noon - 6 * 60 * minute_ms - 1, "page_view", "b");
  EXPECT_TRUE(late.late);
  EXPECT_EQ(day(noon).visits, 1);
  EXPECT_EQ(day(noon).pageviews, 2);
  EXPECT_EQ(day(noon).visitors.estimate(), 2u);
  EXPECT_EQ(state.counts.late, 1);
}

TEST_F(apply_test, the_same_id_and_timestamp_count_once_another_timestamp_is_another_event) {
  EXPECT_EQ(at(noon, "page_view", "a", "x").what, effect::accepted);
  EXPECT_EQ(at(noon, "page_view", "a", "x").what, effect::duplicate);
  EXPECT_EQ(at(noon + 1, "page_view", "a", "x").what, effect::accepted);
  EXPECT_EQ(state.counts.accepted, 2);
  EXPECT_EQ(state.counts.duplicate, 1);
}

TEST_F(apply_test, an_offset_applied_before_changes_nothing) {
  at(noon, "page_view", "a");
  const auto before = state.digest;
  event e;
  e.merchant = "m";
  e.name = "page_view";
  e.at = e.received_at = time_from_ms(noon);
  EXPECT_EQ(apply(state, e, {offset, e.at, "bytes"}, rules).what, effect::repeated);
  EXPECT_EQ(state.digest, before);
  EXPECT_EQ(day(noon).events, 1);
}

TEST_F(apply_test, a_refund_counts_on_its_own_day_and_a_purchase_sums_its_items) {
  event e;
  e.merchant = "m";
  e.name = "purchase";
  e.user = "u";
  e.has_order = true;
  e.order.items.resize(2);
  e.order.items[0].quantity = money{6'000'000};
  e.order.items[0].price = money{2'550'000};
  e.order.items[1].price = money{500'000};
  e.order.discount = money{1'000'000};
  e.at = e.received_at = time_from_ms(noon);
  put(e);
  e.name = "refund";
  e.order.items.clear();
  e.order.amount = money{2'550'000};
  e.at = e.received_at = time_from_ms(noon + 24 * 60 * minute_ms);
  put(e);
  const auto first = all_rows().commerce.at(
      bucket_begin(zone::utc(), granularity::day, time_from_ms(noon)), granularity::day, 0);
  EXPECT_EQ(first.orders, 1);
  EXPECT_EQ(first.gross_sales, 15'800'000);
  EXPECT_EQ(first.units, 7'000'000);
  EXPECT_EQ(first.discounts, 1'000'000);
  EXPECT_EQ(first.refunds, 0);
  EXPECT_EQ(first.customers.estimate(), 1u);
  const auto second = all_rows().commerce.at(bucket_begin(zone::utc(), granularity::day, e.at),
                                             granularity::day, 0);
  EXPECT_EQ(second.orders, 0);
  EXPECT_EQ(second.refunds, 2'550'000);
}

TEST_F(apply_test, settings_take_effect_only_before_the_first_event) {
  event e;
  e.kind = event_kind::settings;
  e.merchant = "m";
  e.title = "Europe/London";
  e.has_order = true;
  e.order.currency = "GBP";
  put(e);
  EXPECT_EQ(state.currency, "GBP");
  at(noon, "page_view", "a");
  e.order.currency = "EUR";
  put(e);
  EXPECT_EQ(state.currency, "GBP");
}

TEST_F(apply_test, rejected_events_are_counted_by_code_and_kept) {
  event e;
  e.kind = event_kind::rejected;
  e.merchant = "m";
  e.name = "bad_amount";
  e.raw = "{}";
  e.count = 3;
  e.at = e.received_at = time_from_ms(noon);
  put(e);
  EXPECT_EQ(state.counts.rejected["bad_amount"], 3);
  EXPECT_EQ(state.rejects.size(), 1u);
  EXPECT_EQ(day(noon).events, 0);
}

/// What one visitor's timely events come to: sorted and cut, as a scan does it.
struct expected_visit {
  std::int64_t begin = 0, end = 0, pageviews = 0;
};

std::vector<expected_visit> cut(std::vector<std::pair<std::int64_t, bool>> events,
                                std::int64_t timeout_ms) {
  std::sort(events.begin(), events.end());
  std::vector<expected_visit> visits;
  for (const auto& [at, is_view] : events) {
    if (visits.empty() || at - visits.back().end > timeout_ms) visits.push_back({at, at, 0});
    visits.back().end = at;
    visits.back().pageviews += is_view;
  }
  return visits;
}

TEST_F(apply_test, visits_equal_a_sort_and_a_cut_for_any_order_of_arrival) {
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    std::mt19937 random{seed};
    state = merchant_state{};
    offset = 0;
    std::map<std::string, std::vector<std::pair<std::int64_t, bool>>> timely;
    std::int64_t newest = noon;
    for (int i = 0; i < 120; ++i) {
      newest += random() % (20 * minute_ms);
      const auto when = newest - static_cast<std::int64_t>(random() % (7 * 60 * minute_ms));
      const auto who = "v" + std::to_string(random() % 4);
      const bool is_view = random() % 3 != 0;
      at(newest, "engagement", {});  // moves the newest event time, belongs to no visitor
      const auto done = at(when, is_view ? "page_view" : "custom", who);
      if (!done.late) timely[who].emplace_back(when, is_view);
    }
    std::int64_t visits = 0, views = 0, length = 0;
    for (const auto& [who, events] : timely)
      for (const auto& v : cut(events, 30 * minute_ms)) {
        ++visits;
        views += v.pageviews;
        length += v.end - v.begin;
      }
    traffic_row sum;
    const auto rows = all_rows();
    for (const auto& e : rows.traffic.entries())
      if (e.width() == granularity::day) merge(sum, e.row);
    ASSERT_EQ(sum.visits, visits) << "seed " << seed;
    ASSERT_EQ(sum.visit_pageviews, views) << "seed " << seed;
    ASSERT_EQ(sum.visit_ms, length) << "seed " << seed;
  }
}

// Changes are kept in small numbers: where they do not suffice, one row is kept in several.
TEST_F(apply_test, a_row_takes_any_number_of_changes_between_snapshots) {
  constexpr int many = 100'000;
  for (int i = 0; i < many; ++i) {
    at(noon + i % 1'000, "page_view", "a");
    if (i % 100 == 0)
      for (int minute = 1; minute < 20; ++minute) at(noon + minute * minute_ms, "search", "b");
  }
  const auto sum = day(noon);
  EXPECT_EQ(sum.events, many + many / 100 * 19);
  EXPECT_EQ(sum.pageviews, many);
  EXPECT_EQ(sum.visits, 2);
  EXPECT_EQ(sum.bounces, 0);
  EXPECT_EQ(sum.visit_pageviews, many);
  EXPECT_EQ(sum.visit_ms, 999 + 18 * minute_ms);
  auto rows = all_rows();
  auto& minute =
      rows.traffic.at(bucket_time{std::chrono::seconds{noon / 1'000}}, granularity::minute, 0);
  EXPECT_EQ(minute.events, many);
  EXPECT_EQ(minute.visitors.estimate(), 1);
}

// There are hundreds of thousands of such states on a node.
TEST_F(apply_test, a_small_state_is_small) {
  received = noon + 60 * minute_ms;
  for (int i = 0; i < 10; ++i)
    at(noon + i * 6 * minute_ms, "page_view", "v" + std::to_string(i % 3), "e" + std::to_string(i));
  EXPECT_EQ(state.visits.size(), 3U);
  EXPECT_LE(sizeof state + state.heap_bytes(), 2'400U);
}

// What is written of a change must be what counting it in every width would have given.
TEST_F(apply_test, rows_of_every_width_have_the_events_of_their_bucket) {
  for (const auto* name : {"UTC", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns"}) {
    const auto& z = *zone::find(name);
    state = {};
    state.set_reporting(z, name, "USD");
    std::mt19937_64 random{3};
    std::map<std::pair<granularity, bucket_time>, std::int64_t> expected;
    const auto end = noon + 400L * 24 * 60 * minute_ms;
    at(end, "page_view", "last");
    std::vector<std::int64_t> times{end};
    for (int i = 0; i < 3'000; ++i) {
      const auto back = random() % 2 == 0 ? 3 : 400;
      times.push_back(end - static_cast<std::int64_t>(random() % (back * 24UL * 60 * minute_ms)));
      at(times.back(), "page_view", "v" + std::to_string(random() % 50));
    }
    for (const auto t : times)
      for (const auto g : {granularity::minute, granularity::hour, granularity::day}) {
        const auto begin = bucket_begin(z, g, time_from_ms(t));
        if (g != granularity::minute || begin >= state.minute_horizon()) ++expected[{g, begin}];
      }
    const auto rows = all_rows();
    std::map<std::pair<granularity, bucket_time>, std::int64_t> counted, by_name;
    for (const auto& e : rows.traffic.entries())
      if (e.row.events != 0) counted[{e.width(), e.begin()}] = e.row.events;
    for (const auto& e : rows.names.entries()) by_name[{e.width(), e.begin()}] = e.row.events;
    EXPECT_EQ(counted, expected) << name;
    EXPECT_EQ(by_name, expected) << name;
  }
}

}  // namespace
}  // namespace tally::logic_v1

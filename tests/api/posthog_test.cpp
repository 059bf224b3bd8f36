#include "api/posthog.hpp"

#include <gtest/gtest.h>

#include "tests/api/foreign_samples.hpp"

namespace tally::api {
namespace {

struct posthog_test : ::testing::Test {
  foreign_reading send(std::string body) {
    return sample.read(parse_posthog, std::move(body), {}, "/batch/");
  }
  foreign_reading send_one(const std::string& fields) {
    return send(R"({"api_key":"phc_shop",)" + fields + "}");
  }
  foreign_sample sample;
};

TEST_F(posthog_test, reads_a_batch_of_the_node_client) {
  const auto r = send(R"({"api_key":"phc_shop","sent_at":"2010-12-01T11:00:05.000Z","batch":[
      {"distinct_id":"u1","event":"Signup","library":"posthog-node","uuid":"id-1",
       "timestamp":"2010-12-01T11:00:00.000Z",
       "properties":{"plan":"gold","$lib":"posthog-node","$is_server":true}},
      {"distinct_id":"u1","event":"$pageview","uuid":"id-2",
       "properties":{"$current_url":"https://shop.example/","$referrer":"$direct",
                     "$session_id":"s","$screen_width":3,"$screen_height":4}}]})");
  ASSERT_EQ(r.got->events.size(), 2u) << r.refused();
  EXPECT_EQ(r.reply.status, 200u);
  EXPECT_EQ(r.reply.body, R"({"status":1})");
  const auto& e = r.got->events[0];
  EXPECT_EQ(e.merchant, "shop");
  EXPECT_EQ(e.name, "Signup");
  EXPECT_EQ(e.id, "id-1");
  EXPECT_EQ(e.visitor, "u1");
  EXPECT_EQ(e.user, "");
  EXPECT_EQ(as_sent(e.sent), "2010-12-01T11:00:00.000Z");
  EXPECT_EQ(format_rfc3339(e.at), "2010-12-01T11:59:55.000Z");
  EXPECT_EQ(e.props, "\x81\xa4plan\xa4gold");
  EXPECT_EQ(r.got->events[1].name, "page_view");
  EXPECT_EQ(r.got->events[1].url, "https://shop.example/");
  EXPECT_EQ(r.got->events[1].referrer, "");
  EXPECT_EQ(r.got->events[1].session, "s");
  EXPECT_EQ(r.got->events[1].screen, "3x4");
}

TEST_F(posthog_test, leaves_old_times_as_they_are_in_a_migration) {
  const auto r = send(R"({"api_key":"phc_shop","historical_migration":true,
      "sent_at":"2010-12-01T11:00:05Z","batch":[
      {"distinct_id":"u","event":"x","timestamp":"2009-01-01T00:00:00Z"}]})");
  EXPECT_EQ(format_rfc3339(r.only().at), "2009-01-01T00:00:00.000Z");
}

TEST_F(posthog_test, joins_a_visitor_and_a_user) {
  const auto r = send_one(R"("event":"$identify","distinct_id":"u1",
      "properties":{"$anon_distinct_id":"a1","$set":{"plan":"gold"}})");
  EXPECT_EQ(r.only().kind, event_kind::identify);
  EXPECT_EQ(r.only().visitor, "a1");
  EXPECT_EQ(r.only().user, "u1");
  EXPECT_EQ(r.only().props, "\x81\xa4plan\xa4gold");
  const auto later = send_one(
      R"("event":"x","distinct_id":"u1","properties":{"$device_id":"a1","$is_identified":true})");
  EXPECT_EQ(later.only().visitor, "a1");
  EXPECT_EQ(later.only().user, "u1");
}

TEST_F(posthog_test, reads_commerce_events_as_segment_names_them) {
  const auto r = send_one(R"("event":"Order Completed","distinct_id":"u","properties":{
      "order_id":"7","total":"27.5","currency":"gbp","$lib":"x","plan":"gold",
      "products":[{"product_id":"p","price":2.5,"quantity":11}]})");
  const auto& e = r.only();
  EXPECT_EQ(e.name, "purchase");
  EXPECT_EQ(e.id, "order:7");
  EXPECT_EQ(e.order.total, money{27'500'000});
  EXPECT_EQ(e.order.currency, "GBP");
  ASSERT_EQ(e.order.items.size(), 1u);
  EXPECT_EQ(e.props, "\x81\xa4plan\xa4gold");
}

TEST_F(posthog_test, takes_single_events_and_lists_with_the_key_inside) {
  EXPECT_EQ(send_one(R"("event":"x","distinct_id":"u")").only().visitor, "u");
  const auto r = send(R"([{"event":"a","properties":{"token":"phc_shop","distinct_id":"u"}},
                          {"event":"b","properties":{"token":"phc_none"}}])");
  EXPECT_EQ(r.only().name, "a");
  EXPECT_EQ(r.only().visitor, "u");
}

TEST_F(posthog_test, refuses_what_it_cannot_use) {
  EXPECT_EQ(send(R"({"api_key":"phc_none","batch":[{"event":"x"}]})").reply.status, 401u);
  EXPECT_EQ(send(R"({"event":"x"})").reply.status, 401u);
  for (const auto* body : {"", "{", "7", "[7", R"({"api_key":"phc_shop","batch":{}})"})
    EXPECT_EQ(send(body).reply.status, 400u) << body;
  const auto r = send(R"({"api_key":"phc_shop","batch":[7,{"event":""},
      {"event":"x","properties":[]},{"event":"x","timestamp":"soon"},
      {"event":"x","timestamp":"1969-12-31T00:00:00Z"},{"event":"good"}]})");
  EXPECT_EQ(r.reply.status, 200u);
  EXPECT_EQ(r.only().name, "good");
  EXPECT_EQ(r.got->batch.rejected.size(), 5u);
}

}  // namespace
}  // namespace tally::api

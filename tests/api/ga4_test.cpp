#include "api/ga4.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/api/foreign_samples.hpp"

namespace tally::api {
namespace {

using nlohmann::json;

struct ga4_test : ::testing::Test {
  foreign_reading send(const std::string& body, std::string_view path = "/mp/collect",
                       std::string_view query = "measurement_id=G-SHOP&api_secret=s") {
    return sample.read(parse_ga4, body, query, path);
  }
  foreign_reading send_event(const std::string& name, const std::string& params) {
    return send(R"({"client_id":"c.1","user_id":"u","events":[{"name":")" + name +
                R"(","params":)" + params + "}]}");
  }
  json check(const std::string& body) {
    return json::parse(send(body, "/debug/mp/collect").reply.body)["validationMessages"];
  }
  foreign_reading collect(std::string_view query, std::string body = {}) {
    return sample.read(parse_gtag, std::move(body), query, "/g/collect");
  }
  foreign_sample sample;
};

TEST_F(ga4_test, reads_a_page_view) {
  const auto r = send_event("page_view", R"({"session_id":"s1","page_location":"https://shop/a",
      "page_referrer":"https://r/","page_title":"T","language":"en-gb","screen_resolution":"1x2",
      "engagement_time_msec":100})");
  const auto& e = r.only();
  EXPECT_EQ(r.reply.status, 204u);
  EXPECT_EQ(r.reply.body, "");
  EXPECT_EQ(e.merchant, "shop");
  EXPECT_EQ(e.name, "page_view");
  EXPECT_EQ(e.visitor, "c.1");
  EXPECT_EQ(e.user, "u");
  EXPECT_EQ(e.session, "s1");
  EXPECT_EQ(e.url, "https://shop/a");
  EXPECT_EQ(e.referrer, "https://r/");
  EXPECT_EQ(e.title, "T");
  EXPECT_EQ(e.language, "en-GB");
  EXPECT_EQ(e.screen, "1x2");
  EXPECT_EQ(e.props,
            "\x81\xb4"
            "engagement_time_msec\x64");
}

TEST_F(ga4_test, reads_a_purchase) {
  const auto r = send_event("purchase", R"({"transaction_id":"o1","value":25.5,"currency":"usd",
      "tax":2,"shipping":3.5,"coupon":"X","plan":"gold","items":[{"item_id":"i1","item_name":"N",
      "item_category":"C","item_brand":"B","item_variant":"V","price":12.75,"quantity":2,
      "index":0}]})");
  const auto& e = r.only();
  EXPECT_EQ(e.id, "order:o1");
  EXPECT_EQ(e.order.id, "o1");
  EXPECT_EQ(e.order.currency, "USD");
  EXPECT_EQ(e.order.tax, money{2'000'000});
  EXPECT_EQ(e.order.shipping, money{3'500'000});
  EXPECT_EQ(e.order.coupon, "X");
  EXPECT_FALSE(e.order.subtotal);
  ASSERT_EQ(e.order.items.size(), 1u);
  EXPECT_EQ(e.order.items[0].id, "i1");
  EXPECT_EQ(e.order.items[0].name, "N");
  EXPECT_EQ(e.order.items[0].category, "C");
  EXPECT_EQ(e.order.items[0].brand, "B");
  EXPECT_EQ(e.order.items[0].variant, "V");
  EXPECT_EQ(e.order.items[0].price, money{12'750'000});
  EXPECT_EQ(e.order.items[0].quantity, money{2'000'000});
  EXPECT_EQ(e.props, "\x81\xa4plan\xa4gold");
}

TEST_F(ga4_test, takes_the_value_where_no_item_has_a_price) {
  const auto sale = send_event("purchase", R"({"value":25.5,"items":[{"item_id":"i1"}]})");
  EXPECT_EQ(sale.only().order.subtotal, money{25'500'000});
  EXPECT_TRUE(sale.only().order.items.empty());
  const auto refund = send_event("refund", R"({"transaction_id":"o1","value":5})");
  EXPECT_EQ(refund.only().order.amount, money{5'000'000});
  EXPECT_EQ(send_event("begin_checkout", "{}").only().name, "checkout");
}

TEST_F(ga4_test, takes_times_of_the_last_72_hours) {
  const auto at = [this](const std::string& micros) {
    return send(R"({"client_id":"c","timestamp_micros":)" + micros +
                R"(,"events":[{"name":"x"}]})");
  };
  EXPECT_EQ(at("\"1291204700123456\"").only().at, time_from_ms(1'291'204'700'123));
  EXPECT_EQ(at("1290000000000000").refused(), "bad_at timestamp_micros: is more than 72 hours ago");
  EXPECT_EQ(at("1291304800000000").got->batch.rejected.size(), 1u);
  const auto own = send(R"({"client_id":"c","timestamp_micros":1,"events":[
      {"name":"x","timestamp_micros":1291204700000000}]})");
  EXPECT_EQ(own.only().at, time_from_ms(1'291'204'700'000));
}

TEST_F(ga4_test, answers_204_whatever_comes) {
  for (const auto* body : {"", "{", "[]", "{}", R"({"events":7})", R"({"events":[7]})"})
    EXPECT_EQ(send(body).reply.status, 204u) << body;
  const auto body = R"({"client_id":"c","events":[{"name":"x"}]})";
  for (const auto* query : {"", "measurement_id=G-OTHER", "measurement_id="}) {
    const auto r = send(body, "/mp/collect", query);
    EXPECT_EQ(r.reply.status, 204u);
    EXPECT_EQ(r.got->batch.count, 0u);
  }
  std::string many = R"({"client_id":"c","events":[)";
  for (int i = 0; i < 27; ++i) many += R"({"name":"x"},)";
  many.back() = ']';
  const auto r = send(many + "}");
  EXPECT_EQ(r.got->events.size(), 25u);
  EXPECT_EQ(r.refused(), "too_many_events a request holds at most 25 events");
}

TEST_F(ga4_test, explains_what_is_wrong_and_stores_nothing_when_debugging) {
  const auto good = R"({"client_id":"c","events":[{"name":"x"}]})";
  EXPECT_EQ(check(good), json::array());
  EXPECT_EQ(send(good, "/debug/mp/collect").got->batch.count, 0u);
  EXPECT_EQ(check("{")[0]["validationCode"], "VALUE_INVALID");
  const auto messages = check(R"({"events":[{"name":"1x"}]})");
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0]["fieldPath"], "client_id");
  EXPECT_EQ(messages[0]["validationCode"], "VALUE_REQUIRED");
  EXPECT_EQ(messages[1]["fieldPath"], "events[0]");
  EXPECT_EQ(messages[1]["validationCode"], "NAME_INVALID");
}

TEST_F(ga4_test, reads_what_the_browser_sends) {
  const auto r = collect(
      "v=2&tid=G-SHOP&cid=1.2&sid=9&uid=u&ul=en-us&sr=1920x1080&dt=T&dr=https%3A%2F%2Fr%2F"
      "&dl=https%3A%2F%2Fshop.example%2Fa%20b&en=purchase&ep.transaction_id=o1&epn.value=25.5"
      "&cu=USD&ep.plan=gold+x&pr1=idp1~nmShirt~pr12.75~qt2~&pr2=idp2~pr1");
  const auto& e = r.only();
  EXPECT_EQ(r.reply.status, 204u);
  EXPECT_EQ(e.name, "purchase");
  EXPECT_EQ(e.visitor, "1.2");
  EXPECT_EQ(e.session, "9");
  EXPECT_EQ(e.user, "u");
  EXPECT_EQ(e.url, "https://shop.example/a b");
  EXPECT_EQ(e.title, "T");
  EXPECT_EQ(e.id, "order:o1");
  ASSERT_EQ(e.order.items.size(), 2u);
  EXPECT_EQ(e.order.items[0].id, "p1");
  EXPECT_EQ(e.order.items[0].name, "Shirt");
  EXPECT_EQ(e.order.items[0].price, money{12'750'000});
  EXPECT_EQ(e.order.items[0].quantity, money{2'000'000});
  EXPECT_EQ(e.order.items[1].price, money{1'000'000});
  EXPECT_EQ(e.props, "\x81\xa4plan\xa6gold x");
}

TEST_F(ga4_test, reads_an_event_a_line) {
  const auto r = collect("v=2&tid=G-SHOP&cid=1.2&dl=https://shop/",
                         "en=page_view\r\nen=scroll&epn.percent=90&cid=3.4\n\n");
  ASSERT_EQ(r.got->events.size(), 2u);
  EXPECT_EQ(r.got->events[0].name, "page_view");
  EXPECT_EQ(r.got->events[0].url, "https://shop/");
  EXPECT_EQ(r.got->events[0].visitor, "1.2");
  EXPECT_EQ(r.got->events[1].name, "scroll");
  EXPECT_EQ(r.got->events[1].visitor, "3.4");
  EXPECT_EQ(collect("tid=G-NONE&en=x").got->batch.count, 0u);
  EXPECT_EQ(collect("tid=G-SHOP").refused(), "bad_name name: has 0 bytes, must have 1 to 200");
}

}  // namespace
}  // namespace tally::api

#include "api/plausible.hpp"

#include <gtest/gtest.h>

#include "domain/shard.hpp"
#include "tests/api/foreign_samples.hpp"

namespace tally::api {
namespace {

struct plausible_test : ::testing::Test {
  foreign_reading send(std::string body) { return sample.read(parse_plausible, std::move(body)); }
  foreign_sample sample;
};

TEST_F(plausible_test, reads_a_pageview_of_the_tracker) {
  const auto r = send(R"({"n":"pageview","v":31,"u":"https://shop.example/a?utm_source=x#top",
      "d":"shop.example","r":"https://search.example/","p":{"plan":"gold"}})");
  const auto& e = r.only();
  EXPECT_EQ(r.reply.status, 202u);
  EXPECT_EQ(r.reply.body, "ok");
  EXPECT_EQ(r.header("x-plausible-dropped"), "");
  EXPECT_EQ(e.merchant, "shop");
  EXPECT_EQ(e.name, "page_view");
  EXPECT_EQ(e.url, "https://shop.example/a?utm_source=x");
  EXPECT_EQ(e.referrer, "https://search.example/");
  EXPECT_EQ(e.props, "\x81\xa4plan\xa4gold");
  EXPECT_EQ(e.agent, "header agent");
  EXPECT_EQ(e.network, "203.0.113.0/24");
  EXPECT_EQ(e.origin, id_origin::minted);
  EXPECT_EQ(e.at, sample_now);
  EXPECT_EQ(e.visitor.size(), 16u);
  EXPECT_EQ(e.visitor,
            send(R"({"n":"x","u":"https://a.example/","d":"shop.example"})").only().visitor);
}

TEST_F(plausible_test, reads_the_older_clients_props_and_revenue_in_text) {
  const auto r = send(R"({"n":"Purchase","u":"https://shop.example/#/thanks","d":"shop.example",
      "r":null,"w":1280,"h":1,"p":"{\"order_id\":\"7\",\"gift\":true,\"note\":\" \"}",
      "$":"{\"currency\":\"gbp\",\"amount\":\"12.50\"}"})");
  const auto& e = r.only();
  EXPECT_EQ(e.name, "purchase");
  EXPECT_EQ(e.id, "order:7");
  EXPECT_EQ(e.url, "https://shop.example/#/thanks");
  EXPECT_TRUE(e.has_order);
  EXPECT_EQ(e.order.id, "7");
  EXPECT_EQ(e.order.currency, "GBP");
  EXPECT_EQ(e.order.total, money{12'500'000});
  EXPECT_EQ(e.props,
            "\x82\xa8order_id\xa1"
            "7\xa4gift\xc3");
}

TEST_F(plausible_test, ignores_revenue_that_cannot_be_read) {
  for (const auto* revenue : {R"({"currency":"pounds","amount":1})", R"({"amount":1})", "7",
                              R"({"currency":"GBP","amount":"a lot"})", R"("no json")"}) {
    const auto r = send(R"({"name":"Signup","url":"https://shop.example/","domain":"shop.example",
        "revenue":)" + std::string{revenue} +
                        "}");
    EXPECT_FALSE(r.only().has_order) << revenue;
  }
}

TEST_F(plausible_test, makes_an_event_for_each_site_and_counts_unknown_ones) {
  const auto r = send(R"({"n":"pageview","u":"https://x.example/",
      "d":"shop.example, Other.example,nobody.example"})");
  ASSERT_EQ(r.got->events.size(), 2u);
  EXPECT_EQ(r.got->events[0].merchant, "shop");
  EXPECT_EQ(r.got->events[1].merchant, "other");
  EXPECT_NE(r.got->events[0].visitor, r.got->events[1].visitor);
  EXPECT_EQ(r.got->batch.events[1].merchant_hash, merchant_hash("other"));
  EXPECT_EQ(r.reply.status, 202u);
  EXPECT_EQ(r.header("x-plausible-dropped"), "1");
}

TEST_F(plausible_test, takes_the_site_from_the_url_where_no_domain_is_named) {
  EXPECT_EQ(send(R"({"n":"x","u":"https://www.Shop.example:8080/a"})").only().merchant, "shop");
}

TEST_F(plausible_test, answers_engagement_without_keeping_it) {
  const auto r = send(R"({"n":"engagement","u":"https://a/","d":"shop.example","sd":70,"e":900})");
  EXPECT_EQ(r.reply.status, 202u);
  EXPECT_EQ(r.got->batch.count, 0u);
}

TEST_F(plausible_test, names_the_field_that_is_wrong) {
  const std::string ok = R"(,"d":"shop.example"})";
  const std::pair<std::string, std::string> cases[] = {
      {R"({"u":"https://a/")" + ok, R"({"errors":{"event_name":["event_name: can't be blank"]}})"},
      {R"({"n":"x")" + ok, R"({"errors":{"url":["url: is required"]}})"},
      {R"({"n":"x","u":"data:text/html,x")" + ok,
       R"({"errors":{"url":["url: scheme is not allowed"]}})"},
      {R"({"n":"x","u":")" + std::string(2'001, 'u') + '"' + ok,
       R"({"errors":{"url":["url: must be at most 2000 bytes"]}})"},
      {R"({"n":")" + std::string(121, 'n') + R"(","u":"https://a/")" + ok,
       R"({"errors":{"event_name":["event_name: must have at most 120 characters"]}})"},
      {R"({"n":"x","u":"https://a/","p":{"a":{}})" + ok,
       R"({"errors":{"props":["props: values must be text, numbers or booleans"]}})"},
      {R"({"n":"x","u":"https://a/","p":{"a":")" + std::string(2'001, 'v') + "\"}" + ok,
       R"({"errors":{"props":["props: a value is longer than 2000 bytes"]}})"},
      {R"({"n":"x","u":"mailto:x"})", R"({"errors":{"domain":["domain: is missing"]}})"}};
  for (const auto& [body, errors] : cases) {
    const auto r = send(body);
    EXPECT_EQ(r.reply.status, 400u) << body;
    EXPECT_EQ(r.reply.body, errors);
    EXPECT_TRUE(r.got->events.empty());
  }
  EXPECT_EQ(send(cases[0].first).refused(), "missing_name event_name: can't be blank");
  for (const auto* body : {"", "  ", "[]", "{", "name=x"}) EXPECT_EQ(send(body).reply.status, 400u);
}

}  // namespace
}  // namespace tally::api

#include "api/umami.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/api/foreign_samples.hpp"

namespace tally::api {
namespace {

using nlohmann::json;
const std::string site = R"("website":"94DB1CB1-74F4-4a40-ad6c-962362670409")";

struct umami_test : ::testing::Test {
  foreign_reading send(const std::string& payload, const std::string& type = "event") {
    return sample.read(parse_umami, R"({"type":")" + type + R"(","payload":{)" + payload + "}}", {},
                       "/api/send");
  }
  foreign_sample sample;
};

TEST_F(umami_test, reads_a_page_view_of_the_tracker) {
  const auto r = send(site + R"(,"screen":"1920x1080","language":"en-GB","title":"Shop",
      "hostname":"shop.example","url":"/a?utm_source=x","referrer":"https://r.example/",
      "tag":"b1")");
  const auto& e = r.only();
  EXPECT_EQ(e.merchant, "shop");
  EXPECT_EQ(e.name, "page_view");
  EXPECT_EQ(e.url, "https://shop.example/a?utm_source=x");
  EXPECT_EQ(e.referrer, "https://r.example/");
  EXPECT_EQ(e.title, "Shop");
  EXPECT_EQ(e.language, "en-GB");
  EXPECT_EQ(e.screen, "1920x1080");
  EXPECT_EQ(e.extra,
            "\x81\xa3tag\xa2"
            "b1");
  EXPECT_EQ(e.visitor.size(), 16u);
  EXPECT_EQ(e.user, "");
  EXPECT_EQ(r.reply.status, 200u);
  const auto answer = json::parse(r.reply.body);
  EXPECT_EQ(answer["sessionId"].get<std::string>().size(), 36u);
  EXPECT_EQ(answer["visitId"].get<std::string>().size(), 36u);
  EXPECT_NE(answer["sessionId"], answer["visitId"]);
  EXPECT_EQ(answer, json::parse(send(site).reply.body)) << "the same visitor in the same hour";
}

TEST_F(umami_test, reads_a_sale) {
  const auto r = send(site + R"(,"name":"Purchase","url":"https://shop.example/","id":"u1",
      "data":{"revenue":12.5,"currency":"eur","order_id":9})");
  const auto& e = r.only();
  EXPECT_EQ(e.name, "purchase");
  EXPECT_EQ(e.user, "u1");
  EXPECT_EQ(e.id, "order:9");
  EXPECT_EQ(e.order.total, money{12'500'000});
  EXPECT_EQ(e.order.currency, "EUR");
}

TEST_F(umami_test, reads_an_identify_call) {
  const auto r = send(site + R"(,"id":"u1","data":{"plan":"gold"})", "identify");
  EXPECT_EQ(r.only().kind, event_kind::identify);
  EXPECT_EQ(r.only().user, "u1");
  EXPECT_EQ(r.only().props, "\x81\xa4plan\xa4gold");
}

TEST_F(umami_test, answers_measurements_without_keeping_them) {
  const auto r = send(site + R"(,"lcp":1200)", "performance");
  EXPECT_EQ(r.reply.status, 200u);
  EXPECT_EQ(r.got->batch.count, 0u);
}

TEST_F(umami_test, believes_address_agent_and_time_of_a_platform_key_only) {
  const auto payload =
      site + R"(,"ip":"198.51.100.7","userAgent":"other agent","timestamp":1291190000)";
  const auto open = send(payload);
  EXPECT_EQ(open.only().agent, "header agent");
  EXPECT_EQ(open.only().network, "203.0.113.0/24");
  EXPECT_EQ(open.only().at, sample_now);
  EXPECT_EQ(open.only().sent.form, time_form::none);
  sample.key = sample.platform_key;
  const auto trusted = send(payload);
  EXPECT_EQ(trusted.only().agent, "other agent");
  EXPECT_EQ(trusted.only().network, "198.51.100.0/24");
  EXPECT_EQ(trusted.only().at, time_from_ms(1'291'190'000'000));
  EXPECT_NE(trusted.only().visitor, open.only().visitor);
}

TEST_F(umami_test, says_what_is_wrong) {
  const std::pair<std::string, std::string> cases[] = {
      {R"("url":"/")", "payload.website: is missing (links and pixels are not taken)"},
      {R"("website":"00000000-0000-4000-8000-000000000000")",
       "payload.website: Website not found."},
      {site + R"(,"name":")" + std::string(51, 'n') + '"',
       "payload.name: must be text of at most 50 characters"},
      {site + R"(,"data":[])", "payload.data: must be an object"},
      {site + R"(,"url":7)", "payload.url: must be text"}};
  for (const auto& [payload, message] : cases) {
    const auto r = send(payload);
    EXPECT_EQ(r.reply.status, 400u);
    EXPECT_EQ(json::parse(r.reply.body)["error"]["message"], message);
    EXPECT_TRUE(r.got->events.empty());
  }
  EXPECT_EQ(send(site, "click").reply.status, 400u);
  for (const auto* body : {"", "[]", "{}", R"({"type":"event"})"})
    EXPECT_EQ(sample.read(parse_umami, body, {}, "/api/send").reply.status, 400u) << body;
}

TEST_F(umami_test, answers_a_batch_by_index) {
  const auto one = R"({"type":"event","payload":{)" + site + R"(,"url":"https://a/"}})";
  const auto other =
      R"({"type":"event","payload":{"website":"11111111-2222-4333-8444-555555555555"}})";
  const auto r =
      sample.read(parse_umami, "[" + one + ",7," + other + "," + one + "]", {}, "/api/batch");
  ASSERT_EQ(r.got->events.size(), 3u);
  EXPECT_EQ(r.got->events[1].merchant, "other");
  const auto answer = json::parse(r.reply.body);
  EXPECT_EQ(answer["size"], 4);
  EXPECT_EQ(answer["processed"], 3);
  EXPECT_EQ(answer["errors"], 1);
  EXPECT_EQ(answer["details"][0]["index"], 1);
  EXPECT_EQ(answer["cache"], json::parse(send(site).reply.body)["cache"]);
  EXPECT_EQ(sample.read(parse_umami, "[" + one, {}, "/api/batch").reply.status, 400u);
  EXPECT_EQ(json::parse(sample.read(parse_umami, "[]", {}, "/api/batch").reply.body)["size"], 0);
}

}  // namespace
}  // namespace tally::api

#include "api/visitor_facts.hpp"

#include <gtest/gtest.h>

#include "api/ingest_native.hpp"
#include "api/matomo.hpp"
#include "api/segment.hpp"
#include "domain/user_agent.hpp"
#include "tests/api/foreign_samples.hpp"

namespace tally::api {
namespace {

constexpr std::string_view firefox =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0";
constexpr std::string_view iphone =
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Version/17.5 Mobile/15E148 Safari/604.1";

std::unique_ptr<decoded_batch> read(std::string body, const ingest_context& context) {
  return decode(parse_native(body, context));
}

ingest_context with_agent(std::string_view agent) {
  auto context = write_key_context();
  context.agent = agent;
  return context;
}

TEST(visitor_facts, come_from_the_header_of_a_page) {
  const auto got =
      read(R"({"name":"page_view","browser":"liar","device":"tv"})", with_agent(firefox));
  ASSERT_EQ(got->events.size(), 1u);
  const auto& e = got->events[0];
  EXPECT_EQ(e.browser, "Firefox 128.0") << "what a page says of itself is not believed";
  EXPECT_EQ(e.os, "Windows 10");
  EXPECT_EQ(e.device, "desktop");
  EXPECT_EQ(e.agent, firefox);
}

TEST(visitor_facts, give_way_to_what_a_platform_key_says) {
  const std::string agent = R"(,"agent":")" + std::string{iphone} + R"("})";
  const auto got = read(R"([{"merchant":"shop","name":"a","browser":"App 3")" + agent +
                            R"(,{"merchant":"shop","name":"b","device":"tv","os":"X 1")" + agent +
                            R"(,{"merchant":"shop","name":"c","os":"linux"}])",
                        platform_context());
  ASSERT_EQ(got->events.size(), 3u);
  const auto& [a, b, c] = std::tie(got->events[0], got->events[1], got->events[2]);
  EXPECT_EQ(a.browser, "App 3");
  EXPECT_EQ(a.os, "iOS 17.5") << "a field that it does not name is still filled";
  EXPECT_EQ(a.device, "mobile");
  EXPECT_EQ(b.browser, "Mobile Safari 17.5");
  EXPECT_EQ(b.os, "X 1");
  EXPECT_EQ(b.device, "tv");
  EXPECT_EQ(c.browser, "") << "the agent of a platform's own request is nobody's";
  EXPECT_EQ(c.os, "linux");
}

TEST(visitor_facts, are_there_in_other_protocols) {
  std::string body =
      R"({"userId":"u","event":"x","context":{"userAgent":")" + std::string{iphone} + R"("}})";
  const auto segment = decode(parse_segment(segment_call::track, body, with_agent("server")));
  ASSERT_EQ(segment->events.size(), 1u);
  EXPECT_EQ(segment->events[0].device, "mobile");
  foreign_sample sample;
  sample.context.agent = firefox;
  const auto matomo = sample.read(parse_matomo, "", "idsite=1&rec=1&url=http%3A%2F%2Fshop.example");
  EXPECT_EQ(matomo.only().browser, "Firefox 128.0");
}

TEST(visitor_facts, are_nothing_where_nothing_is_known) {
  for (const std::string_view agent : {"", "header agent", "\xff\xfe"}) {
    event e;
    e.agent = agent;
    add_agent_facts(e);
    EXPECT_EQ(e.browser, "") << agent;
    EXPECT_EQ(e.os, "");
    EXPECT_EQ(e.device, "");
  }
  event control;
  control.kind = event_kind::identify;
  control.agent = firefox;
  add_agent_facts(control);
  EXPECT_EQ(control.browser, "");
}

TEST(visitor_facts, never_cut_a_character_in_two) {
  std::string long_name;
  for (int i = 0; i < 90; ++i) long_name += "\u00e9";
  event e;
  const std::string agent = "x" + long_name + long_name + "/7.1 CFNetwork/9";
  e.agent = agent;
  add_agent_facts(e);
  EXPECT_EQ(e.browser.find('\xc3'), std::string_view::npos) << e.browser;
}

TEST(visitor_facts, a_time_zone_tells_the_country_and_is_not_kept) {
  const auto page = read(R"([{"name":"a","timezone":"Asia/Calcutta","country":"FR"},
                             {"name":"b","timezone":"UTC"},{"name":"c"}])",
                         write_key_context());
  ASSERT_EQ(page->events.size(), 3u);
  EXPECT_EQ(page->events[0].country, "IN");
  EXPECT_EQ(page->events[0].extra, "");
  EXPECT_EQ(page->events[1].country, "");
  EXPECT_EQ(page->events[2].country, "") << "nothing is left over from the event before";
  const auto believed = read(
      R"({"merchant":"m","name":"a","timezone":"US/Eastern","country":"FR"})", platform_context());
  ASSERT_EQ(believed->events.size(), 1u);
  EXPECT_EQ(believed->events[0].country, "FR");
}

TEST(visitor_facts, the_language_is_written_in_one_form) {
  const auto got = read(R"([{"name":"a","language":"en_gb"},{"name":"b","language":"en-GB"},
                            {"name":"c","language":"??"}])",
                        write_key_context());
  ASSERT_EQ(got->events.size(), 3u);
  EXPECT_EQ(got->events[0].language, "en-GB");
  EXPECT_EQ(got->events[1].language, "en-GB");
  EXPECT_EQ(got->events[2].language, "??");
}

void expect_nobody(const event& e) {
  EXPECT_EQ(e.visitor, "");
  EXPECT_EQ(e.user, "");
  EXPECT_EQ(e.session, "");
  EXPECT_EQ(e.agent, "");
  EXPECT_EQ(e.network, "");
}

TEST(forget_visitor, leaves_what_happened_and_nobody_who_did_it) {
  auto context = with_agent(firefox);
  context.is_private = true;
  const auto got = read(
      R"({"id":"1","name":"purchase","visitor":"v","user":"u","session":"s",
          "url":"https://a.example/","props":{"plan":"gold"},
          "order":{"id":"9","total":"5","currency":"GBP"}})",
      context);
  ASSERT_EQ(got->events.size(), 1u);
  const auto& e = got->events[0];
  expect_nobody(e);
  EXPECT_EQ(e.id, "1");
  EXPECT_EQ(e.url, "https://a.example/");
  EXPECT_EQ(e.order.id, "9");
  EXPECT_EQ(e.browser, "Firefox 128.0") << "what thousands share is kept";
  EXPECT_NE(e.props, "");
}

TEST(forget_visitor, makes_an_ordinary_event_of_identify) {
  auto context = with_agent(firefox);
  context.is_private = true;
  std::string body = R"({"userId":"u","anonymousId":"a","traits":{"email":"a@shop.example"}})";
  const auto got = decode(parse_segment(segment_call::identify, body, context));
  ASSERT_EQ(got->events.size(), 1u);
  expect_nobody(got->events[0]);
  EXPECT_EQ(got->events[0].kind, event_kind::data);
  EXPECT_EQ(got->events[0].props, "");
}

TEST(forget_visitor, goes_by_the_merchant_and_the_request) {
  for (const bool honoured : {false, true})
    for (const bool opted_out : {false, true}) {
      foreign_sample sample;
      sample.aliases.learn("matomo:1", "shop", honoured);
      sample.aliases.learn("posthog:phc_shop", "shop", honoured);
      sample.context.opted_out = opted_out;
      const auto shop = sample.read(parse_matomo, "", "idsite=1&rec=1&url=http%3A%2F%2Fa.example");
      EXPECT_EQ(shop.only().visitor.empty(), honoured && opted_out);
      EXPECT_EQ(shop.only().network.empty(), honoured && opted_out);
      const auto other = sample.read(parse_matomo, "", "idsite=2&rec=1&url=http%3A%2F%2Fa.example");
      EXPECT_NE(other.only().visitor, "") << "another merchant did not ask for it";
    }
}

TEST(opts_out, reads_two_headers) {
  const auto request = [](std::string_view name, std::string_view value) {
    http_request r;
    r.headers.add(name, value);
    return r;
  };
  EXPECT_TRUE(opts_out(request("Sec-GPC", "1")));
  EXPECT_TRUE(opts_out(request("dnt", "1")));
  EXPECT_FALSE(opts_out(request("DNT", "0")));
  EXPECT_FALSE(opts_out(request("DNT", "unspecified")));
  EXPECT_FALSE(opts_out(request("Accept", "1")));
}

}  // namespace
}  // namespace tally::api

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

}  // namespace
}  // namespace tally::api

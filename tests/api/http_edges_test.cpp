#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

#include "api/cors.hpp"
#include "api/exposition.hpp"
#include "api/http_proxies.hpp"
#include "api/problem.hpp"
#include "tests/support/http_fixture.hpp"

namespace tally::api {
namespace {

class cors_test : public test::http_test {
 protected:
  static std::string from(const std::string& origin) { return "Origin: " + origin + "\r\n"; }
  static std::string preflight(const std::string& origin) {
    return from(origin) + "Access-Control-Request-Method: POST\r\n";
  }
};

TEST_F(cors_test, any_origin_may_send_events) {
  start_echo();
  auto client = connect();
  for (const auto* path : {"/v1/events", "/v1/batch", "/v1/b", "/v1/t", "/v1/page"}) {
    const auto before = client.ask("OPTIONS", path, "", preflight("https://shop.example"));
    EXPECT_EQ(before->status, 204);
    EXPECT_EQ(before->headers.at("access-control-allow-origin"), "https://shop.example");
    EXPECT_EQ(before->headers.at("access-control-allow-methods"), "POST, GET, OPTIONS");
    EXPECT_EQ(before->headers.at("access-control-allow-headers"),
              "authorization, content-type, x-umami-cache, x-retry-count, x-write-key");
    EXPECT_EQ(before->headers.at("access-control-max-age"), "86400");
    const auto after = client.ask("POST", path, "{}", from("https://shop.example"));
    EXPECT_EQ(after->headers.at("access-control-allow-origin"), "https://shop.example");
    EXPECT_EQ(after->headers.at("vary"), "Accept-Encoding, Origin");
  }
}

TEST_F(cors_test, pages_can_read_why_their_events_were_refused) {
  options.body_bytes_max = options.encoded_body_bytes_max = 10;
  start_echo();
  auto client = connect();
  const auto answer =
      client.ask("POST", "/v1/events", std::string(20, 'x'), from("https://shop.example"));
  EXPECT_EQ(answer->status, 413);
  EXPECT_EQ(answer->headers.at("access-control-allow-origin"), "https://shop.example");
}

TEST_F(cors_test, only_listed_origins_may_ask_questions) {
  options.cors.origins = {"https://board.example"};
  start_echo();
  auto client = connect();
  const auto listed =
      client.ask("OPTIONS", "/api/v2/query", "", preflight("https://board.example"));
  EXPECT_EQ(listed->status, 204);
  EXPECT_EQ(listed->headers.at("access-control-allow-origin"), "https://board.example");
  const auto other = client.ask("OPTIONS", "/api/v2/query", "", preflight("https://evil.example"));
  EXPECT_EQ(other->headers.count("access-control-allow-origin"), 0u);
  EXPECT_EQ(other->headers.count("access-control-allow-methods"), 0u);
  const auto answer = client.ask("POST", "/api/v2/query", "{}", from("https://evil.example"));
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->headers.count("access-control-allow-origin"), 0u);
}

TEST_F(cors_test, options_without_origin_says_what_is_allowed) {
  start_echo();
  auto client = connect();
  EXPECT_EQ(client.ask("OPTIONS", "/v1/events")->headers.at("allow"), "POST, GET, OPTIONS");
  EXPECT_EQ(client.ask("OPTIONS", "/other")->body, "OPTIONS /other ");
}

http_headers forwarded(std::initializer_list<std::string_view> values) {
  http_headers headers;
  headers.add("Host", "h");
  for (const auto value : values) headers.add("x-forwarded-for", value);
  return headers;
}

std::string client_of(const std::vector<std::string>& trusted, std::string_view peer,
                      std::initializer_list<std::string_view> values) {
  const auto proxies = http_proxies::parse(trusted);
  return proxies->client_of(parse_ip(peer), peer, forwarded(values));
}

TEST(http_proxies, believe_the_right_most_address_that_is_not_theirs) {
  const std::vector<std::string> trusted{"10.0.0.0/8", "fd00::/16"};
  EXPECT_EQ(client_of(trusted, "10.1.1.1", {"1.1.1.1, 2.2.2.2"}), "2.2.2.2");
  EXPECT_EQ(client_of(trusted, "10.1.1.1", {"1.1.1.1, 2.2.2.2, 10.2.2.2"}), "2.2.2.2");
  EXPECT_EQ(client_of(trusted, "10.1.1.1", {"1.1.1.1", "2.2.2.2"}), "2.2.2.2");
  EXPECT_EQ(client_of(trusted, "fd00::5", {"2001:DB8::1"}), "2001:db8::1");
  EXPECT_EQ(client_of(trusted, "10.1.1.1", {"10.3.3.3, 10.2.2.2"}), "10.3.3.3");
  EXPECT_EQ(client_of(trusted, "10.1.1.1", {}), "10.1.1.1");
}

TEST(http_proxies, do_not_believe_strangers_or_nonsense) {
  EXPECT_EQ(client_of({}, "9.9.9.9", {"1.1.1.1"}), "9.9.9.9");
  EXPECT_EQ(client_of({"10.0.0.0/8"}, "9.9.9.9", {"1.1.1.1"}), "9.9.9.9");
  EXPECT_EQ(client_of({"10.0.0.0/8"}, "10.1.1.1", {"1.1.1.1, unknown"}), "10.1.1.1");
  EXPECT_EQ(client_of({"10.0.0.0/8"}, "10.1.1.1", {"1.1.1.1, x, 10.2.2.2"}), "10.2.2.2");
}

TEST(http_proxies, normalise_addresses) {
  EXPECT_EQ(to_text(*parse_ip("::ffff:1.2.3.4")), "1.2.3.4");
  EXPECT_EQ(to_text(*parse_ip("[2001:0db8::0001]")), "2001:db8::1");
  EXPECT_EQ(client_of({"10.0.0.0/8"}, "::ffff:10.0.0.1", {"[2001:db8::1]:443"}), "2001:db8::1");
  EXPECT_EQ(client_of({"10.0.0.0/8"}, "10.0.0.1", {"1.2.3.4:5678"}), "1.2.3.4");
  EXPECT_FALSE(parse_ip("1.2.3"));
}

TEST(http_proxies, match_networks_bit_by_bit) {
  const auto proxies = http_proxies::parse({"192.168.4.0/22", "0.0.0.0/32", "2001:db8::/33"});
  ASSERT_TRUE(proxies);
  EXPECT_TRUE(proxies->trusts(*parse_ip("192.168.7.255")));
  EXPECT_FALSE(proxies->trusts(*parse_ip("192.168.8.0")));
  EXPECT_TRUE(proxies->trusts(*parse_ip("2001:db8:7fff::")));
  EXPECT_FALSE(proxies->trusts(*parse_ip("2001:db8:8000::")));
  EXPECT_FALSE(http_proxies::parse({"10.0.0.0/x"}));
  EXPECT_FALSE(http_proxies::parse({"example.com"}));
  EXPECT_TRUE(http_proxies::parse({"0.0.0.0/0"})->trusts(*parse_ip("8.8.8.8")));
  EXPECT_FALSE(http_proxies::parse({"0.0.0.0/0"})->trusts(*parse_ip("2001:db8::")));
}

TEST(problem, escapes_whatever_the_detail_holds) {
  std::string text;
  append_json_string(text, "a\"\\\n\t\x01 \xc3\xa9 \xff \xed\xa0\x80 \xf0\x9f\x98\x80");
  const std::string bad = "\xef\xbf\xbd";
  EXPECT_EQ(text, "\"a\\\"\\\\\\n\\t\\u0001 \xc3\xa9 " + bad + " " + bad + bad + bad +
                      " \xf0\x9f\x98\x80\"");
}

class response_headers_test : public test::http_test {};

TEST_F(response_headers_test, a_value_cannot_begin_another_header) {
  start([](http_request&& r, const respond& answer) {
    http_response response;
    response.headers.emplace_back("X-Echo", *r.parameter("v"));
    answer(std::move(response));
  });
  auto client = connect();
  EXPECT_EQ(client.ask("GET", "/?v=fine")->headers.at("x-echo"), "fine");
  const auto split = client.ask("GET", "/?v=a%0d%0aSet-Cookie:%20b");
  EXPECT_EQ(split->headers.count("set-cookie"), 0u);
  EXPECT_EQ(split->headers.count("x-echo"), 0u);
}

std::string exposed() {
  actors::engine_metrics engine;
  http_stats stats;
  engine.events_accepted = 7;
  engine.live_merchants = 3;
  engine.visible_lag.add(300);
  engine.visible_lag.add(20'000'000);
  stats.answers[2] = 5;
  return prometheus_text(engine, {{"public", &stats}});
}

TEST(exposition, names_every_outcome_and_histogram) {
  const auto text = exposed();
  for (const std::string_view line :
       {"# HELP tally_events_total ", "# TYPE tally_events_total counter\n",
        "tally_events_total{outcome=\"accepted\"} 7\n", "tally_live_merchants 3\n",
        "# TYPE tally_visible_lag_seconds histogram\n",
        "tally_visible_lag_seconds_bucket{le=\"0.00025\"} 0\n",
        "tally_visible_lag_seconds_bucket{le=\"0.0005\"} 1\n",
        "tally_visible_lag_seconds_bucket{le=\"+Inf\"} 2\n", "tally_visible_lag_seconds_count 2\n",
        "tally_visible_lag_seconds_sum 20.0003\n",
        "tally_http_answers_total{listener=\"public\",class=\"2xx\"} 5\n"})
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
}

TEST(exposition, every_line_is_a_comment_or_a_sample) {
  std::istringstream lines{exposed()};
  std::string line;
  while (std::getline(lines, line)) {
    EXPECT_TRUE(line.starts_with("# HELP tally_") || line.starts_with("# TYPE tally_") ||
                (line.starts_with("tally_") && line.find(' ') != std::string::npos))
        << line;
  }
}

TEST(exposition, promtool_accepts_it) {
  if (std::system("command -v promtool >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "promtool is not installed";
  FILE* promtool = popen("promtool check metrics", "w");
  ASSERT_NE(promtool, nullptr);
  const auto text = exposed();
  fwrite(text.data(), 1, text.size(), promtool);
  EXPECT_EQ(pclose(promtool), 0);
}

}  // namespace
}  // namespace tally::api

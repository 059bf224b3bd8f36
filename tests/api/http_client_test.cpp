#include "api/http_client.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "scripted_server.hpp"

namespace tally::api {
namespace {

using namespace std::chrono_literals;

const std::string hello = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

TEST(http_client, sends_key_and_body_and_keeps_the_connection) {
  std::atomic<int> connections{0};
  std::string seen;
  scripted_server server{[&](int connection, int) {
    ++connections;
    seen = read_request(connection, 3);
    answer(connection, hello);
    read_request(connection, 0);
    answer(connection, "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n");
  }};
  http_client client{server.place(), 5s};
  const auto first = client.send({"POST", "/v1/events", "tw_key", "application/x-ndjson", "abc"});
  ASSERT_TRUE(first.ok()) << first.error().text();
  EXPECT_EQ(first->status, 200);
  EXPECT_EQ(first->body, "hi");
  const auto second = client.send({"GET", "/livez", "", "", ""});
  ASSERT_TRUE(second.ok()) << second.error().text();
  EXPECT_EQ(second->status, 429);
  EXPECT_EQ(second->retry_after, 7s);
  EXPECT_EQ(connections, 1);
  EXPECT_NE(seen.find("POST /v1/events HTTP/1.1\r\n"), std::string::npos) << seen;
  EXPECT_NE(seen.find("Authorization: Bearer tw_key\r\n"), std::string::npos) << seen;
  EXPECT_TRUE(seen.ends_with("\r\n\r\nabc")) << seen;
}

TEST(http_client, opens_again_what_the_server_closed_while_idle) {
  scripted_server server{[&](int connection, int) {
    read_request(connection, 0);
    answer(connection, hello);
  }};
  http_client client{server.place(), 5s};
  for (int i = 0; i < 3; ++i) {
    const auto reply = client.send({"GET", "/", "", "", ""});
    ASSERT_TRUE(reply.ok()) << reply.error().text();
    EXPECT_EQ(reply->body, "hi");
    std::this_thread::sleep_for(20ms);
  }
}

TEST(http_client, nobody_there_and_no_answer_are_unavailable) {
  std::string gone;
  {
    scripted_server server{[](int, int) {}};
    gone = server.place();
  }
  EXPECT_EQ((http_client{gone, 1s}.send({})).error().code, errc::unavailable);
  scripted_server silent{[](int connection, int) { read_request(connection, 1); }};
  EXPECT_EQ((http_client{silent.place(), 50ms}.send({})).error().code, errc::unavailable);
}

}  // namespace
}  // namespace tally::api

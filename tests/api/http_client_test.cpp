#include "api/http_client.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <thread>

namespace tally::api {
namespace {

using namespace std::chrono_literals;

/// Accepts connections on a free port and lets a script talk on each in turn.
class scripted_server {
 public:
  using script = std::function<void(int connection, int number)>;

  explicit scripted_server(script talk) : socket_{::socket(AF_INET, SOCK_STREAM, 0)} {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(socket_, 4), 0);
    ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread{[this, talk = std::move(talk)] {
      for (int number = 0;; ++number) {
        const int connection = ::accept(socket_, nullptr, nullptr);
        if (connection < 0) return;
        talk(connection, number);
        ::close(connection);
      }
    }};
  }
  ~scripted_server() {
    ::shutdown(socket_, SHUT_RDWR);
    thread_.join();
    ::close(socket_);
  }
  scripted_server(const scripted_server&) = delete;
  scripted_server& operator=(const scripted_server&) = delete;

  [[nodiscard]] std::string place() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  int socket_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

std::string read_request(int connection, std::size_t body) {
  std::string all;
  char piece[4096];
  while (true) {
    const auto end = all.find("\r\n\r\n");
    if (end != std::string::npos && all.size() >= end + 4 + body) return all;
    const auto got = ::read(connection, piece, sizeof piece);
    if (got <= 0) return all;
    all.append(piece, static_cast<std::size_t>(got));
  }
}

void answer(int connection, const std::string& text) {
  EXPECT_EQ(::write(connection, text.data(), text.size()), static_cast<ssize_t>(text.size()));
}

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

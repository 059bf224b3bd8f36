#include "api/web_socket.hpp"

#include <gtest/gtest.h>

#include <atomic>

#include "tests/support/http_fixture.hpp"
#include "tests/support/web_socket_client.hpp"

namespace tally::api {
namespace {

using test::frame_bytes;
using test::web_socket_client;
using frame = test::web_socket_frame;

/// Sends back what it gets. "stop" makes it read no more until "go" is posted to its loop.
class echo final : public web_socket_user {
 public:
  struct seen {
    std::atomic<int> messages{0}, opened{0}, closed{0};
    std::atomic<bool> paused{false};
  };
  explicit echo(seen& s) : seen_{s} {}

  void opened(web_socket_line& line) override {
    ++seen_.opened;
    line_ = &line;
  }
  void received(std::string&& message, bool binary, http_charge) override {
    ++seen_.messages;
    if (message == "stop") seen_.paused = true;
    if (message == "end") return line_->end(web_socket_end::policy, "asked to");
    line_->send((binary ? "binary " : "") + message);
  }
  [[nodiscard]] bool wants_more() const override { return !seen_.paused; }
  void sent() override {}
  void drain() override { line_->end(web_socket_end::going_away, "ends"); }
  void check_time(std::chrono::steady_clock::time_point) override { line_->read_on(); }
  void closed() override { ++seen_.closed; }

 private:
  seen& seen_;
  web_socket_line* line_ = nullptr;
};

class web_socket_test : public test::http_test {
 protected:
  ~web_socket_test() override { server.reset(); }  // before what its users write to

  void start_sockets() {
    start([this](http_request&& r, const respond& answer) {
      if (r.path == "/plain") return answer({.content_type = "text/plain", .body = "plain"});
      answer(accept_web_socket(r, limits, std::make_shared<echo>(seen)));
    });
  }
  web_socket_client open_socket() {
    web_socket_client client{connect()};
    const auto answer = client.open("/");
    EXPECT_EQ(answer.status, 101);
    return client;
  }
  void wait_for_end() {
    const auto ended = [this] {
      const auto& now = server->stats();
      return now.connections_open == 0 && now.buffered_bytes == 0 && seen.closed == 1;
    };
    for (int i = 0; i < 20'000 && !ended(); ++i) usleep(1'000);
    EXPECT_EQ(server->stats().connections_open, 0);
    EXPECT_EQ(server->stats().web_sockets_open, 0);
    EXPECT_EQ(server->stats().buffered_bytes, 0);
    EXPECT_EQ(seen.closed, 1);
  }

  web_socket_options limits;
  echo::seen seen;
};

TEST_F(web_socket_test, opens_as_the_standard_shows_and_echoes) {
  limits.close_timeout = std::chrono::milliseconds{200};
  start_sockets();
  web_socket_client client{connect()};
  const auto answer = client.open("/");
  EXPECT_EQ(answer.status, 101);
  EXPECT_EQ(answer.headers.at("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  EXPECT_EQ(answer.headers.count("sec-websocket-extensions"), 0u);
  client.send_text("hello");
  EXPECT_EQ(client.receive_text(), "hello");
  client.send({.opcode = frame::binary, .payload = "bytes"});
  EXPECT_EQ(client.receive_text(), "binary bytes");
  const std::string large(100'000, 'x');
  client.send_text(large);
  EXPECT_EQ(client.receive_text(), large);
  EXPECT_EQ(server->stats().web_sockets_open, 1);
  client.send({.opcode = frame::close, .payload = std::string{"\x03\xe8", 2}});
  EXPECT_EQ(client.receive_close(), 1000u);
  wait_for_end();
  EXPECT_EQ(server->stats().web_socket_messages_in, 3u);
  EXPECT_EQ(server->stats().web_socket_messages_out, 3u);
}

TEST_F(web_socket_test, refuses_what_is_no_opening_and_serves_on) {
  start_sockets();
  auto client = connect();
  const auto plain = client.ask("GET", "/");
  EXPECT_EQ(plain->status, 426);
  EXPECT_EQ(plain->headers.at("upgrade"), "websocket");
  const std::string upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
  EXPECT_EQ(client.ask("GET", "/", "", upgrade + "Sec-WebSocket-Version: 8\r\n")->status, 426);
  EXPECT_EQ(client.ask("GET", "/", "", upgrade + "Sec-WebSocket-Version: 13\r\n")->status, 400);
  EXPECT_EQ(client
                .ask("GET", "/", "",
                     "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")
                ->status,
            400);
  EXPECT_EQ(client.ask("GET", "/plain", "", upgrade)->body, "plain");
  EXPECT_EQ(client.ask("GET", "/plain")->body, "plain");
}

TEST_F(web_socket_test, joins_fragments_and_answers_pings_between_them) {
  start_sockets();
  auto client = open_socket();
  client.send({.payload = "one ", .last = false});
  client.send({.opcode = frame::ping, .payload = "are you there"});
  const auto pong = client.receive();
  ASSERT_TRUE(pong);
  EXPECT_EQ(pong->opcode, frame::pong);
  EXPECT_EQ(pong->payload, "are you there");
  client.send({.opcode = frame::more, .payload = "two ", .last = false});
  client.send({.opcode = frame::more, .payload = "three"});
  EXPECT_EQ(client.receive_text(), "one two three");
  client.send({.payload = "", .last = false});
  client.send({.opcode = frame::more, .payload = ""});
  EXPECT_TRUE(client.receive()->payload.empty());
}

TEST_F(web_socket_test, ends_what_breaks_the_protocol_with_the_code_that_says_so) {
  limits.message_bytes_max = 1'000;
  start_sockets();
  const std::string fragment(600, 'x');
  const std::vector<std::pair<std::string, unsigned>> cases{
      {frame_bytes({.payload = "unmasked", .masked = false}), 1002},
      {frame_bytes({.opcode = 3, .payload = "unknown opcode"}), 1002},
      {frame_bytes({.opcode = frame::more, .payload = "nothing to go on with"}), 1002},
      {frame_bytes({.payload = "a", .last = false}) + frame_bytes({.payload = "b"}), 1002},
      {frame_bytes({.opcode = frame::ping, .payload = std::string(126, 'p')}), 1002},
      {frame_bytes({.payload = "\xff\xfe"}), 1007},
      {frame_bytes({.payload = std::string(1'001, 'x')}), 1009},
      {frame_bytes({.payload = fragment, .last = false}) +
           frame_bytes({.opcode = frame::more, .payload = fragment}),
       1009},
      {std::string{"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\x12\x34\x56\x78", 14}, 1009},
  };
  for (const auto& [bytes, code] : cases) {
    auto client = open_socket();
    client.send_bytes(bytes);
    const auto got = client.receive_close();
    EXPECT_EQ(got, code) << testing::PrintToString(bytes.substr(0, 20));
  }
}

TEST_F(web_socket_test, survives_garbage_of_every_length) {
  start_sockets();
  unsigned state = 7;
  for (std::size_t size = 1; size < 200; size += 7) {
    auto client = open_socket();
    std::string garbage;
    for (std::size_t i = 0; i < size; ++i) {
      state = state * 1'103'515'245 + 12'345;
      garbage.push_back(static_cast<char>(state >> 16));
    }
    client.send_bytes(garbage);
  }
  auto client = open_socket();
  client.send_text("still here");
  EXPECT_EQ(client.receive_text(), "still here");
}

TEST_F(web_socket_test, ends_with_a_code_when_asked_and_sends_all_before) {
  limits.close_timeout = std::chrono::milliseconds{200};
  start_sockets();
  auto client = open_socket();
  client.send_text("first");
  client.send_text("end");
  EXPECT_EQ(client.receive_text(), "first");
  EXPECT_EQ(client.receive_close(), 1008u);
  client.send({.opcode = frame::close, .payload = std::string{"\x03\xf0", 2}});
  EXPECT_TRUE(client.connection().is_closed());
  wait_for_end();
}

TEST_F(web_socket_test, does_not_wait_for_a_client_that_does_not_agree_to_the_end) {
  limits.close_timeout = std::chrono::milliseconds{50};
  start_sockets();
  auto client = open_socket();
  client.send_text("end");
  EXPECT_EQ(client.receive_close(), 1008u);
  wait_for_end();
}

TEST_F(web_socket_test, answers_requests_before_it_and_nothing_sent_too_early) {
  start_sockets();
  web_socket_client client{connect()};
  client.send_bytes("GET /plain HTTP/1.1\r\nHost: t\r\n\r\n" + web_socket_client::opening("/"));
  EXPECT_EQ(client.connection().receive()->body, "plain");
  EXPECT_EQ(client.connection().receive()->status, 101);
  client.send_text("hello");
  EXPECT_EQ(client.receive_text(), "hello");

  web_socket_client hasty{connect()};
  hasty.send_bytes(web_socket_client::opening("/") + frame_bytes({.payload = "too early"}));
  EXPECT_TRUE(hasty.connection().is_closed());
}

TEST_F(web_socket_test, reads_nothing_while_its_user_wants_no_more) {
  start_sockets();
  auto client = open_socket();
  client.send_text("stop");
  EXPECT_EQ(client.receive_text(), "stop");
  for (int i = 0; i < 5; ++i) client.send_text("later");
  EXPECT_FALSE(client.has_input(std::chrono::milliseconds{400}));
  EXPECT_EQ(seen.messages, 1);
  seen.paused = false;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(client.receive_text(), "later");
}

TEST_F(web_socket_test, is_pinged_and_then_dropped_where_it_stays_silent) {
  limits.idle_timeout = std::chrono::milliseconds{400};
  start_sockets();
  auto client = open_socket();
  const auto ping = client.receive();
  ASSERT_TRUE(ping);
  EXPECT_EQ(ping->opcode, frame::ping);
  client.send({.opcode = frame::pong, .payload = ping->payload});
  EXPECT_EQ(client.receive()->opcode, frame::ping);
  EXPECT_FALSE(client.receive());
  wait_for_end();
}

TEST_F(web_socket_test, counts_as_a_connection_and_a_drain_ends_it_with_1001) {
  limits.close_timeout = std::chrono::milliseconds{200};
  options.connections_max = 1;
  start_sockets();
  auto client = open_socket();
  auto other = connect();
  EXPECT_EQ(other.ask("GET", "/plain")->status, 503);
  client.send_text("last words");
  EXPECT_EQ(client.receive_text(), "last words");
  EXPECT_TRUE(server->drain(std::chrono::seconds{20}));
  EXPECT_EQ(client.receive_close(), 1001u);
}

TEST_F(web_socket_test, messages_of_all_sockets_share_the_memory_for_bodies) {
  options.buffered_bytes_max = 10'000;
  start_sockets();
  auto client = open_socket();
  client.send({.payload = std::string(9'000, 'x'), .last = false});
  auto other = open_socket();
  other.send({.payload = std::string(9'000, 'x'), .last = false});
  // Whichever of the two was read last is the one that there is no room for.
  client.send({.opcode = frame::more, .payload = "y"});
  other.send({.opcode = frame::more, .payload = "y"});
  const auto a = client.receive(), b = other.receive();
  ASSERT_TRUE(a && b);
  const auto& refused = a->opcode == frame::close ? *a : *b;
  EXPECT_EQ(refused.code(), 1013u);
}

TEST_F(web_socket_test, a_server_that_ends_at_once_leaves_nothing_behind) {
  start_sockets();
  auto client = open_socket();
  client.send_text("whole");
  EXPECT_EQ(client.receive_text(), "whole");
  client.send({.payload = "half a message", .last = false});
  server.reset();
  EXPECT_TRUE(client.connection().is_closed());
  EXPECT_EQ(seen.closed, 1);
}

TEST_F(web_socket_test, a_user_whose_server_ends_around_its_opening_sees_both_or_neither) {
  for (int round = 0; round < 20; ++round) {
    start_sockets();
    auto client = open_socket();  // the answer may be read before the server knows it has left
    server.reset();
    EXPECT_TRUE(client.connection().is_closed());
    EXPECT_EQ(seen.closed, seen.opened);
  }
}

TEST_F(web_socket_test, a_client_that_closes_but_keeps_the_connection_is_dropped) {
  limits.close_timeout = std::chrono::milliseconds{50};
  limits.idle_timeout = std::chrono::hours{1};
  start_sockets();
  auto client = open_socket();
  client.send_bytes(frame_bytes({.payload = "last words"}) +
                    frame_bytes({.opcode = frame::close, .payload = std::string{"\x03\xe8", 2}}));
  EXPECT_EQ(client.receive_close(), 1000u);
  wait_for_end();
  EXPECT_TRUE(client.connection().is_closed());
}

TEST_F(web_socket_test, a_client_that_closes_while_it_reads_nothing_is_dropped) {
  limits.close_timeout = std::chrono::milliseconds{50};
  limits.write_timeout = std::chrono::milliseconds{300};
  limits.idle_timeout = std::chrono::hours{1};
  start_sockets();
  auto client = open_socket();
  const std::string large(4 << 20, 'x');
  for (int i = 0; i < 2; ++i) client.send_text(large);
  client.send({.opcode = frame::close, .payload = std::string{"\x03\xe8", 2}});
  wait_for_end();
}

}  // namespace
}  // namespace tally::api

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <thread>

#include "api/compression.hpp"
#include "tests/support/http_fixture.hpp"

namespace tally::api {
namespace {

using namespace std::chrono_literals;
using test::held_requests;
using test::http_client;
using http_limits_test = test::http_test;

std::string post(std::string_view body, std::string_view headers = "") {
  return "POST / HTTP/1.1\r\nHost: h\r\n" + std::string{headers} +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string{body};
}

void expect_refused(http_client& client, int status, std::string_view code) {
  const auto answer = client.receive();
  ASSERT_TRUE(answer) << code;
  EXPECT_EQ(answer->status, status);
  EXPECT_EQ(answer->headers.at("content-type"), "application/problem+json");
  EXPECT_EQ(answer->headers.at("connection"), "close");
  EXPECT_NE(answer->body.find("\"code\":\"" + std::string{code} + "\""), std::string::npos)
      << answer->body;
  EXPECT_TRUE(client.is_closed()) << code;
}

TEST_F(http_limits_test, malformed_requests_are_400_and_end_the_connection) {
  start_echo();
  for (const std::string_view text : {
           "garbage\r\n\r\n",
           "GET / HTTP/1.1\r\nno colon\r\nHost: h\r\n\r\n",
           "GET / HTTP/1.1\r\n\r\n",  // no Host
           "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: h\n\n",  // bare line feeds
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n"
           "\r\n0\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n"
           "\r\n0\r\n\r\n",
           "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
       }) {
    auto client = connect();
    client.send(text);
    SCOPED_TRACE(text);
    expect_refused(client, 400, "bad_request");
  }
}

TEST_F(http_limits_test, limits_change_while_it_runs) {
  options.loops = 2;
  options.trusted_proxies = {"127.0.0.1"};
  start([](http_request&& r, const respond& answer) {
    answer({.content_type = "text/plain", .body = r.client_address});
  });
  const auto from_proxy = post("0123456789", "X-Forwarded-For: 192.0.2.7\r\n");
  auto kept = connect();
  kept.send(from_proxy);
  EXPECT_EQ(kept.receive()->body, "192.0.2.7");
  auto fresh = options;
  fresh.body_bytes_max = fresh.encoded_body_bytes_max = 8;
  fresh.trusted_proxies = {"nowhere"};
  EXPECT_EQ(server->change(fresh).error().code, errc::bad_option);
  kept.send(from_proxy);
  EXPECT_EQ(kept.receive()->body, "192.0.2.7");
  fresh.trusted_proxies = {};
  ASSERT_TRUE(server->change(fresh));
  // Each loop hears of it before what is sent from now on: posts keep their order.
  for (std::size_t i = 0; i < options.loops; ++i) {
    std::promise<void> heard;
    ASSERT_TRUE(server->loop_post(i, [&] { heard.set_value(); }));
    heard.get_future().wait();
  }
  kept.send(post("01234567", "X-Forwarded-For: 192.0.2.7\r\n"));
  EXPECT_EQ(kept.receive()->body, "127.0.0.1");
  for (int i = 0; i < 4; ++i) {
    auto client = connect();
    client.send(from_proxy);
    expect_refused(client, 413, "body_too_large");
  }
}

TEST_F(http_limits_test, what_is_understood_but_not_spoken_has_its_own_status) {
  start_echo();
  const auto expect = [&](std::string_view text, int status, std::string_view code) {
    auto client = connect();
    client.send(text);
    SCOPED_TRACE(text);
    expect_refused(client, status, code);
  };
  expect("GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505, "bad_version");
  expect("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501,
         "bad_transfer_encoding");
  expect("POST / HTTP/1.1\r\nHost: h\r\nExpect: miracles\r\n\r\n", 417, "bad_expectation");
  expect(post("x", "Content-Encoding: br\r\n"), 415, "unknown_encoding");
  expect(post("x", "Content-Encoding: gzip\r\n"), 400, "bad_encoding");
}

TEST_F(http_limits_test, a_header_over_the_limit_is_431) {
  options.header_bytes_max = 1'000;
  start_echo();
  auto long_field = connect();
  long_field.send("GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(2'000, 'x'));
  expect_refused(long_field, 431, "header_too_large");
  auto long_target = connect();
  long_target.send("GET /" + std::string(2'000, 'x'));
  expect_refused(long_target, 431, "header_too_large");
  auto many_fields = connect();
  std::string fields;
  for (int i = 0; i < 200; ++i) fields += "X: 123456789\r\n";
  many_fields.send("GET / HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n");
  expect_refused(many_fields, 431, "header_too_large");
  auto small = connect();
  EXPECT_EQ(small.ask("GET", "/", "", "X: " + std::string(900, 'x') + "\r\n")->status, 200);
}

TEST_F(http_limits_test, a_header_that_comes_byte_by_byte_still_has_its_limit) {
  options.header_bytes_max = 200;
  start_echo();
  auto client = connect();
  client.send("GET / HTTP/1.1\r\nHost: h\r\n");
  for (int i = 0; i < 100 && !client.has_input(1ms); ++i) client.send("X: 1\r\n");
  expect_refused(client, 431, "header_too_large");
}

TEST_F(http_limits_test, a_body_over_the_limit_is_413_however_it_comes) {
  options.body_bytes_max = options.encoded_body_bytes_max = 1'000;
  start_echo();
  auto at_limit = connect();
  EXPECT_EQ(at_limit.ask("POST", "/", std::string(1'000, 'x'))->status, 200);
  auto announced = connect();
  announced.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n");
  expect_refused(announced, 413, "body_too_large");
  auto absurd = connect();
  absurd.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551615\r\n\r\n");
  expect_refused(absurd, 413, "body_too_large");
  auto chunked = connect();
  chunked.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 3; ++i) chunked.send("190\r\n" + std::string(400, 'x') + "\r\n");
  expect_refused(chunked, 413, "body_too_large");
}

TEST_F(http_limits_test, a_client_that_sends_on_after_413_can_read_the_answer) {
  options.body_bytes_max = options.encoded_body_bytes_max = 1'000;
  options.linger_timeout = 5s;
  start_echo();
  auto client = connect();
  client.send(post(std::string(1 << 20, 'x')));
  client.shutdown_send();
  expect_refused(client, 413, "body_too_large");
}

TEST_F(http_limits_test, a_bomb_is_413_before_it_takes_memory) {
  options.body_bytes_max = 1 << 20;
  start_echo();
  const std::string bomb = gzip(std::string(64 << 20, '\0'), 9);
  ASSERT_LT(bomb.size(), 100'000u);
  auto client = connect();
  client.send(post(bomb, "Content-Encoding: gzip\r\n"));
  expect_refused(client, 413, "body_too_large");
  EXPECT_EQ(server->stats().buffered_bytes, 0);
}

TEST_F(http_limits_test, packed_bodies_arrive_unpacked) {
  start_echo();
  auto client = connect();
  const std::string body = gzip("first ", 6) + gzip("second", 6);
  const auto answer = client.ask("POST", "/", body, "Content-Encoding: gzip\r\n");
  EXPECT_EQ(answer->body, "POST / first second");
}

TEST_F(http_limits_test, chunks_are_joined_and_trailers_ignored) {
  start_echo();
  const std::string text =
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      "4;ext=1\r\nabcd\r\n3\r\nefg\r\n0\r\nX-Trailer: 1\r\n\r\n";
  auto whole = connect();
  whole.send(text);
  EXPECT_EQ(whole.receive()->body, "POST / abcdefg");
  auto slow = connect();
  for (const char c : text) {
    slow.send({&c, 1});
    std::this_thread::sleep_for(500us);
  }
  EXPECT_EQ(slow.receive()->body, "POST / abcdefg");
  EXPECT_EQ(slow.ask("GET", "/next")->body, "GET /next ");
}

TEST_F(http_limits_test, bodies_together_have_a_limit_and_heal) {
  options.buffered_bytes_max = 100'000;
  held_requests held;
  start(held.handler());
  auto first = connect();
  first.send(post(std::string(60'000, 'x')));
  auto entries = held.take(1);
  EXPECT_GE(server->stats().buffered_bytes, 60'000);
  auto second = connect();
  second.send(post(std::string(60'000, 'x')));
  const auto answer = second.receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 503);
  EXPECT_EQ(answer->headers.at("retry-after"), "1");
  entries[0].answer({});
  EXPECT_TRUE(first.receive());
  auto third = connect();
  third.send(post(std::string(60'000, 'x')));
  held.take(1)[0].answer({});
  EXPECT_EQ(third.receive()->status, 200);
  EXPECT_EQ(server->stats().buffered_bytes, 0);
}

TEST_F(http_limits_test, a_header_that_drips_is_408) {
  options.header_timeout = 150ms;
  start_echo();
  auto client = connect();
  client.send("GET / HTTP/1.1\r\n");
  for (int i = 0; i < 500 && !client.has_input(10ms); ++i) client.send("X: 1\r\n");
  expect_refused(client, 408, "request_timeout");
  auto silent = connect();
  EXPECT_TRUE(silent.is_closed());  // without a word: there was no request
}

TEST_F(http_limits_test, a_body_that_drips_is_408) {
  options.body_timeout = 200ms;
  start_echo();
  auto whole_time = connect();
  whole_time.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
  for (int i = 0; i < 500 && !whole_time.has_input(10ms); ++i) whole_time.send("x");
  expect_refused(whole_time, 408, "request_timeout");
}

TEST_F(http_limits_test, a_body_must_keep_a_mean_rate) {
  options.body_grace = 100ms;
  options.body_bytes_per_s_min = 1'000'000;
  start_echo();
  auto client = connect();
  client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
  for (int i = 0; i < 500 && !client.has_input(10ms); ++i) client.send("x");
  expect_refused(client, 408, "request_timeout");
}

TEST_F(http_limits_test, an_idle_connection_is_closed_silently) {
  options.idle_timeout = 100ms;
  start_echo();
  auto client = connect();
  EXPECT_TRUE(client.ask("GET", "/"));
  EXPECT_TRUE(client.is_closed());
}

TEST_F(http_limits_test, a_client_that_does_not_read_is_cut_off) {
  options.write_timeout = 150ms;
  start([](http_request&&, const respond& answer) { answer({.body = std::string(8 << 20, 'x')}); });
  auto client = connect();
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  for (int i = 0; i < 5'000 && server->stats().connections_open > 0; ++i)
    std::this_thread::sleep_for(1ms);
  EXPECT_EQ(server->stats().connections_open, 0);
  EXPECT_LT(server->stats().bytes_out, 8u << 20);
}

TEST_F(http_limits_test, a_connection_too_many_is_told_so) {
  options.connections_max = 2;
  start_echo();
  auto first = connect();
  auto second = connect();
  EXPECT_TRUE(first.ask("GET", "/"));
  EXPECT_TRUE(second.ask("GET", "/"));
  auto third = connect();
  expect_refused(third, 503, "too_many_connections");
  EXPECT_EQ(server->stats().connections_refused, 1u);
  first.close();
  for (int i = 0; i < 5'000 && server->stats().connections_open > 1; ++i)
    std::this_thread::sleep_for(1ms);
  auto fourth = connect();
  EXPECT_EQ(fourth.ask("GET", "/")->status, 200);
}

TEST_F(http_limits_test, a_client_may_wait_for_100_continue) {
  held_requests held;
  start(held.handler());
  auto client = connect();
  client.send("GET /before HTTP/1.1\r\nHost: h\r\n\r\n");
  client.send("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  auto before = held.take(1);
  EXPECT_FALSE(client.has_input(50ms));  // it must not pass the answer before it
  before[0].answer({});
  EXPECT_EQ(client.receive()->status, 200);
  EXPECT_EQ(client.receive()->status, 100);
  client.send("body");
  auto entries = held.take(1);
  EXPECT_EQ(entries[0].request.body, "body");
  entries[0].answer({.status = 202});
  EXPECT_EQ(client.receive()->status, 202);
}

TEST_F(http_limits_test, a_refused_body_is_not_asked_for) {
  options.body_bytes_max = options.encoded_body_bytes_max = 10;
  start_echo();
  auto client = connect();
  client.send("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 40\r\n\r\n");
  expect_refused(client, 413, "body_too_large");
}

}  // namespace
}  // namespace tally::api

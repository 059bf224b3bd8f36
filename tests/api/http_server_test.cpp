#include "api/http_server.hpp"

#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "api/problem.hpp"
#include "tests/support/http_fixture.hpp"

namespace tally::api {
namespace {

using test::held_requests;
using test::http_client;
using http_server_test = test::http_test;

TEST_F(http_server_test, one_connection_serves_many_requests) {
  start_echo();
  auto client = connect();
  for (int i = 0; i < 3; ++i) {
    const auto answer = client.ask("POST", "/v1/events", "hello " + std::to_string(i));
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(answer->body, "POST /v1/events hello " + std::to_string(i));
    EXPECT_EQ(answer->headers.count("connection"), 0u);
    EXPECT_EQ(answer->headers.at("content-type"), "text/plain");
    EXPECT_EQ(answer->headers.count("date"), 1u);
  }
  EXPECT_EQ(server->stats().connections, 1u);
  EXPECT_EQ(server->stats().answers[2], 3u);
}

TEST_F(http_server_test, a_request_arrives_with_all_its_parts) {
  held_requests held;
  start(held.handler());
  auto client = connect();
  client.send(
      "PUT /a%20b?x=1%2B1&y=a+b&flag HTTP/1.1\r\nHost: h\r\nX-Thing:  some value \r\n"
      "Content-Length: 3\r\n\r\nabc");
  auto entries = held.take(1);
  const auto& r = entries[0].request;
  EXPECT_EQ(r.method, http_method::put);
  EXPECT_EQ(r.path, "/a%20b");
  EXPECT_EQ(r.query, "x=1%2B1&y=a+b&flag");
  EXPECT_EQ(r.parameter("x"), "1+1");
  EXPECT_EQ(r.parameter("y"), "a b");
  EXPECT_EQ(r.parameter("flag"), "");
  EXPECT_EQ(r.parameter("absent"), std::nullopt);
  EXPECT_EQ(r.header("x-thing"), "some value");
  EXPECT_EQ(r.header("absent"), std::nullopt);
  EXPECT_EQ(r.client_address, "127.0.0.1");
  EXPECT_EQ(r.body, "abc");
  EXPECT_TRUE(r.keep_alive);
  entries[0].answer({});
  EXPECT_TRUE(client.receive());
}

TEST_F(http_server_test, a_body_is_followed_by_zeros_for_the_json_parser) {
  held_requests held;
  start(held.handler());
  auto client = connect();
  for (const std::size_t size : {1u, 15u, 16u, 1'000u, 70'000u, 300'000u}) {
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(size) +
                "\r\n\r\n" + std::string(size, 'x'));
    auto entries = held.take(1);
    const std::string body = std::move(entries[0].request.body);
    EXPECT_EQ(body, std::string(size, 'x'));
    EXPECT_GE(body.capacity(), size + body_padding);
    entries[0].answer({});
    EXPECT_TRUE(client.receive());
  }
}

TEST_F(http_server_test, answers_may_come_later_and_from_another_thread) {
  held_requests held;
  start(held.handler());
  auto client = connect();
  client.send("GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
  std::thread other{[&] {
    auto entries = held.take(1);
    entries[0].answer({.status = 201, .body = "{}"});
    entries[0].answer({.status = 500});  // ignored: there was one
  }};
  const auto answer = client.receive();
  other.join();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 201);
  client.send("GET /again HTTP/1.1\r\nHost: h\r\n\r\n");
  held.take(1)[0].answer({.status = 204, .content_type = "", .body = ""});
  const auto empty = client.receive();
  ASSERT_TRUE(empty);
  EXPECT_EQ(empty->status, 204);
  EXPECT_EQ(empty->headers.count("content-length"), 0u);
}

TEST_F(http_server_test, an_answer_to_a_connection_that_is_gone_is_dropped) {
  held_requests held;
  start(held.handler());
  std::vector<held_requests::entry> entries;
  {
    auto client = connect();
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    entries = held.take(1);
  }
  entries[0].answer({});
  server.reset();
  entries[0].answer({});  // the server is gone, too
  EXPECT_FALSE(entries[0].request.loop.post([] {}));
}

TEST_F(http_server_test, a_handler_that_says_nothing_is_answered_for) {
  options.answer_timeout = std::chrono::milliseconds{100};
  held_requests held;
  start(held.handler());
  auto client = connect();
  const auto late = client.ask("GET", "/slow");
  ASSERT_TRUE(late);
  EXPECT_EQ(late->status, 503);
  EXPECT_EQ(late->headers.at("retry-after"), "1");
  EXPECT_NE(late->body.find("\"code\":\"timed_out\""), std::string::npos);
  held.take(1)[0].answer({.status = 200});  // too late: must not be taken for the next one's
  client.send("GET /next HTTP/1.1\r\nHost: h\r\n\r\n");
  held.take(1)[0].answer({.status = 201});
  const auto next = client.receive();
  ASSERT_TRUE(next);
  EXPECT_EQ(next->status, 201);
  EXPECT_EQ(server->stats().deadlines_missed, 1u);
}

TEST_F(http_server_test, an_exception_in_a_handler_is_a_500_and_nothing_worse) {
  start([](http_request&&, const respond&) { throw std::runtime_error{"secret"}; });
  auto client = connect();
  const auto answer = client.ask("GET", "/");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 500);
  EXPECT_EQ(answer->body.find("secret"), std::string::npos);
  EXPECT_TRUE(client.ask("GET", "/"));
}

TEST_F(http_server_test, head_gets_the_header_of_the_answer_only) {
  start_echo();
  auto client = connect();
  const auto answer = client.ask("HEAD", "/page");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->headers.at("content-length"), "11");
  EXPECT_EQ(client.ask("GET", "/page")->body, "GET /page ");
}

TEST_F(http_server_test, http_1_0_and_connection_close_are_honoured) {
  start_echo();
  auto old = connect();
  old.send("GET /old HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.receive()->headers.at("connection"), "close");
  EXPECT_TRUE(old.is_closed());
  auto kept = connect();
  kept.send("GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(kept.receive()->headers.at("connection"), "keep-alive");
  EXPECT_EQ(kept.ask("GET", "/x", "", "Connection: close\r\n")->headers.at("connection"), "close");
  EXPECT_TRUE(kept.is_closed());
}

TEST_F(http_server_test, a_client_that_closes_its_half_still_gets_its_answer) {
  held_requests held;
  start(held.handler());
  auto client = connect();
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  client.shutdown_send();
  auto entries = held.take(1);
  entries[0].answer({.body = "here"});
  EXPECT_EQ(client.receive()->body, "here");
  EXPECT_TRUE(client.is_closed());
}

TEST_F(http_server_test, request_ids_are_taken_over_or_made) {
  start([](http_request&& r, const respond& answer) { answer({.body = r.request_id}); });
  auto client = connect();
  const auto given = client.ask("GET", "/", "", "X-Request-Id: abc-1.2_Z\r\n");
  EXPECT_EQ(given->headers.at("x-request-id"), "abc-1.2_Z");
  EXPECT_EQ(given->body, "abc-1.2_Z");
  const auto made = client.ask("GET", "/");
  const auto bad = client.ask("GET", "/", "", "X-Request-Id: a b\r\n");
  EXPECT_EQ(made->headers.at("x-request-id").size(), 13u);
  EXPECT_NE(bad->headers.at("x-request-id"), "a b");
  EXPECT_NE(bad->headers.at("x-request-id"), made->headers.at("x-request-id"));
}

TEST_F(http_server_test, a_problem_names_the_request) {
  start([](http_request&&, const respond& answer) {
    answer(problem(422, "bad_event", "a \"quoted\" thing", {{"/0/at", "not a time"}}));
  });
  auto client = connect();
  const auto answer = client.ask("POST", "/v1/events", "{}", "X-Request-Id: r1\r\n");
  EXPECT_EQ(answer->headers.at("content-type"), "application/problem+json");
  EXPECT_EQ(answer->body, R"({"type":"about:blank","title":"Unprocessable Content","status":422,)"
                          R"("code":"bad_event","detail":"a \"quoted\" thing",)"
                          R"("errors":[{"pointer":"/0/at","detail":"not a time"}],)"
                          R"("instance":"/v1/events","request_id":"r1"})");
}

TEST_F(http_server_test, work_posted_to_a_loop_runs_on_its_thread) {
  options.loops = 2;
  start([](http_request&& r, const respond& answer) {
    const auto loop = r.loop;
    loop.post(
        [loop, answer] { answer({.body = current_loop() == loop.index() ? "same" : "other"}); });
  });
  EXPECT_EQ(current_loop(), no_loop);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(connect().ask("GET", "/")->body, "same");
  std::promise<std::size_t> index;
  EXPECT_TRUE(server->loop_post(1, [&] { index.set_value(current_loop()); }));
  EXPECT_EQ(index.get_future().get(), 1u);
}

TEST_F(http_server_test, absolute_targets_lose_their_host) {
  start_echo();
  auto client = connect();
  EXPECT_EQ(client.ask("GET", "http://shop.example/x?y=1")->body, "GET /x ");
  EXPECT_EQ(client.ask("GET", "http://shop.example")->body, "GET / ");
  EXPECT_EQ(client.ask("GET", "no-slash")->status, 400);
}

TEST(http_server_start, refuses_settings_that_make_no_sense) {
  const auto nothing = [](http_request&&, const respond&) {};
  const auto code_of = [&](const http_options& o) {
    auto made = http_server::start(o, nothing);
    return made ? std::string{"started"} : std::string{to_string(made.error().code)};
  };
  EXPECT_EQ(code_of({}), "bad_option");
  EXPECT_EQ(code_of({.listen = {"127.0.0.1"}}), "bad_option");
  EXPECT_EQ(code_of({.listen = {"127.0.0.1:70000"}}), "bad_option");
  EXPECT_EQ(code_of({.listen = {"127.0.0.1:0"}, .loops = 0}), "bad_option");
  EXPECT_EQ(code_of({.listen = {"127.0.0.1:0"}, .trusted_proxies = {"10.0.0.0/33"}}), "bad_option");
  const auto first = http_server::start({.listen = {"127.0.0.1:0"}}, nothing);
  ASSERT_TRUE(first);
  EXPECT_EQ(code_of({.listen = {"127.0.0.1:" + std::to_string((*first)->port())}}), "io_error");
}

}  // namespace
}  // namespace tally::api

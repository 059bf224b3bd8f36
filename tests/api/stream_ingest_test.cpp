#include "api/stream_ingest.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "api/problem.hpp"
#include "api/stream_message.hpp"
#include "tests/support/http_fixture.hpp"
#include "tests/support/web_socket_client.hpp"

namespace tally::api {
namespace {

using nlohmann::json;
using test::web_socket_client;
using frame = test::web_socket_frame;

std::string msgpack_of(const json& value) {
  const auto bytes = json::to_msgpack(value);
  return {bytes.begin(), bytes.end()};
}

TEST(stream_message, a_body_is_left_as_it_is) {
  for (const std::string body :
       {R"({"name":"page_view"})", R"([{"name":"a"}])", "{\"name\":\"a\"}\n{\"name\":\"b\"}", "",
        "   ", R"({"seq":1,"name":"page_view"})", R"({"seq":1,"events":[],"more":1})",
        R"({"events":[]} {"events":[]})", R"({"seq":1,"events":[)", R"({"events")", "{", "\x81",
        R"({"events":"unclosed)", R"({})", R"({seq:1})", "{\"seq\":1,\"events\":[]}x"}) {
    const auto read = read_stream_message(std::string{body});
    ASSERT_TRUE(read) << body;
    EXPECT_EQ(read->body, body);
    EXPECT_FALSE(read->seq);
  }
}

TEST(stream_message, an_envelope_gives_its_events_as_they_are) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {R"({"seq":7,"events":[{"name":"a"}]})", R"([{"name":"a"}])"},
      {" \n{ \"events\" : {\"name\":\"}]\\\"\"} , \"seq\" : 7 }\r\n", R"({"name":"}]\""})"},
      {R"({"seq":7})", "[]"},
      {R"({"seq":7,"events":[{]}})", "[{]}"},  // what is wrong with it is said by its reader
  };
  for (const auto& [message, body] : cases) {
    const auto read = read_stream_message(std::string{message});
    ASSERT_TRUE(read) << message;
    EXPECT_EQ(read->seq, 7u) << message;
    EXPECT_EQ(read->body, body) << message;
  }
  const auto read = read_stream_message(
      R"({"key":"tw_\u0061","idempotency_key":"i \"1\"","events":[],"seq":9007199254740991})");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->key, "tw_a");
  EXPECT_EQ(read->idempotency_key, "i \"1\"");
  EXPECT_EQ(read->seq, stream_seq_max);
}

TEST(stream_message, an_envelope_may_be_messagepack) {
  const json events = json::array({{{"name", "a"}}, {{"name", "b"}}});
  const auto read = read_stream_message(
      msgpack_of({{"seq", 300}, {"events", events}, {"key", "tw_a"}, {"idempotency_key", "i"}}));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->seq, 300u);
  EXPECT_EQ(read->key, "tw_a");
  EXPECT_EQ(read->body, msgpack_of(events));
  const auto body = msgpack_of({{"name", "a"}, {"seq", 1}});
  EXPECT_EQ(read_stream_message(std::string{body})->body, body);
}

TEST(stream_message, a_wrong_member_of_an_envelope_is_named) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {R"({"seq":-1,"events":[]})", "seq: "},
      {R"({"seq":1.5,"events":[]})", "seq: "},
      {R"({"seq":"1","events":[]})", "seq: "},
      {R"({"seq":null,"events":[]})", "seq: "},
      {R"({"seq":9007199254740992})", "seq: "},
      {R"({"seq":1,"seq":2})", "seq: is there twice"},
      {R"({"key":7,"events":[]})", "key: "},
      {R"({"key":""})", "key: "},
      {R"({"idempotency_key":[]})", "idempotency_key: "},
      {R"({"key":")" + std::string(600, 'k') + "\"}", "key: "},
      {msgpack_of({{"seq", "1"}}), "seq: "},
      {msgpack_of({{"key", 1}}), "key: "},
  };
  for (const auto& [message, detail] : cases) {
    const auto read = read_stream_message(std::string{message});
    ASSERT_FALSE(read) << message;
    EXPECT_TRUE(read.error().detail.starts_with(detail)) << read.error().detail;
  }
}

/// Streams whose messages the test answers itself.
class stream_ingest_test : public test::http_test {
 protected:
  void open(std::string key = "tw_shop.key", const std::string& headers = "") {
    limits.socket.close_timeout = std::chrono::milliseconds{500};
    start([this, key](http_request&& r, const respond& answer) {
      answer(accept_web_socket(r, limits.socket,
                               make_stream_ingest(r, key, limits, posted.handler())));
    });
    client.emplace(connect());
    EXPECT_EQ(client->open("/v1/stream", "User-Agent: shop/1.0\r\n" + headers).status, 101);
  }
  json receive() { return json::parse(client->receive_text()); }
  static http_response receipt(int accepted) {
    return {.body = "{\"accepted\":" + std::to_string(accepted) + "}"};
  }

  stream_options limits;
  test::held_requests posted;
  std::optional<web_socket_client> client;
};

TEST_F(stream_ingest_test, a_message_is_a_request_and_its_answer_comes_back_numbered) {
  open();
  client->send_text(R"({"seq":7,"idempotency_key":"i","events":[{"name":"a"}]})");
  auto requests = posted.take(1);
  const auto& r = requests[0].request;
  EXPECT_EQ(r.method, http_method::post);
  EXPECT_EQ(r.path, "/v1/events");
  EXPECT_EQ(r.header("Authorization"), "Bearer tw_shop.key");
  EXPECT_EQ(r.header("User-Agent"), "shop/1.0");
  EXPECT_EQ(r.header("Idempotency-Key"), "i");
  EXPECT_EQ(r.client_address, "127.0.0.1");
  EXPECT_EQ(r.body, R"([{"name":"a"}])");
  requests[0].answer(receipt(1));
  EXPECT_EQ(receive(), json({{"message", 1}, {"seq", 7}, {"status", 200}, {"accepted", 1}}));

  client->send({.opcode = frame::binary, .payload = "{\"name\":\"a\"}\n{\"name\":\"b\"}"});
  requests = posted.take(1);
  EXPECT_EQ(requests[0].request.body, "{\"name\":\"a\"}\n{\"name\":\"b\"}");
  EXPECT_FALSE(requests[0].request.header("Idempotency-Key"));
  requests[0].answer(receipt(2));
  EXPECT_EQ(receive(), json({{"message", 2}, {"status", 200}, {"accepted", 2}}));
}

TEST_F(stream_ingest_test, whoever_asked_not_to_be_followed_at_its_opening_asks_for_all_messages) {
  for (const auto& [header, asks] : std::vector<std::pair<std::string, bool>>{
           {"Sec-GPC: 1\r\n", true}, {"DNT: 1\r\n", true}, {"DNT: 0\r\n", false}, {"", false}}) {
    open("tw_shop.key", header);
    client->send_text("[]");
    EXPECT_EQ(posted.take(1)[0].request.header("Sec-GPC").has_value(), asks) << header;
    client.reset();
    server.reset();
  }
}

TEST_F(stream_ingest_test, answers_come_as_soon_as_they_are_there) {
  open();
  for (int i = 1; i <= 3; ++i)
    client->send_text(R"({"events":[],"seq":)" + std::to_string(i) + "}");
  auto requests = posted.take(3);
  for (const std::size_t i : {2, 0, 1}) {
    requests[i].answer(receipt(0));
    EXPECT_EQ(receive()["seq"], i + 1);
  }
  requests[0].answer(receipt(5));  // a second answer is nobody's
  client->send_text(R"({"events":[],"seq":4})");
  posted.take(1)[0].answer(receipt(0));
  EXPECT_EQ(receive()["seq"], 4);
}

TEST_F(stream_ingest_test, a_refusal_says_what_the_http_answer_would) {
  open();
  client->send_text(R"({"seq":1,"events":[]})");
  posted.take(1)[0].answer(retry_later(problem(503, "unavailable", "later"), 2));
  auto got = receive();
  EXPECT_EQ(got["seq"], 1);
  EXPECT_EQ(got["status"], 503);
  EXPECT_EQ(got["code"], "unavailable");
  EXPECT_EQ(got["retry_after_s"], 2);
  client->send_text(R"({"seq":-1})");
  got = receive();
  EXPECT_EQ(got["message"], 2);
  EXPECT_EQ(got["status"], 400);
  EXPECT_EQ(got["code"], "bad_envelope");
  EXPECT_FALSE(got.contains("seq"));
}

TEST_F(stream_ingest_test, reads_no_more_than_may_be_in_flight) {
  limits.messages_max = 2;
  open();
  for (int i = 0; i < 5; ++i) client->send_text("[]");
  auto requests = posted.take(2);
  EXPECT_FALSE(client->has_input(std::chrono::milliseconds{300}));
  EXPECT_EQ(posted.size(), 0u);
  for (std::size_t answered = 0; answered < 5;) {
    for (auto& r : requests) {
      r.answer(receipt(0));
      EXPECT_EQ(receive()["message"], ++answered);
    }
    if (answered < 5) requests = posted.take(1);
  }
}

TEST_F(stream_ingest_test, what_nobody_answers_in_time_is_503) {
  limits.answer_timeout = std::chrono::milliseconds{100};
  open();
  client->send_text(R"({"seq":1,"events":[]})");
  const auto got = receive();
  EXPECT_EQ(got["status"], 503);
  EXPECT_EQ(got["code"], "timed_out");
  posted.take(1)[0].answer(receipt(1));
  client->send_text(R"({"seq":2,"events":[]})");
  posted.take(1)[0].answer(receipt(1));
  EXPECT_EQ(receive()["seq"], 2);
}

TEST_F(stream_ingest_test, the_key_may_come_with_the_first_message) {
  open("");
  client->send_text(R"({"seq":1,"key":"tw_shop.other"})");
  auto requests = posted.take(1);
  EXPECT_EQ(requests[0].request.header("Authorization"), "Bearer tw_shop.other");
  EXPECT_EQ(requests[0].request.body, "[]");
  requests[0].answer(receipt(0));
  EXPECT_EQ(receive()["status"], 200);
  client->send_text(R"({"name":"a"})");
  requests = posted.take(1);
  EXPECT_EQ(requests[0].request.header("Authorization"), "Bearer tw_shop.other");
  requests[0].answer(receipt(1));
  EXPECT_EQ(receive()["accepted"], 1);
  client->send_text(R"({"key":"tw_shop.third"})");
  EXPECT_EQ(receive()["code"], "bad_envelope");
}

TEST_F(stream_ingest_test, an_unknown_key_ends_the_stream_after_its_answer) {
  open();
  client->send_text("[]");
  posted.take(1)[0].answer(problem(401, "unknown_key", "no such key"));
  EXPECT_EQ(receive()["status"], 401);
  EXPECT_EQ(client->receive_close(), 1008u);
}

TEST_F(stream_ingest_test, a_stream_without_key_and_message_ends) {
  limits.key_timeout = std::chrono::milliseconds{50};
  open("");
  EXPECT_EQ(client->receive_close(), 1008u);
}

TEST_F(stream_ingest_test, a_drain_answers_what_was_taken_and_then_ends_with_1001) {
  open();
  client->send_text(R"({"seq":1,"events":[]})");
  auto requests = posted.take(1);
  std::thread ender{[&] { EXPECT_TRUE(server->drain(std::chrono::seconds{20})); }};
  usleep(50'000);
  client->send_text(R"({"seq":2,"events":[]})");  // too late: never answered, to be sent again
  EXPECT_FALSE(client->has_input(std::chrono::milliseconds{100}));
  requests[0].answer(receipt(1));
  EXPECT_EQ(receive()["seq"], 1);
  EXPECT_EQ(client->receive_close(), 1001u);
  ender.join();
  EXPECT_EQ(posted.size(), 0u);
  EXPECT_EQ(server->stats().buffered_bytes, 0);
}

TEST_F(stream_ingest_test, answers_after_the_client_or_the_server_is_gone_are_dropped) {
  open();
  client->send_text("[]");
  auto requests = posted.take(1);
  client.reset();
  for (int i = 0; i < 20'000 && server->stats().connections_open != 0; ++i) usleep(1'000);
  requests[0].answer(receipt(1));
  client.emplace(connect());
  EXPECT_EQ(client->open("/v1/stream").status, 101);
  client->send_text("[]");
  requests = posted.take(1);
  server.reset();
  requests[0].answer(receipt(1));
}

}  // namespace
}  // namespace tally::api

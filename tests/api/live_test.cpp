#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <future>
#include <nlohmann/json.hpp>

#include "actors/metrics.hpp"
#include "api/routes.hpp"
#include "tests/support/http_fixture.hpp"
#include "tests/support/web_socket_client.hpp"

namespace tally::api {
namespace {

using nlohmann::json;
using test::http_client;
using test::web_socket_client;
namespace fs = std::filesystem;

/// A whole node but for its settings: engine, routes and a server.
class live_test : public test::http_test {
 protected:
  live_test() {
    static int number = 0;
    folder = fs::temp_directory_path() /
             ("tally-live-" + std::to_string(getpid()) + "-" + std::to_string(number++));
    fs::remove_all(folder);
    node.data_dir = folder.string();
    node.visible_patience = std::chrono::seconds{60};
  }
  ~live_test() override {
    server.reset();
    api.reset();
    engine.reset();
    fs::remove_all(folder);
  }
  void run() {
    auto made = actors::engine::start(node);
    ASSERT_TRUE(made) << made.error().text();
    engine = std::move(*made);
    api = std::make_unique<public_api>(*engine, rules);
    start(api->handle());
  }
  json command(std::vector<std::string> words) const {
    std::promise<result<std::string>> done;
    auto future = done.get_future();
    engine->command(std::move(words), [&](result<std::string> r) { done.set_value(std::move(r)); });
    const auto text = future.get();
    return text ? json::parse(*text) : json{{"error", text.error().text()}};
  }
  /// A new merchant's (write key, read key).
  std::pair<std::string, std::string> merchant(const std::string& name) const {
    const auto made = command({"merchant", "create", name});
    return {made.at("write_key"), made.at("read_key")};
  }
  static std::string bearer(const std::string& key) {
    return "Authorization: Bearer " + key + "\r\n";
  }
  void send(const std::string& key, const json& events) const {
    const auto answer = connect().ask("POST", "/v1/events", events.dump(), bearer(key));
    ASSERT_TRUE(answer);
    ASSERT_EQ(answer->status, 200) << answer->body;
  }
  json look(const std::string& key) const {
    const auto answer = connect().ask("GET", "/v1/live", "", bearer(key));
    EXPECT_EQ(answer->status, 200) << answer->body;
    return json::parse(answer->body);
  }
  static json view(const std::string& visitor, const std::string& page, const std::string& id) {
    return {{"name", "page_view"},
            {"visitor", visitor},
            {"url", "https://shop.example" + page},
            {"referrer", "https://search.example/"},
            {"id", id},
            {"at", now_ms()}};
  }
  static std::int64_t now_ms() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
  void wait_for_subscriptions(int count) const {
    for (int i = 0; i < 20'000 && engine->metrics().live_subscriptions != count; ++i) usleep(1'000);
    EXPECT_EQ(engine->metrics().live_subscriptions, count);
  }

  fs::path folder;
  actors::engine_options node;
  routes_options rules;
  std::unique_ptr<actors::engine> engine;
  std::unique_ptr<public_api> api;
};

/// A client of Server-Sent Events.
class sse_client {
 public:
  struct message {
    std::string id, data;
  };
  sse_client(http_client connection, const std::string& headers)
      : connection_{std::move(connection)} {
    connection_.send("GET /v1/live HTTP/1.1\r\nHost: t\r\nAccept: text/event-stream\r\n" + headers +
                     "\r\n");
    answer = connection_.receive(true);
  }
  /// The next block: a message, or a comment with neither id nor data. Nothing at the end.
  std::optional<message> receive() {
    std::size_t end = 0;
    while ((end = in_.find("\n\n")) == std::string::npos) {
      const auto more = connection_.read_some();
      if (more.empty()) return std::nullopt;
      in_ += more;
    }
    message m;
    std::istringstream lines{in_.substr(0, end)};
    in_.erase(0, end + 2);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("id: ")) m.id = line.substr(4);
      if (line.starts_with("data: ")) m.data = line.substr(6);
    }
    return m;
  }
  /// The data of the next message.
  json next() {
    while (const auto m = receive())
      if (!m->data.empty()) return json::parse(m->data);
    return nullptr;
  }
  std::optional<test::http_answer> answer;

 private:
  http_client connection_;
  std::string in_;
};

TEST_F(live_test, shows_who_is_there_from_the_first_look_on) {
  run();
  const auto [write, read] = merchant("shop");
  send(write, {view("early", "/", "0")});
  auto got = look(read);
  EXPECT_EQ(got["merchant"], "shop");
  EXPECT_EQ(got["visitors_now"], 0);
  EXPECT_EQ(got["complete"], false);
  const auto since = got["since"];
  const auto offset = got["offset"].get<std::uint64_t>();
  send(write, {view("ann", "/a?mail=x", "1"),
               view("ann", "/b", "2"),
               view("bob", "/a", "3"),
               view("bob", "/a", "3"),
               {{"name", "Signup"}, {"user", "bob"}, {"id", "4"}}});
  got = look(read);
  EXPECT_EQ(got["visitors_now"], 2);
  EXPECT_EQ(got["pageviews_5m"], 3);
  EXPECT_EQ(got["by_page"], json::parse(R"([{"page":"/a","visitors":2,"pageviews":2},
                            {"page":"/b","visitors":1,"pageviews":1}])"));
  EXPECT_EQ(got["by_country"][0]["country"], nullptr);
  EXPECT_EQ(got["by_source"][0]["source"], "search.example");
  ASSERT_EQ(got["last_events"].size(), 4u);
  EXPECT_EQ(got["last_events"][0].size(), 4u);  // name, page, country, at: nothing of the person
  EXPECT_EQ(got["since"], since);
  EXPECT_GE(got["offset"].get<std::uint64_t>(), offset + 4);
}

TEST_F(live_test, wants_a_read_key) {
  run();
  const auto [write, read] = merchant("shop");
  auto client = connect();
  EXPECT_EQ(client.ask("GET", "/v1/live")->status, 401);
  EXPECT_EQ(client.ask("GET", "/v1/live", "", bearer(write))->status, 403);
  EXPECT_EQ(client.ask("GET", "/v1/live?merchant=other", "", bearer(read))->status, 403);
  EXPECT_EQ(client.ask("GET", "/v1/live?key=" + read)->status, 200);
  EXPECT_EQ(client.ask("POST", "/v1/live", "x", bearer(read))->status, 405);
}

TEST_F(live_test, a_stream_tells_the_whole_numbers_whenever_they_change) {
  run();
  const auto [write, read] = merchant("shop");
  sse_client client{connect(), bearer(read) + "Last-Event-ID: 7\r\n"};
  ASSERT_TRUE(client.answer);
  EXPECT_EQ(client.answer->status, 200);
  EXPECT_EQ(client.answer->headers.at("content-type"), "text/event-stream");
  EXPECT_EQ(client.answer->headers.count("content-length"), 0u);
  EXPECT_EQ(client.next()["visitors_now"], 0);
  send(write, {view("ann", "/", "1")});
  const auto begun = std::chrono::steady_clock::now();
  std::optional<sse_client::message> told;
  do told = client.receive();
  while (told && told->data.empty());
  ASSERT_TRUE(told);
  const auto numbers = json::parse(told->data);
  EXPECT_EQ(numbers["visitors_now"], 1);
  EXPECT_EQ(told->id, std::to_string(numbers["offset"].get<std::uint64_t>()));
  // Many changes, few messages: the last one has them all.
  int messages = 0;
  json last;
  for (int i = 0; i < 20; ++i)
    send(write, {view("v" + std::to_string(i), "/", "m" + std::to_string(i))});
  do {
    last = client.next();
    ++messages;
  } while (!last.is_null() && last["visitors_now"] != 21);
  EXPECT_EQ(last["visitors_now"], 21);
  const auto took = std::chrono::steady_clock::now() - begun;
  EXPECT_LE(messages, 2 + took / std::chrono::seconds{1});
}

TEST_F(live_test, a_web_socket_gets_the_same_messages) {
  run();
  const auto [write, read] = merchant("shop");
  web_socket_client client{connect()};
  EXPECT_EQ(client.open("/v1/live?key=" + read).status, 101);
  EXPECT_EQ(json::parse(client.receive_text())["visitors_now"], 0);
  client.send_text("nobody listens to this");
  send(write, {view("ann", "/", "1")});
  EXPECT_EQ(json::parse(client.receive_text())["visitors_now"], 1);
  EXPECT_TRUE(server->drain(std::chrono::seconds{20}));
  EXPECT_EQ(client.receive_close(), 1001u);
  wait_for_subscriptions(0);
}

TEST_F(live_test, a_drain_ends_a_stream) {
  run();
  const auto [write, read] = merchant("shop");
  sse_client client{connect(), bearer(read)};
  EXPECT_EQ(client.next()["visitors_now"], 0);
  EXPECT_TRUE(server->drain(std::chrono::seconds{20}));
  EXPECT_TRUE(client.next().is_null());
  wait_for_subscriptions(0);
}

TEST_F(live_test, a_merchant_that_sleeps_is_not_woken_and_wakes_with_its_feed) {
  run();
  const auto [write, read] = merchant("shop");
  send(write, {view("ann", "/", "1")});
  sse_client client{connect(), bearer(read)};
  EXPECT_EQ(client.next()["visitors_now"], 0);
  command({"passivate", "shop"});
  for (int i = 0; i < 20'000 && engine->metrics().passivations == 0; ++i) usleep(1'000);
  const auto woken = engine->metrics().wake_ups.load();
  EXPECT_EQ(look(read)["visitors_now"], 0);
  web_socket_client other{connect()};
  EXPECT_EQ(other.open("/v1/live?key=" + read).status, 101);
  EXPECT_EQ(engine->metrics().wake_ups, woken);
  send(write, {view("bob", "/", "2")});
  EXPECT_EQ(client.next()["visitors_now"], 1);
  EXPECT_EQ(engine->metrics().wake_ups, woken + 1);
}

TEST_F(live_test, a_silent_stream_has_a_heart_beat) {
  rules.live.heart_beat = std::chrono::milliseconds{100};
  run();
  const auto [write, read] = merchant("shop");
  sse_client client{connect(), bearer(read)};
  EXPECT_EQ(client.next()["visitors_now"], 0);
  for (int i = 0; i < 2; ++i) {
    const auto beat = client.receive();
    ASSERT_TRUE(beat);
    EXPECT_TRUE(beat->data.empty() && beat->id.empty());
  }
}

TEST_F(live_test, subscriptions_are_limited_and_given_back) {
  node.live_merchant_subscriptions_max = 2;
  node.live_subscriptions_max = 3;
  run();
  const auto [write, read] = merchant("shop");
  const auto [other_write, other_read] = merchant("other");
  auto first = std::make_unique<sse_client>(connect(), bearer(read));
  const sse_client second{connect(), bearer(read)};
  const sse_client third{connect(), bearer(read)};
  EXPECT_EQ(third.answer->status, 429);
  EXPECT_EQ(third.answer->headers.count("retry-after"), 1u);
  const sse_client fourth{connect(), bearer(other_read)};
  EXPECT_EQ(fourth.answer->status, 200);
  web_socket_client fifth{connect()};
  EXPECT_EQ(fifth.open("/v1/live?key=" + other_read).status, 503);
  EXPECT_EQ(look(read)["visitors_now"], 0);  // looking once is no subscription
  first.reset();
  wait_for_subscriptions(2);
  const sse_client sixth{connect(), bearer(read)};
  EXPECT_EQ(sixth.answer->status, 200);
}

TEST_F(live_test, numbers_are_forgotten_when_nobody_looks) {
  node.live_keep = std::chrono::milliseconds{1};
  run();
  const auto [write, read] = merchant("shop");
  send(write, {view("ann", "/", "1")});
  {
    sse_client client{connect(), bearer(read)};
    EXPECT_EQ(client.next()["visitors_now"], 0);
    send(write, {view("bob", "/", "2")});
    EXPECT_EQ(client.next()["visitors_now"], 1);
    EXPECT_EQ(engine->metrics().live_windows, 1);
  }
  for (int i = 0; i < 20'000 && engine->metrics().live_windows != 0; ++i) usleep(1'000);
  EXPECT_EQ(engine->metrics().live_windows, 0);
  send(write, {view("eve", "/", "3")});  // its aggregator has let go of it
  for (int i = 0; i < 20'000 && engine->metrics().live_window_bytes != 0; ++i) usleep(1'000);
  EXPECT_EQ(engine->metrics().live_window_bytes, 0);
  EXPECT_EQ(look(read)["visitors_now"], 0);
}

TEST_F(live_test, a_revoked_key_ends_its_subscriptions) {
  rules.live.key_check = std::chrono::milliseconds{50};
  run();
  const auto [write, read] = merchant("shop");
  sse_client stream{connect(), bearer(read)};
  EXPECT_EQ(stream.next()["visitors_now"], 0);
  web_socket_client socket{connect()};
  EXPECT_EQ(socket.open("/v1/live?key=" + read).status, 101);
  EXPECT_EQ(command({"key", "revoke", read}).count("error"), 0u);
  api->change(rules);  // forgets what keys were found to be
  EXPECT_TRUE(stream.next().is_null());
  EXPECT_EQ(socket.receive_close(), 1008u);
  wait_for_subscriptions(0);
}

TEST_F(live_test, a_server_that_ends_at_once_gives_subscriptions_back) {
  run();
  const auto [write, read] = merchant("shop");
  sse_client stream{connect(), bearer(read)};
  EXPECT_EQ(stream.next()["visitors_now"], 0);
  server.reset();
  EXPECT_EQ(engine->metrics().live_subscriptions, 0);
}

TEST_F(live_test, a_stream_of_messages_takes_the_way_of_requests) {
  run();
  const auto [write, read] = merchant("shop");
  web_socket_client refused{connect()};
  EXPECT_EQ(refused.open("/v1/stream?key=" + read).status, 403);
  web_socket_client client{connect()};
  EXPECT_EQ(client.open("/v1/stream", bearer(write)).status, 101);
  client.send_text(R"({"seq":1,"events":[{"name":"a","id":"1","at":1700000000000},{"id":"2"}]})");
  auto got = json::parse(client.receive_text());
  EXPECT_EQ(got["seq"], 1);
  EXPECT_EQ(got["status"], 200);
  EXPECT_EQ(got["accepted"], 1);
  EXPECT_EQ(got["rejected"][0]["code"], "missing_name");
  client.send_text(R"({"seq":2,"events":{"name":"a","id":"1","at":1700000000000}})");
  EXPECT_EQ(json::parse(client.receive_text())["duplicate"], 1);
  client.send_text(R"({"seq":3,"events":[{"name":]})");
  got = json::parse(client.receive_text());
  EXPECT_EQ(got["message"], 3);  // whose seq cannot be read
  EXPECT_EQ(got["status"], 400);
  web_socket_client late{connect()};
  EXPECT_EQ(late.open("/v1/stream").status, 101);
  late.send_text(R"({"key":"tw_shop.wrong","events":[]})");
  EXPECT_EQ(json::parse(late.receive_text())["status"], 401);
  EXPECT_EQ(late.receive_close(), 1008u);
}

}  // namespace
}  // namespace tally::api

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "tests/support/http_fixture.hpp"

namespace tally::api {
namespace {

using namespace std::chrono_literals;
using test::held_requests;
using test::http_client;

class http_pipeline_test : public test::http_test {
 protected:
  static std::string get(int i) {
    return "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\n\r\n";
  }
};

TEST_F(http_pipeline_test, answers_keep_the_order_of_the_requests) {
  held_requests held;
  start(held.handler());
  auto client = connect();
  std::string text;
  for (int i = 0; i < 5; ++i) text += get(i);
  client.send(text);
  auto entries = held.take(5);
  for (const int i : {3, 1, 4, 2, 0})
    entries[static_cast<std::size_t>(i)].answer({.body = std::to_string(i)});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(client.receive()->body, std::to_string(i));
}

TEST_F(http_pipeline_test, only_so_many_requests_are_in_flight) {
  options.pipeline_max = 4;
  held_requests held;
  start(held.handler());
  auto client = connect();
  std::string text;
  for (int i = 0; i < 10; ++i) text += get(i);
  client.send(text);
  auto entries = held.take(4);
  std::this_thread::sleep_for(30ms);
  EXPECT_EQ(held.size(), 0u);
  EXPECT_EQ(server->stats().requests_in_flight, 4);
  entries[1].answer({.body = "1"});  // out of order: frees no place
  std::this_thread::sleep_for(30ms);
  EXPECT_EQ(held.size(), 0u);
  entries[0].answer({.body = "0"});
  auto next = held.take(2);
  EXPECT_EQ(next[0].request.path, "/4");
  EXPECT_EQ(next[1].request.path, "/5");
}

TEST_F(http_pipeline_test, a_thousand_pipelined_requests_are_all_answered) {
  start_echo();
  auto client = connect();
  std::string text;
  for (int i = 0; i < 1'000; ++i) text += get(i);
  std::thread sender{[&] { client.send(text); }};
  for (int i = 0; i < 1'000; ++i) {
    const auto answer = client.receive();
    ASSERT_TRUE(answer) << i;
    ASSERT_EQ(answer->body, "GET /" + std::to_string(i) + " ");
  }
  sender.join();
}

TEST_F(http_pipeline_test, answers_nobody_reads_stop_the_reading) {
  std::atomic<int> calls{0};
  start([&](http_request&&, const respond& answer) {
    ++calls;
    answer({.body = std::string(1 << 20, 'x')});
  });
  auto client = connect();
  std::string text;
  for (int i = 0; i < 200; ++i) text += get(i);
  client.send(text);
  std::this_thread::sleep_for(200ms);
  EXPECT_LT(calls, 100);
  for (int i = 0; i < 200; ++i) ASSERT_EQ(client.receive()->body.size(), 1u << 20) << i;
}

TEST_F(http_pipeline_test, a_bad_request_waits_for_the_answers_before_it) {
  held_requests held;
  start(held.handler());
  auto client = connect();
  client.send(get(0) + "nonsense\r\n\r\n");
  held.take(1)[0].answer({.body = "0"});
  EXPECT_EQ(client.receive()->body, "0");
  EXPECT_EQ(client.receive()->status, 400);
  EXPECT_TRUE(client.is_closed());
}

TEST_F(http_pipeline_test, many_threads_may_answer_many_connections) {
  options.loops = 2;
  held_requests held;
  start(held.handler());
  std::atomic<bool> stop{false};
  std::vector<std::thread> answerers;
  for (int t = 0; t < 2; ++t)
    answerers.emplace_back([&] {
      while (!stop) {
        for (auto& e : held.take(0)) e.answer({.body = e.request.path});
        std::this_thread::yield();
      }
    });
  std::vector<std::thread> clients;
  std::atomic<int> right{0};
  for (int c = 0; c < 8; ++c)
    clients.emplace_back([&] {
      auto client = connect();
      for (int round = 0; round < 20; ++round) {
        std::string text;
        for (int i = 0; i < 10; ++i) text += get(round * 10 + i);
        client.send(text);
        for (int i = 0; i < 10; ++i) {
          const auto answer = client.receive();
          if (answer && answer->body == "/" + std::to_string(round * 10 + i)) ++right;
        }
      }
    });
  for (auto& c : clients) c.join();
  stop = true;
  for (auto& a : answerers) a.join();
  EXPECT_EQ(right, 8 * 200);
}

TEST_F(http_pipeline_test, draining_lets_requests_in_flight_end) {
  held_requests held;
  start(held.handler());
  auto idle = connect();
  idle.send(get(0));
  held.take(1)[0].answer({});
  EXPECT_TRUE(idle.receive());
  auto busy = connect();
  busy.send(get(1) + get(2));
  auto entries = held.take(2);
  auto drained = std::async(std::launch::async, [&] { return server->drain(10s); });
  EXPECT_TRUE(idle.is_closed());
  EXPECT_THROW(connect(), std::runtime_error);
  entries[0].answer({.body = "1"});
  entries[1].answer({.body = "2"});
  EXPECT_EQ(busy.receive()->body, "1");
  const auto last = busy.receive();
  EXPECT_EQ(last->body, "2");
  EXPECT_EQ(last->headers.at("connection"), "close");
  EXPECT_TRUE(busy.is_closed());
  EXPECT_TRUE(drained.get());
}

TEST_F(http_pipeline_test, draining_has_a_limit) {
  held_requests held;
  start(held.handler());
  auto client = connect();
  client.send(get(0));
  held.take(1);
  EXPECT_FALSE(server->drain(50ms));
  server.reset();
  EXPECT_TRUE(client.is_closed());
}

class http_listener_test : public test::http_test {
 protected:
  http_listener_test() {
    std::string form = std::filesystem::temp_directory_path() / "tally-http-XXXXXX";
    folder = mkdtemp(form.data());
  }
  ~http_listener_test() override { std::filesystem::remove_all(folder); }
  std::filesystem::path folder;
};

TEST_F(http_listener_test, a_unix_socket_serves_and_leaves_nothing_behind) {
  const auto path = folder / "s";
  options.listen = {"unix:" + path.string(), "127.0.0.1:0"};
  start([](http_request&& r, const respond& answer) {
    answer({.body = "[" + r.client_address + "]"});
  });
  EXPECT_EQ(server->endpoints()[0], "unix:" + path.string());
  EXPECT_EQ(server->port(0), 0);
  EXPECT_NE(server->port(1), 0);
  struct stat facts {};
  ASSERT_EQ(stat(path.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0660u);
  auto client = http_client::unix_socket(path);
  EXPECT_EQ(client.ask("GET", "/")->body, "[]");
  auto tcp = http_client::tcp(server->port(1));
  EXPECT_EQ(tcp.ask("GET", "/")->body, "[127.0.0.1]");
  server.reset();
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(http_listener_test, a_stale_socket_file_is_replaced_and_nothing_else) {
  const auto path = folder / "s";
  options.listen = {"unix:" + path.string()};
  const int dead = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.string().copy(address.sun_path, sizeof address.sun_path);
  ASSERT_EQ(::bind(dead, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::close(dead);
  start_echo();
  auto second = http_server::start(options, [](http_request&&, const respond&) {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, errc::conflict);
  auto client = http_client::unix_socket(path);
  EXPECT_EQ(client.ask("GET", "/")->status, 200);
  server.reset();
  std::ofstream{path} << "precious";
  auto third = http_server::start(options, [](http_request&&, const respond&) {});
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code, errc::conflict);
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(http_listener_test, ipv6_serves) {
  options.listen = {"[::1]:0"};
  auto made = http_server::start(
      options, [](http_request&& r, const respond& answer) { answer({.body = r.client_address}); });
  if (!made) GTEST_SKIP() << "no IPv6 on this machine: " << made.error().text();
  EXPECT_EQ((*made)->endpoints()[0], "[::1]:" + std::to_string((*made)->port()));
  auto client = http_client::tcp((*made)->port(), "::1");
  EXPECT_EQ(client.ask("GET", "/")->body, "::1");
}

TEST_F(http_listener_test, proxies_tell_the_client_address) {
  const auto path = folder / "s";
  options.listen = {"127.0.0.1:0", "unix:" + path.string()};
  options.trusted_proxies = {"127.0.0.0/8", "10.0.0.0/8", "unix"};
  start([](http_request&& r, const respond& answer) { answer({.body = r.client_address}); });
  auto tcp = connect();
  const std::string from = "X-Forwarded-For: ";
  EXPECT_EQ(tcp.ask("GET", "/", "", from + "6.6.6.6, 9.9.9.9, 10.1.2.3\r\n")->body, "9.9.9.9");
  auto local = http_client::unix_socket(path);
  EXPECT_EQ(local.ask("GET", "/", "", from + "2001:db8::1\r\n")->body, "2001:db8::1");
}

}  // namespace
}  // namespace tally::api

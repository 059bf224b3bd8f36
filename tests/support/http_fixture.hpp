#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "api/http_server.hpp"
#include "tests/support/http_client.hpp"

namespace tally::test {

/// A server on loopback whose handler each test writes.
class http_test : public testing::Test {
 protected:
  http_test() {
    options.listen = {"127.0.0.1:0"};
    options.linger_timeout = std::chrono::milliseconds{300};
  }

  void start(api::handler handle) {
    auto made = api::http_server::start(options, std::move(handle));
    ASSERT_TRUE(made) << made.error().text();
    server = std::move(*made);
  }
  /// Answers with method, path and body.
  void start_echo() {
    start([](api::http_request&& r, const api::respond& answer) {
      answer({.content_type = "text/plain",
              .body = std::string{to_string(r.method)} + " " + r.path + " " + r.body});
    });
  }
  [[nodiscard]] http_client connect() const { return http_client::tcp(server->port()); }

  api::http_options options;
  std::unique_ptr<api::http_server> server;
};

/// Keeps the requests of a handler for the test to answer, on whatever thread.
class held_requests {
 public:
  struct entry {
    api::http_request request;
    api::respond answer;
  };
  api::handler handler() {
    return [this](api::http_request&& r, api::respond answer) {
      const std::lock_guard lock{mutex_};
      entries_.push_back({std::move(r), std::move(answer)});
    };
  }
  /// Waits until there are `count` and gives them in the order of arrival.
  std::vector<entry> take(std::size_t count) {
    for (int i = 0; i < 20'000; ++i) {
      {
        const std::lock_guard lock{mutex_};
        if (entries_.size() >= count) return std::exchange(entries_, {});
      }
      usleep(1'000);
    }
    throw std::runtime_error{"the requests did not arrive"};
  }
  std::size_t size() {
    const std::lock_guard lock{mutex_};
    return entries_.size();
  }

 private:
  std::mutex mutex_;
  std::vector<entry> entries_;
};

}  // namespace tally::test

#pragma once

#include <cstdlib>
#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "scripted_server.hpp"

namespace tally::api {

using nlohmann::json;

/// A node that keeps what it accepts, and whose next answers a test may choose.
class fake_node {
 public:
  using answering = std::function<std::string(int request, const std::vector<json>& events)>;

  explicit fake_node(answering choose = {})
      : choose_{std::move(choose)}, server_{[this](int connection, int) { talk(connection); }} {}

  [[nodiscard]] std::string place() const { return server_.place(); }
  std::vector<std::string> ids() {
    const std::lock_guard lock{mutex_};
    return ids_;
  }
  int requests() {
    const std::lock_guard lock{mutex_};
    return requests_;
  }

 private:
  void talk(int connection) {
    while (true) {
      const auto head = read_request(connection, 0);
      const auto at = head.find("Content-Length: ");
      if (at == std::string::npos) return;
      const auto size = std::strtoull(head.c_str() + at + 16, nullptr, 10);
      auto body = head.substr(head.find("\r\n\r\n") + 4);
      while (body.size() < size) {
        char piece[4096];
        const auto got = ::read(connection, piece, sizeof piece);
        if (got <= 0) return;
        body.append(piece, static_cast<std::size_t>(got));
      }
      answer(connection, reply_to(body));
    }
  }
  std::string reply_to(const std::string& body) {
    std::vector<json> events;
    std::istringstream lines{body};
    for (std::string line; std::getline(lines, line);) events.push_back(json::parse(line));
    const std::lock_guard lock{mutex_};
    auto chosen = choose_ ? choose_(requests_, events) : std::string{};
    ++requests_;
    if (!chosen.empty()) return chosen;
    std::size_t fresh = 0;
    for (const auto& e : events) {
      fresh += seen_.insert(e.at("id")).second ? 1 : 0;
      ids_.push_back(e.at("id"));
    }
    return ok(json{{"accepted", fresh}, {"duplicate", events.size() - fresh}});
  }

 public:
  static std::string ok(const json& receipt) {
    const auto text = receipt.dump();
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(text.size()) + "\r\n\r\n" + text;
  }

 private:
  std::mutex mutex_;
  answering choose_;
  std::vector<std::string> ids_;
  std::set<std::string> seen_;
  int requests_ = 0;
  scripted_server server_;
};

}  // namespace tally::api

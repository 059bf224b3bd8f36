#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <thread>
#include <utility>

namespace tally::api {

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

inline std::string read_request(int connection, std::size_t body) {
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

inline void answer(int connection, const std::string& text) {
  EXPECT_EQ(::write(connection, text.data(), text.size()), static_cast<ssize_t>(text.size()));
}

}  // namespace tally::api

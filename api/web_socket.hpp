#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "api/http_budget.hpp"
#include "api/http_message.hpp"

namespace tally::api {

/// Limits of one WebSocket.
struct web_socket_options {
  std::size_t message_bytes_max = 5 << 20;          // larger: close 1009
  std::chrono::milliseconds idle_timeout{60'000};   // pinged after half of it, then dropped
  std::chrono::milliseconds write_timeout{30'000};  // without progress, then dropped
  std::chrono::milliseconds close_timeout{2'000};   // for the other side to agree to the end
};

/// Why we end a WebSocket; numbers of RFC 6455 and its registry. What breaks the protocol itself
/// ends with 1002, 1007 or 1009, which the protocol sends on its own.
enum class web_socket_end : std::uint16_t {
  going_away = 1001,  // the node ends
  policy = 1008,      // no key, or one that may not
  overloaded = 1013,  // no memory left for messages
};

/// What a WebSocket can be told. On its loop's thread only.
class web_socket_line {
 public:
  virtual ~web_socket_line() = default;
  /// Sends a text message after those before it.
  virtual void send(std::string text) = 0;
  /// Messages given to send() that have not left yet.
  [[nodiscard]] virtual std::size_t unsent() const = 0;
  /// Reads on, after wants_more() was false.
  virtual void read_on() = 0;
  /// Ends it after what was sent; nothing is received any more. May be repeated.
  virtual void end(web_socket_end why, std::string reason) = 0;
};

/// What a WebSocket is for. Everything runs on its loop's thread.
class web_socket_user {
 public:
  virtual ~web_socket_user() = default;
  /// Shaken hands. `line` may be used until closed().
  virtual void opened(web_socket_line& line) = 0;
  /// One whole message. `charge` holds its part of the server's memory.
  virtual void received(std::string&& message, bool binary, http_charge charge) = 0;
  /// False while nothing more is to be read.
  [[nodiscard]] virtual bool wants_more() const = 0;
  /// A message has left; fewer are unsent.
  virtual void sent() = 0;
  /// The server is about to end: finish, then line.end(). Called until it is over.
  virtual void drain() = 0;
  virtual void check_time(std::chrono::steady_clock::time_point now) = 0;
  /// The last call, unless it never opened.
  virtual void closed() = 0;
};

/// True where the request asks for a WebSocket at all.
[[nodiscard]] bool wants_web_socket(const http_request& request);
/// The answer that makes one of the connection, for `user`; 400 or 426 where the request is not
/// what RFC 6455 wants.
[[nodiscard]] http_response accept_web_socket(const http_request& request,
                                              const web_socket_options& options,
                                              std::shared_ptr<web_socket_user> user);

}  // namespace tally::api

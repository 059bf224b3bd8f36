#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tally::api {

// NOLINTNEXTLINE(readability-identifier-naming): `delete` is a keyword
enum class http_method : std::uint8_t { get, head, post, put, patch, delete_, options, other };

[[nodiscard]] std::string_view to_string(http_method method);

/// The header fields of one request in the order of arrival, in one piece of memory.
class http_headers {
 public:
  /// Neither part may be longer than 65,535 bytes; the server's header limit is far below.
  void add(std::string_view name, std::string_view value);
  /// First value with this name, whatever its case. Points into this object.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const;
  /// Calls `see(name, value)` for every field.
  template <class See>
  void each(See see) const {
    for (std::size_t at = 0; at < bytes_.size();) {
      const auto [name, value] = field_at(at);
      see(name, value);
      at += 4 + name.size() + value.size();
    }
  }

 private:
  [[nodiscard]] std::pair<std::string_view, std::string_view> field_at(std::size_t at) const;

  std::string bytes_;  // per field: name size and value size, two bytes each, name, value
};

class http_mailbox;  // of an I/O loop, api/http_loop.hpp

constexpr std::size_t no_loop = ~std::size_t{0};

/// The I/O loop a request arrived on: a way to run functions there later. Cheap to copy, stays
/// valid when the server is gone. Every function may be called from any thread.
class executor_ref {
 public:
  executor_ref() = default;
  explicit executor_ref(std::shared_ptr<http_mailbox> box) : box_{std::move(box)} {}

  /// Runs `work` on the loop's thread after what is ready now. False where the loop has ended:
  /// `work` was dropped.
  bool post(std::function<void()> work) const;
  /// 0 .. http_options::loops - 1; no_loop for a default-made one.
  [[nodiscard]] std::size_t index() const;

 private:
  std::shared_ptr<http_mailbox> box_;
};

/// Loop index of the calling thread within its server, no_loop on every other thread.
[[nodiscard]] std::size_t current_loop();

/// One complete request.
struct http_request {
  http_method method = http_method::get;
  std::string path;   // as sent, not decoded, without the query; begins with '/'
  std::string query;  // as sent, without '?'
  http_headers headers;
  /// Without transfer and content encoding. Where not empty, at least 64 bytes of capacity follow
  /// the end, zeroed, as simdjson wants. A move keeps them, a copy does not.
  std::string body{};
  std::string client_address;  // number only, as trusted proxies tell; "" over a unix socket
  std::string request_id;
  bool keep_alive = true;
  bool is_relayed = false;  // by another node of the cluster, which waits for the answer
  executor_ref loop;

  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const {
    return headers.find(name);
  }
  /// First query parameter with this name, decoded ("+" is a space).
  [[nodiscard]] std::optional<std::string> parameter(std::string_view name) const;
};

class http_guest;      // api/http_handover.hpp
struct http_handover;  // the same

struct http_response {
  unsigned status = 200;
  std::string content_type = "application/json";  // "" sends none
  std::string body{};
  std::vector<std::pair<std::string, std::string>> headers{};  // beyond those the server writes
  /// Set by problem(): the server adds `instance` and `request_id` to the body.
  bool is_problem = false;
  bool close = false;  // end the connection after this answer
  /// Ends HTTP on this connection: once all before is sent, the server calls this on the
  /// connection's loop and hosts the guest. With status 101 the guest sends the answer itself, else
  /// the server sends the head without a length, and the guest what follows it.
  std::function<std::shared_ptr<http_guest>(http_handover&&)> take_over{};
};

/// Gives the answer. May be called from any thread, once (later calls do nothing), also after the
/// handler returned or the connection went away.
using respond = std::function<void(http_response)>;
/// Runs on the request's I/O loop and must not block.
using handler = std::function<void(http_request&&, respond)>;

/// "Not Found" for 404; "Unknown" for numbers nobody defined.
[[nodiscard]] std::string_view reason_phrase(unsigned status);
[[nodiscard]] std::string percent_decode(std::string_view text, bool plus_is_space);
/// ASCII letters of either case are equal.
[[nodiscard]] bool same_token(std::string_view a, std::string_view b);

/// Bytes that must be readable after the end of a body.
constexpr std::size_t body_padding = 64;

}  // namespace tally::api

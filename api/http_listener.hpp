#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/http_proxies.hpp"
#include "domain/result.hpp"

namespace tally::api {

/// Who is at the other end of a connection; no address over a unix socket.
struct http_peer {
  std::optional<ip_bytes> address;
  std::string text;
};

/// A listening socket. Owns it and, of a unix one, the file.
class http_listener {
 public:
  /// `where` as in http_options::listen. A unix socket file that nobody answers on is replaced.
  static result<http_listener> open(const std::string& where);
  http_listener(http_listener&& other) noexcept;
  http_listener& operator=(http_listener&&) = delete;
  ~http_listener() { close(); }

  [[nodiscard]] int descriptor() const { return descriptor_; }
  [[nodiscard]] const std::string& endpoint() const { return endpoint_; }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// Non-blocking. The new connection's descriptor, or -1 with errno.
  int accept(http_peer& peer) const;
  /// May be repeated.
  void close();

 private:
  http_listener() = default;
  static result<http_listener> open_unix(const std::string& path);
  static result<http_listener> open_tcp(const std::string& where);

  int descriptor_ = -1;
  std::string endpoint_, path_;
  std::uint16_t port_ = 0;
};

}  // namespace tally::api

#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/cors.hpp"
#include "api/http_message.hpp"
#include "api/http_stats.hpp"
#include "domain/result.hpp"

namespace tally::api {

/// Places and limits of one server. Checked once, by http_server::start.
struct http_options {
  /// "HOST:PORT", "[::1]:PORT" (IPv6 only) or "unix:PATH". Port 0 takes any free one.
  std::vector<std::string> listen{};
  std::size_t loops = 1;  // I/O threads
  std::size_t connections_max = 10'000;
  std::size_t pipeline_max = 16;                     // requests in flight per connection
  std::size_t header_bytes_max = 16 << 10;           // request line and fields, else 431
  std::uint64_t body_bytes_max = 5 << 20;            // after decompression, else 413
  std::uint64_t encoded_body_bytes_max = 5 << 20;    // as sent, else 413
  std::uint64_t buffered_bytes_max = 256ull << 20;   // bodies of all connections, else 503
  std::size_t gzip_bytes_min = 1'024;                // of answers
  std::chrono::milliseconds header_timeout{10'000};  // from a request's first byte to its body
  std::chrono::milliseconds body_timeout{60'000};
  std::uint64_t body_bytes_per_s_min = 1'024;  // mean, demanded after `body_grace`
  std::chrono::milliseconds body_grace{5'000};
  std::chrono::milliseconds idle_timeout{75'000};    // between requests
  std::chrono::milliseconds write_timeout{30'000};   // without progress
  std::chrono::milliseconds linger_timeout{2'000};   // for the client to read a last answer
  std::chrono::milliseconds answer_timeout{15'000};  // of the handler, else 503
  /// Networks ("10.0.0.0/8", "::1") whose X-Forwarded-For is believed; "unix" stands for every
  /// unix socket.
  std::vector<std::string> trusted_proxies{};
  cors_policy cors{};
};

/// An HTTP/1.1 server with its own I/O threads. Functions may be called from any thread that is
/// not one of them.
class http_server {
 public:
  /// Binds, starts the threads and begins to accept. bad_option for a setting that makes no sense,
  /// io_error where an address cannot be had.
  static result<std::unique_ptr<http_server>> start(const http_options& options, handler handle);
  /// Closes every connection at once. Answers given later are dropped.
  ~http_server();
  http_server(const http_server&) = delete;
  http_server& operator=(const http_server&) = delete;

  /// The addresses bound, in the order of `listen`: "127.0.0.1:40123", "unix:/run/tally.sock".
  [[nodiscard]] const std::vector<std::string>& endpoints() const;
  /// Port of the i-th address, 0 for a unix socket.
  [[nodiscard]] std::uint16_t port(std::size_t i = 0) const;

  /// Closes the listening sockets. May be repeated.
  void stop_accepting();
  /// Stops accepting, closes idle connections, lets requests in flight end with
  /// `Connection: close`. True where all ended within `limit`.
  bool drain(std::chrono::milliseconds limit);

  /// Takes over limits, trusted proxies and CORS for what is read from now on; `listen` and `loops`
  /// stay as they are. bad_option, and no change at all, for what start() would refuse.
  status change(const http_options& options);

  [[nodiscard]] std::size_t loops() const;
  /// Runs `work` on that loop's thread. False where the loop has ended.
  bool loop_post(std::size_t loop, std::function<void()> work);

  /// For requests that did not come over one of its connections.
  [[nodiscard]] executor_ref loop(std::size_t i) const;

  [[nodiscard]] const http_stats& stats() const;

 private:
  struct impl;
  explicit http_server(std::unique_ptr<impl> i);
  std::unique_ptr<impl> impl_;
};

}  // namespace tally::api

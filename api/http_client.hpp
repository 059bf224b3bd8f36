#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "domain/result.hpp"

namespace tally::api {

struct http_request {
  std::string_view method = "GET", target = "/";
  std::string_view key;  // bearer key; empty: none
  std::string_view content_type = "application/json";
  std::string_view body;
};

struct http_reply {
  unsigned status = 0;
  std::string body;
  std::chrono::milliseconds retry_after{0};  // of a 429 or 503 that says so
};

/// One kept-alive HTTP/1.1 connection of a command-line tool. Opens when first needed and again
/// after a failure. Blocks; one thread at a time.
class http_client {
 public:
  /// `host_port` such as "127.0.0.1:8080". `timeout` covers one request with its answer.
  http_client(std::string host_port, std::chrono::milliseconds timeout);
  http_client(http_client&&) noexcept;
  http_client& operator=(http_client&&) noexcept;
  ~http_client();

  /// Any status is a reply. unavailable where no whole answer came: the request may have been
  /// carried out. A connection that the server closed while idle is opened again once.
  result<http_reply> send(const http_request& request);

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace tally::api

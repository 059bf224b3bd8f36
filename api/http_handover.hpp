#pragma once

#include "api/asio.hpp"
//
#include <chrono>
#include <memory>

#include "api/http_budget.hpp"
#include "api/http_stats.hpp"

namespace tally::api {

using http_socket =
    asio::basic_stream_socket<asio::generic::stream_protocol, asio::io_context::executor_type>;

/// Who has a connection that left HTTP: a WebSocket, a stream of events. Its loop owns it until it
/// is over; everything runs on that loop's thread.
class http_guest {
 public:
  http_guest() = default;
  virtual ~http_guest() = default;
  http_guest(const http_guest&) = delete;
  http_guest& operator=(const http_guest&) = delete;

  /// The server is about to end: finish what was begun, then close. Called until it is over.
  virtual void drain() = 0;
  /// Some times a second.
  virtual void check_time(std::chrono::steady_clock::time_point now) = 0;
  /// Closed: the loop may forget it.
  [[nodiscard]] virtual bool is_over() const = 0;
};

/// A connection on its way out of HTTP; everything sent before has left.
struct http_handover {
  http_socket socket;
  http_stats* stats;  // live longer than every guest
  http_budget budget;
  std::shared_ptr<void> place;  // among the open connections, until it is destroyed
};

}  // namespace tally::api

#pragma once

#include <array>

#include "actors/metrics.hpp"

namespace tally::api {

/// What a server counts about itself. Written by its loops, readable from any thread.
struct http_stats {
  actors::gauge connections_open{0}, requests_in_flight{0}, buffered_bytes{0};
  actors::gauge web_sockets_open{0};  // of connections_open
  actors::counter web_socket_messages_in{0}, web_socket_messages_out{0};
  actors::counter connections{0}, connections_refused{0}, deadlines_missed{0}, bytes_in{0},
      bytes_out{0};
  std::array<actors::counter, 6> answers{};  // by status / 100; [0] stays unused
  actors::latency_histogram latency;         // from the first byte of a request to its answer
};

}  // namespace tally::api

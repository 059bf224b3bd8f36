#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "actors/engine.hpp"
#include "api/kafka_source.hpp"
#include "config/cluster_settings.hpp"
#include "config/settings.hpp"

namespace tally::config {

/// What the [http] and [events] sections say, for whoever opens the listeners.
struct http_settings {
  std::vector<std::string> listen;
  std::string admin;
  std::uint32_t threads = 0;
  std::uint32_t connections_max = 0;
  std::uint64_t header_bytes_max = 0, body_bytes_max = 0;
  std::chrono::milliseconds header_timeout{}, body_timeout{}, write_timeout{}, idle_timeout{},
      request_timeout{};
  std::vector<std::string> trusted_proxies, cors_origins;
  std::uint64_t event_bytes_max = 0;
  std::uint32_t body_events_max = 0, props_max = 0, depth_max = 0;
  std::chrono::milliseconds ahead_max{};
  event_time at_oldest{};
  std::uint32_t read_queries_per_s = 0;
  std::chrono::milliseconds web_socket_idle_timeout{}, live_heart_beat{};
  std::uint32_t stream_messages_max = 0;
};

/// Everything a node is started with.
struct node_options {
  settings read_from;
  actors::engine_options engine;
  http_settings http;
  cluster_settings cluster;
  api::kafka_options kafka;  // but for the limits of events
  std::chrono::milliseconds shutdown_timeout{}, drain_delay{};
  std::string geo_database;  // path, empty for the usual ones, or "none"
  std::string log_level, log_format;
};

/// bad_option where settings that are right one by one do not fit together or name no known zone,
/// currency or address.
result<node_options> make_node_options(const settings& from);

}  // namespace tally::config

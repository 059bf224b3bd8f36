#pragma once

#include <string>
#include <vector>

#include "actors/metrics.hpp"
#include "api/http_stats.hpp"

namespace tally::api {

/// The numbers of one server and the value of their `listener` label ("public", "admin").
struct listener_stats {
  std::string name;
  const http_stats* stats = nullptr;
};

/// Content type of what prometheus_text gives.
constexpr const char* prometheus_content_type = "text/plain; version=0.0.4; charset=utf-8";

/// Everything a node counts, in Prometheus' text format; `kafka` where topics are read. May run on
/// any thread.
[[nodiscard]] std::string prometheus_text(const actors::engine_metrics& engine,
                                          const std::vector<listener_stats>& listeners,
                                          const struct kafka_metrics* kafka = nullptr);

}  // namespace tally::api

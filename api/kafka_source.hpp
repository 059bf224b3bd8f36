#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "actors/engine.hpp"
#include "actors/metrics.hpp"
#include "api/ingest_types.hpp"

namespace tally::api {

/// A topic and the merchant whose events are in it.
struct kafka_topic {
  std::string topic, merchant;
};

struct kafka_options {
  std::string brokers;  // HOST:PORT,...; empty: there is no source
  std::vector<kafka_topic> topics;
  bool from_end = false;  // a partition that was never read: only what comes from now on
  std::vector<std::pair<std::string, std::string>> client;  // librdkafka's own options
  std::uint32_t batch_messages_max = 1'000;                 // that are submitted together
  std::size_t batch_bytes_max = 1u << 20;
  std::size_t queue_bytes_max = 16u << 20;             // fetched and not yet submitted
  std::chrono::milliseconds position_interval{1'000};  // between two writes of the positions
  std::chrono::milliseconds look_interval{1'000};      // at merchants, leaders and new partitions
  ingest_limits limits;
};

/// What a source counts. Names in the exposition: docs/reference/metrics.md.
struct kafka_metrics {
  actors::counter messages{0}, bytes{0}, refused{0}, retries{0}, errors{0}, resets{0};
  actors::gauge partitions{0}, lag{0};
};

/// Reads native events from Kafka's topics, on a thread of its own: a batch at a time, the next
/// only when the one before is durable. How far it is stands with the merchant's own records, so
/// that a restart neither loses nor doubles (docs/decisions/0010-...). In a cluster each topic is
/// read by the node that leads its merchant's shard.
class kafka_source {
 public:
  /// Does not wait for brokers. unsupported where Tally was built without Kafka, bad_option for
  /// options that librdkafka refuses. `metrics` outlives the source.
  static result<std::unique_ptr<kafka_source>> start(actors::engine& engine,
                                                     const kafka_options& options,
                                                     kafka_metrics& metrics);
  /// Waits for the batch on its way and writes the positions. Before the engine is drained.
  ~kafka_source();
  kafka_source(const kafka_source&) = delete;
  kafka_source& operator=(const kafka_source&) = delete;

 private:
  struct impl;
  explicit kafka_source(std::unique_ptr<impl> i);
  std::unique_ptr<impl> impl_;
};

}  // namespace tally::api

#pragma once

#include <memory>
#include <string>

#include "actors/engine.hpp"
#include "api/geo_database.hpp"
#include "api/http_message.hpp"
#include "api/http_stats.hpp"
#include "api/ingest_types.hpp"
#include "api/live_subscription.hpp"
#include "api/stream_ingest.hpp"
#include "cluster/request_relay.hpp"

namespace tally::api {

/// What the routes need to know beside the engine.
struct routes_options {
  ingest_limits limits;
  std::size_t loops = 1;                 // of the server that calls the handler
  std::uint32_t read_queries_per_s = 0;  // per merchant, 0: no limit
  std::chrono::milliseconds query_timeout{10'000};
  stream_options stream;
  live_options live;
  /// To the nodes that lead other shards; none: this node is alone.
  std::shared_ptr<cluster::request_relay> relay{};
  std::shared_ptr<geo_database> geo;  // null: nothing is known of addresses
};

/// The public API: who may do what, and which function does it. The engine must live longer than
/// it and every handler made by it.
class public_api {
 public:
  public_api(actors::engine& engine, const routes_options& options);

  [[nodiscard]] handler handle() const;
  /// Takes over limits and databases (not `loops` and `relay`) and forgets what keys were found to
  /// be. Any thread.
  void change(const routes_options& options);

 private:
  std::shared_ptr<class routes> all_;
};

/// Health and metrics, for the listener that only operators reach. `stats` of the public server,
/// `kafka` where topics are read.
[[nodiscard]] handler admin_routes(actors::engine& engine, const http_stats& stats,
                                   const struct kafka_metrics* kafka = nullptr);

/// What `tally query` and the console's "query" command run: the body of a question, already
/// allowed, to the text of the answer.
void run_query(actors::engine& engine, const std::string& body, const std::string& format,
               actors::callback<std::string> then);

}  // namespace tally::api

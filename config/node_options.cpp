#include "config/node_options.hpp"

#include "config/kafka_settings.hpp"
#include "domain/money.hpp"
#include "domain/zone.hpp"

namespace tally::config {

namespace {

std::uint32_t small(const settings& from, std::string_view name) {
  return static_cast<std::uint32_t>(from.number(name));
}

void fill_engine(actors::engine_options& to, const settings& from) {
  to.data_dir = from.text("node.data_dir");
  to.lock_timeout = from.duration("node.lock_timeout");
  to.default_zone = from.text("node.default_zone");
  to.default_currency = from.text("node.default_currency");
  to.state_memory_max = from.number("engine.state_memory_max");
  to.ids_bytes_max = from.number("engine.ids_bytes_max");
  to.queue_bytes_max = from.number("engine.queue_bytes_max");
  to.snapshot_queue_bytes_max = from.number("engine.snapshot_queue_bytes_max");
  to.merchant_queue_bytes_max = from.number("engine.merchant_queue_bytes_max");
  to.passivate_after = from.duration("engine.passivate_after");
  to.visible_patience = from.duration("engine.visible_patience");
  to.flush_interval = from.duration("engine.flush_interval");
  to.reprocess_events_per_s = small(from, "engine.reprocess_events_per_s");
  to.log_unsealed_bytes_max = from.number("engine.log_unsealed_bytes_max");
  to.segment_bytes = from.number("engine.segment_bytes");
  to.reserve_bytes = from.number("engine.reserve_bytes");
  to.block_cache_bytes = from.number("engine.block_cache_bytes");
  to.write_events_per_s = small(from, "limits.write_events_per_s");
  to.live_events_max = from.number("live.events_max");
  to.live_bytes_max = from.number("live.bytes_max");
  to.live_keep = from.duration("live.keep");
  to.live_subscriptions_max = small(from, "live.subscriptions_max");
  to.live_merchant_subscriptions_max = small(from, "live.merchant_subscriptions_max");
  to.chunks_in_flight_max = small(from, "engine.chunks_in_flight_max");
  to.commit_delay = std::chrono::microseconds{from.number("engine.commit_delay_us")};
  to.commit_siblings = small(from, "engine.commit_siblings");
  to.query_workers = small(from, "engine.query_workers");
  to.scan_workers = small(from, "engine.scan_workers");
  to.scans_waiting_max = small(from, "engine.scans_waiting_max");
  to.seal_bytes = from.number("engine.seal_bytes");
  to.seal_interval = from.duration("engine.seal_interval");
  to.keep_log_bytes = from.number("engine.keep_log_bytes");
  to.io_workers = small(from, "engine.io_workers");
  to.scheduler_threads = small(from, "engine.scheduler_threads");
}

void fill_http(http_settings& to, const settings& from) {
  to.listen = from.list("http.listen");
  to.admin = from.text("http.admin");
  to.threads = small(from, "http.threads");
  to.connections_max = small(from, "http.connections_max");
  to.header_bytes_max = from.number("http.header_bytes_max");
  to.body_bytes_max = from.number("http.body_bytes_max");
  to.header_timeout = from.duration("http.header_timeout");
  to.body_timeout = from.duration("http.body_timeout");
  to.write_timeout = from.duration("http.write_timeout");
  to.idle_timeout = from.duration("http.idle_timeout");
  to.request_timeout = from.duration("http.request_timeout");
  to.trusted_proxies = from.list("http.trusted_proxies");
  to.cors_origins = from.list("http.cors_origins");
  to.event_bytes_max = from.number("events.event_bytes_max");
  to.body_events_max = small(from, "events.body_events_max");
  to.props_max = small(from, "events.props_max");
  to.depth_max = small(from, "events.depth_max");
  to.ahead_max = from.duration("events.ahead_max");
  to.at_oldest = from.time("events.at_oldest");
  to.read_queries_per_s = small(from, "limits.read_queries_per_s");
  to.web_socket_idle_timeout = from.duration("http.web_socket_idle_timeout");
  to.stream_messages_max = small(from, "http.stream_messages_max");
  to.live_heart_beat = from.duration("live.heart_beat");
}

status check(const node_options& options, const settings& from) {
  if (options.engine.data_dir.empty()) return wrong_setting(from, "node.data_dir", "is empty");
  if (zone::find(options.engine.default_zone) == nullptr) {
    return wrong_setting(from, "node.default_zone", "is no time zone");
  }
  if (!is_currency(options.engine.default_currency)) {
    return wrong_setting(from, "node.default_currency", "is no currency code");
  }
  if (options.http.listen.empty()) return wrong_setting(from, "http.listen", "names no listener");
  for (const auto& place : options.http.listen) {
    if (!place.starts_with("unix:") && !parse_host_port(place)) {
      return wrong_setting(from, "http.listen", "is neither HOST:PORT nor unix:PATH");
    }
  }
  if (!parse_host_port(options.http.admin))
    return wrong_setting(from, "http.admin", "is not HOST:PORT");
  if (options.http.event_bytes_max > options.http.body_bytes_max) {
    return wrong_setting(from, "events.event_bytes_max", "is more than http.body_bytes_max");
  }
  if (options.engine.ids_bytes_max > options.engine.state_memory_max) {
    return wrong_setting(from, "engine.ids_bytes_max", "is more than engine.state_memory_max");
  }
  return done{};
}

}  // namespace

result<node_options> make_node_options(const settings& from) {
  node_options options;
  options.read_from = from;
  fill_engine(options.engine, from);
  fill_http(options.http, from);
  options.shutdown_timeout = from.duration("node.shutdown_timeout");
  options.drain_delay = from.duration("node.drain_delay");
  options.geo_database = from.text("visitors.geo_database");
  options.log_level = from.text("log.level");
  options.log_format = from.text("log.format");
  const auto console = parse_host_port(from.text("node.console"));
  if (!console) return wrong_setting(from, "node.console", "is not HOST:PORT");
  options.engine.console_host = console->host;
  options.engine.console_port = console->port;
  auto clustered = make_cluster_settings(from);
  if (!clustered) return clustered.error();
  options.cluster = std::move(*clustered);
  auto kafka = make_kafka_options(from);
  if (!kafka) return kafka.error();
  options.kafka = std::move(*kafka);
  if (const auto good = check(options, from); !good) return good.error();
  return options;
}

}  // namespace tally::config

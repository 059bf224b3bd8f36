#include "api/exposition.hpp"

#include <prometheus/text_serializer.h>

#include <utility>

#include "api/kafka_source.hpp"

namespace tally::api {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using labels = std::vector<ClientMetric::Label>;

class families {
 public:
  /// Begins a metric; the samples that follow belong to it.
  families& metric(std::string name, std::string help, MetricType type) {
    all_.push_back({std::move(name), std::move(help), type, {}});
    return *this;
  }
  families& sample(const actors::counter& value, labels names = {}) {
    auto& made = add(std::move(names));
    made.counter.value = static_cast<double>(value.load(std::memory_order_relaxed));
    return *this;
  }
  families& sample(const actors::gauge& value, labels names = {}) {
    auto& made = add(std::move(names));
    made.gauge.value = static_cast<double>(value.load(std::memory_order_relaxed));
    return *this;
  }
  families& sample(const actors::latency_histogram& value, labels names = {}) {
    constexpr double us_per_s = 1e6;
    auto& out = add(std::move(names)).histogram;
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < value.counts.size(); ++i) {
      count += value.counts.at(i).load(std::memory_order_relaxed);
      if (i < actors::latency_histogram::bounds_us.size())
        out.bucket.push_back(
            {count, static_cast<double>(actors::latency_histogram::bounds_us.at(i)) / us_per_s});
    }
    out.sample_count = count;
    out.sample_sum = static_cast<double>(value.sum_us.load(std::memory_order_relaxed)) / us_per_s;
    return *this;
  }

  families& counter(const char* name, const char* help, const actors::counter& value) {
    return metric(name, help, MetricType::Counter).sample(value);
  }
  families& gauge(const char* name, const char* help, const actors::gauge& value) {
    return metric(name, help, MetricType::Gauge).sample(value);
  }
  families& histogram(const char* name, const char* help, const actors::latency_histogram& value) {
    return metric(name, help, MetricType::Histogram).sample(value);
  }
  /// The same number of every listener.
  template <class Value>
  families& each(const char* name, const char* help, MetricType type,
                 const std::vector<listener_stats>& listeners, Value http_stats::*value) {
    metric(name, help, type);
    for (const auto& l : listeners) sample(l.stats->*value, {{"listener", l.name}});
    return *this;
  }

  [[nodiscard]] std::string text() const { return prometheus::TextSerializer{}.Serialize(all_); }

 private:
  ClientMetric& add(labels names) {
    auto& made = all_.back().metric.emplace_back();
    made.label = std::move(names);
    return made;
  }

  std::vector<MetricFamily> all_;
};

void add_engine_counters(families& out, const actors::engine_metrics& m) {
  out.metric("tally_events_total", "Events received, by what became of them.", MetricType::Counter)
      .sample(m.events_accepted, {{"outcome", "accepted"}})
      .sample(m.events_duplicate, {{"outcome", "duplicate"}})
      .sample(m.events_rejected, {{"outcome", "rejected"}})
      .sample(m.events_over_quota, {{"outcome", "over_quota"}})
      .sample(m.events_unavailable, {{"outcome", "unavailable"}});
  out.counter("tally_events_late_total", "Accepted events too late for their visit.", m.events_late)
      .counter("tally_commit_rounds_total", "Commit rounds, one sync each.", m.rounds)
      .counter("tally_chunks_total", "Chunks of events written to the log.", m.chunks)
      .counter("tally_log_written_bytes_total", "Bytes written to the log.", m.log_bytes_written)
      .counter("tally_wake_ups_total", "Merchants loaded into memory.", m.wake_ups)
      .counter("tally_passivations_total", "Merchants put to rest.", m.passivations)
      .counter("tally_snapshots_total", "Snapshots written.", m.snapshots)
      .counter("tally_snapshot_bytes_total", "Bytes of snapshots written.", m.snapshot_bytes)
      .counter("tally_queries_total", "Questions answered.", m.queries)
      .counter("tally_scans_total", "Questions answered from single events.", m.scans)
      .counter("tally_scanned_rows_total", "Events looked at for them.", m.scan_rows)
      .counter("tally_sealed_events_total", "Events sealed into the history.", m.sealed_events)
      .counter("tally_merchants_isolated_total", "Merchants set apart after a failure.",
               m.merchants_isolated)
      .counter("tally_live_messages_total", "Messages with live numbers.", m.live_messages);
}

void add_engine_state(families& out, const actors::engine_metrics& m) {
  out.gauge("tally_live_merchants", "Merchants in memory.", m.live_merchants)
      .gauge("tally_live_bytes", "Memory of live merchants.", m.live_bytes)
      .gauge("tally_id_bytes", "Memory of recognised event ids.", m.id_bytes)
      .gauge("tally_queue_bytes", "Events accepted and not yet applied.", m.queue_bytes)
      .gauge("tally_snapshot_queue_bytes", "Snapshots on their way to the state database.",
             m.snapshot_queue_bytes)
      .gauge("tally_log_bytes", "Size of the log.", m.log_bytes)
      .gauge("tally_live_windows", "Merchants whose live numbers are kept.", m.live_windows)
      .gauge("tally_live_window_bytes", "Memory of live numbers.", m.live_window_bytes)
      .gauge("tally_live_subscriptions", "Streams and WebSockets of live numbers.",
             m.live_subscriptions)
      .gauge("tally_state_bytes", "Size of the state database.", m.state_bytes)
      .gauge("tally_history_bytes", "Size of the history.", m.history_bytes)
      .histogram("tally_commit_seconds", "From submission to durable.", m.commit)
      .histogram("tally_fsync_seconds", "One sync of the log.", m.fsync)
      .histogram("tally_apply_seconds", "Applying one chunk.", m.apply)
      .histogram("tally_wake_up_seconds", "Loading one merchant.", m.wake_up)
      .histogram("tally_query_seconds", "One question.", m.query)
      .histogram("tally_scan_seconds", "One question answered from single events.", m.scan)
      .histogram("tally_seal_seconds", "Sealing a stretch of the log.", m.seal)
      .histogram("tally_visible_lag_seconds", "From submission to visible in answers.",
                 m.visible_lag);
}

void add_http(families& out, const std::vector<listener_stats>& l) {
  using s = http_stats;
  out.each("tally_http_connections", "Open connections.", MetricType::Gauge, l,
           &s::connections_open)
      .each("tally_http_requests_in_flight", "Requests without an answer yet.", MetricType::Gauge,
            l, &s::requests_in_flight)
      .each("tally_http_buffered_bytes", "Memory of request bodies.", MetricType::Gauge, l,
            &s::buffered_bytes)
      .each("tally_web_sockets", "Open WebSockets.", MetricType::Gauge, l, &s::web_sockets_open)
      .each("tally_web_socket_received_messages_total", "Messages received over WebSockets.",
            MetricType::Counter, l, &s::web_socket_messages_in)
      .each("tally_web_socket_sent_messages_total", "Messages sent over WebSockets.",
            MetricType::Counter, l, &s::web_socket_messages_out)
      .each("tally_http_connections_total", "Connections accepted.", MetricType::Counter, l,
            &s::connections)
      .each("tally_http_connections_refused_total", "Connections over the limit.",
            MetricType::Counter, l, &s::connections_refused)
      .each("tally_http_deadlines_missed_total", "Requests that nobody answered in time.",
            MetricType::Counter, l, &s::deadlines_missed)
      .each("tally_http_received_bytes_total", "Bytes received.", MetricType::Counter, l,
            &s::bytes_in)
      .each("tally_http_sent_bytes_total", "Bytes sent.", MetricType::Counter, l, &s::bytes_out)
      .each("tally_http_answer_seconds", "From a request's first byte to its answer.",
            MetricType::Histogram, l, &s::latency);
  out.metric("tally_http_answers_total", "Answers by class of status.", MetricType::Counter);
  for (const auto& listener : l)
    for (std::size_t i = 1; i < listener.stats->answers.size(); ++i)
      out.sample(listener.stats->answers.at(i),
                 {{"listener", listener.name}, {"class", std::to_string(i) + "xx"}});
}

void add_kafka(families& out, const kafka_metrics& m) {
  out.counter("tally_kafka_messages_total", "Messages of topics that were journaled.", m.messages)
      .counter("tally_kafka_bytes_total", "Their bytes.", m.bytes)
      .counter("tally_kafka_refused_total", "Events in them that were refused.", m.refused)
      .counter("tally_kafka_retries_total", "Batches that were submitted again.", m.retries)
      .counter("tally_kafka_errors_total", "Errors of brokers and partitions.", m.errors)
      .counter("tally_kafka_positions_gone_total", "Partitions that lack what was to be read next.",
               m.resets)
      .gauge("tally_kafka_partitions", "Partitions that this node reads.", m.partitions)
      .gauge("tally_kafka_lag_messages", "Messages of them that are not journaled yet.", m.lag);
}

}  // namespace

std::string prometheus_text(const actors::engine_metrics& engine,
                            const std::vector<listener_stats>& listeners,
                            const kafka_metrics* kafka) {
  families all;
  all.metric("tally_build_info", "Always 1; the label says the version.", MetricType::Gauge)
      .sample(actors::gauge{1}, {{"version", TALLY_VERSION}});
  add_engine_counters(all, engine);
  add_engine_state(all, engine);
  add_http(all, listeners);
  if (kafka != nullptr) add_kafka(all, *kafka);
  return all.text();
}

}  // namespace tally::api

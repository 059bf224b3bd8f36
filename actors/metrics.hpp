#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace tally::actors {

/// Cumulative histogram over fixed bounds in microseconds, lock-free.
struct latency_histogram {
  static constexpr std::array<std::uint64_t, 16> bounds_us{
      100,    250,     500,     1'000,   2'500,     5'000,     10'000,    25'000,
      50'000, 100'000, 250'000, 500'000, 1'000'000, 2'500'000, 5'000'000, 10'000'000};
  std::array<std::atomic<std::uint64_t>, 17> counts{};
  std::atomic<std::uint64_t> sum_us{0};

  void add(std::uint64_t us) {
    std::size_t i = 0;
    while (i < bounds_us.size() && us > bounds_us[i]) ++i;
    counts[i].fetch_add(1, std::memory_order_relaxed);
    sum_us.fetch_add(us, std::memory_order_relaxed);
  }
};

using counter = std::atomic<std::uint64_t>;
using gauge = std::atomic<std::int64_t>;

/// What the engine counts about itself. Names in the exposition: docs/reference/metrics.md.
struct engine_metrics {
  counter events_accepted{0}, events_duplicate{0}, events_rejected{0}, events_over_quota{0},
      events_unavailable{0}, events_late{0};
  counter rounds{0}, chunks{0}, log_bytes_written{0};
  counter wake_ups{0}, passivations{0}, snapshots{0}, snapshot_bytes{0}, queries{0}, scans{0},
      scan_rows{0}, sealed_events{0}, merchants_isolated{0};
  gauge live_merchants{0}, live_bytes{0}, id_bytes{0}, queue_bytes{0}, snapshot_queue_bytes{0},
      log_bytes{0}, state_bytes{0}, history_bytes{0};
  gauge live_windows{0}, live_window_bytes{0}, live_subscriptions{0};
  counter live_messages{0};
  latency_histogram commit, fsync, apply, wake_up, query, scan, seal, visible_lag;
};

}  // namespace tally::actors

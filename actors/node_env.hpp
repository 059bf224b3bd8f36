#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "actors/crash_points.hpp"
#include "actors/generation_table.hpp"
#include "actors/log_pins.hpp"
#include "actors/messages.hpp"
#include "actors/metrics.hpp"
#include "actors/rate_shelf.hpp"
#include "persistence/daily_salts.hpp"
#include "persistence/history.hpp"

namespace tally::actors {

class replication;

/// Where the events of merchants lie that no snapshot holds yet, as found at opening: rounds by
/// merchant. Each lane owns its own part and forgets what it has handed over.
using tail_index = std::unordered_map<std::string, std::vector<persistence::round_number>>;

/// The options that may change while actors run, who read them anew each time.
struct live_limits {
  std::atomic<std::uint64_t> state_memory_max, ids_bytes_max, queue_bytes_max;
  std::atomic<std::uint64_t> merchant_queue_bytes_max, snapshot_queue_bytes_max;
  std::atomic<std::uint32_t> write_events_per_s;
  std::atomic<std::chrono::milliseconds> passivate_after, live_keep;
  std::atomic<std::uint64_t> live_events_max, live_bytes_max;
  std::atomic<std::uint32_t> live_subscriptions_max, live_merchant_subscriptions_max;

  explicit live_limits(const engine_options& from) { take(from); }
  void take(const engine_options& from) {
    state_memory_max = from.state_memory_max;
    ids_bytes_max = from.ids_bytes_max;
    queue_bytes_max = from.queue_bytes_max;
    merchant_queue_bytes_max = from.merchant_queue_bytes_max;
    snapshot_queue_bytes_max = from.snapshot_queue_bytes_max;
    write_events_per_s = from.write_events_per_s;
    passivate_after = from.passivate_after;
    live_keep = from.live_keep;
    live_events_max = from.live_events_max;
    live_bytes_max = from.live_bytes_max;
    live_subscriptions_max = from.live_subscriptions_max;
    live_merchant_subscriptions_max = from.live_merchant_subscriptions_max;
  }
};

/// What all actors of a node share. Made before the first of them, ended after the last.
struct node_env {
  engine_options options;  // as started; what `limits` has is read there
  live_limits limits{options};
  std::unique_ptr<persistence::journal> journal;
  std::unique_ptr<persistence::state_store> state;
  std::unique_ptr<persistence::history> history;
  generation_table generations;
  rate_shelf rates;
  replication* copies = nullptr;  // null: this node has the only copy of every shard
  switch_tail tail_of_switch;
  // Every event of an earlier round is in a snapshot of the serving generation, and on disk.
  std::atomic<persistence::round_number> saved_before{0};
  // Every event of an earlier round is in the history too. Beyond `saved_before` only while
  // merchants whose state was lost are counted again.
  std::atomic<persistence::round_number> sealed_before{0};
  // A restart reads the log from here: nothing of it may be dropped.
  std::atomic<persistence::round_number> marked{0};
  log_pins reads;    // the log is not dropped from there on
  log_pins backups;  // nor does the mark go beyond
  // Which merchants have events in which rounds is known from this round on.
  persistence::round_number traced_from = 0;
  // While merchants change their generation, a restart must read from here: 0, no such limit.
  std::atomic<persistence::round_number> tail_hold{0};
  std::function<event_time()> now;  // wall clock
  engine_metrics metrics;
  crash_plan crash;
  persistence::salt_box salts;  // turned by the keeper
  std::vector<io_actor> io;
  io_actor writer;                            // snapshots: apart, so that no read waits behind them
  std::function<void(task_ptr)> run_sealing;  // on the thread that writes the history
  io_actor background;                        // for what may take long and is in no hurry
  std::vector<query_actor> queries;
  scan_desk_actor scans;
  std::atomic<std::uint32_t> next_io{0}, next_query{0};
  std::atomic<bool> leaving{false};  // unready, still serving: proxies are to notice
  std::atomic<bool> draining{false};
  std::atomic<std::uint64_t> log_bytes_now{0};  // grows with every round
  std::atomic<persistence::round_number> last_round{0};
  // Some chunk of this round is not committed, or no lane was told; 0: of none. To be read before
  // lanes are asked.
  std::atomic<persistence::round_number> untold_from{0};
  std::string broken;  // set before `is_broken`
  std::atomic<bool> is_broken{false};
  std::atomic<std::uint32_t> deletions{0};  // of merchants, since the start
  std::atomic<bool> disk_full{false};
  // Called once when the journal has failed for good; the process is to end.
  std::function<void(const std::string&)> on_broken;

  const io_actor& any_io() { return io[next_io.fetch_add(1) % io.size()]; }
  const query_actor& any_query() { return queries[next_query.fetch_add(1) % queries.size()]; }

  /// Runs `task` on an I/O worker. For what somebody waits for.
  void run_io(std::function<void()> task) {
    caf::anon_send(any_io(), run_atom::value,
                   std::make_shared<std::function<void()>>(std::move(task)));
  }
  /// Runs `task` on a scan worker when it is `merchant`'s turn, or `refuse` where too much waits.
  void run_scan(std::string merchant, std::function<void()> task,
                std::function<void()> refuse) const {
    caf::anon_send(scans, run_atom::value,
                   std::make_shared<scan_task>(
                       scan_task{std::move(merchant), std::move(task), std::move(refuse)}));
  }
  /// Runs `task`, which writes to the state database, behind those before it.
  void run_write(std::function<void()> task) const {
    caf::anon_send(writer, run_atom::value,
                   std::make_shared<std::function<void()>>(std::move(task)));
  }
};
using node_env_ptr = std::shared_ptr<node_env>;

[[nodiscard]] inline persistence::state_owner owner_of(std::uint64_t hash,
                                                       std::string_view merchant,
                                                       std::uint32_t generation) {
  return {shard_of(hash), generation, std::string{merchant}};
}

}  // namespace tally::actors

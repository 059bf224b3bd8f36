#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "actors/crash_points.hpp"
#include "actors/messages.hpp"
#include "actors/metrics.hpp"
#include "domain/ruleset.hpp"

namespace tally::actors {

/// Where the events of merchants lie that no snapshot holds yet, as found at opening: rounds by
/// merchant. Each lane owns its own part and forgets what it has handed over.
using tail_index = std::unordered_map<std::string, std::vector<persistence::round_number>>;

/// What all actors of a node share. Made before the first of them, ended after the last.
struct node_env {
  engine_options options;
  std::unique_ptr<persistence::journal> journal;
  std::unique_ptr<persistence::state_store> state;
  ruleset rules;
  std::function<event_time()> now;  // wall clock
  engine_metrics metrics;
  crash_plan crash;
  std::vector<io_actor> io;
  io_actor writer;      // snapshots: apart, so that no read waits behind them
  io_actor background;  // for what may take long and is in no hurry
  std::vector<query_actor> queries;
  std::atomic<std::uint32_t> next_io{0}, next_query{0};
  std::atomic<bool> draining{false};
  std::atomic<std::uint64_t> log_bytes_now{0};  // grows with every round
  std::atomic<persistence::round_number> last_round{0};
  std::string broken;  // set before `is_broken`
  std::atomic<bool> is_broken{false};
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
  /// Runs `task`, which writes to the state database, behind those before it.
  void run_write(std::function<void()> task) const {
    caf::anon_send(writer, run_atom::value,
                   std::make_shared<std::function<void()>>(std::move(task)));
  }
};
using node_env_ptr = std::shared_ptr<node_env>;

constexpr std::uint32_t first_generation = 1;

[[nodiscard]] inline persistence::state_owner owner_of(std::uint64_t hash,
                                                       std::string_view merchant) {
  return {shard_of(hash), first_generation, std::string{merchant}};
}

}  // namespace tally::actors

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "domain/replica_core.hpp"
#include "tests/simulation/chance.hpp"
#include "tests/simulation/checker.hpp"
#include "tests/simulation/disk.hpp"
#include "tests/simulation/simulation.hpp"

namespace tally::simulation {

using namespace std::chrono_literals;

/// Everything outside of the cores: time, network, disks, store, clients, and what goes wrong.
class world {
 public:
  explicit world(const run_options& options);
  run_outcome run();

 private:
  struct simulated_node {
    node_id id;
    bool is_up = false;
    bool is_frozen = false;
    bool is_placed = true;   // a spare node starts without a copy, later
    std::uint64_t life = 0;  // rises when the process ends: what was meant for it is dropped
    std::vector<replica_event> deferred;  // while frozen
    disk storage;
    std::optional<stored_state> backup;
    std::optional<disk::copy> fetched;
    bool disk_is_suspect = false;  // the watermark file says that something is missing
    bool syncs = false;
    steady_time sync_low = 100us, sync_high = 3ms;
    std::unique_ptr<replica_core> core;
    std::uint64_t applied = 0;
    replica_id last_id;
    steady_time steady_begin{};
    std::int64_t drift_ppm = 0;
    std::chrono::milliseconds wall_error{};
    steady_time unwell_since = -1s;  // frozen or down; -1: well
  };
  struct scheduled {
    steady_time at;
    std::uint64_t number;
    std::function<void()> what;
  };
  struct simulated_client {
    std::size_t target = 0;
    std::uint64_t ticket = 0;  // waiting for; 0: thinking
  };
  struct network_quality {
    std::uint64_t drop_permille = 0, double_permille = 0, slow_permille = 0;
  };

  // world.cpp
  void at(steady_time delay, std::function<void()> what);
  /// Runs on the node only if its process is still the same.
  void at_node(std::size_t n, steady_time delay, std::function<void()> what);
  bool run_next();
  [[nodiscard]] instant now_at(const simulated_node& n) const;
  void feed(std::size_t n, replica_event event);
  void note(const std::string& text);
  void start_node(std::size_t n);
  void open_node(std::size_t n);
  void stop_node(std::size_t n);
  void tick(std::size_t n);
  [[nodiscard]] replica_id fresh_id(std::size_t n);
  [[nodiscard]] recovered_state recover(std::size_t n);

  // world_effects.cpp
  void carry_out(std::size_t n, send_message& e);
  void carry_out(std::size_t n, append_chunks& e);
  void carry_out(std::size_t n, truncate_log& e);
  void carry_out(std::size_t n, persist_promise& e);
  void carry_out(std::size_t n, persist_identity& e);
  void carry_out(std::size_t n, install_copy& e);
  void carry_out(std::size_t n, compare_and_swap& e);
  void carry_out(std::size_t n, read_config& e);
  void carry_out(std::size_t n, commit_advanced& e);
  void carry_out(std::size_t n, completed& e);
  void carry_out(std::size_t n, role_changed& e);
  void carry_out(std::size_t n, probe_leader& e);
  void carry_out(std::size_t n, fetch_copy& e);
  void carry_out(std::size_t n, store_refused& e);
  void carry_out(std::size_t n, damage_reported& e);
  void carry_out(std::size_t n, halted& e);
  void write(std::size_t n, std::uint64_t operation, disk::change c);
  void start_sync(std::size_t n);
  void deliver(std::size_t from, const send_message& e);
  [[nodiscard]] steady_time latency();
  [[nodiscard]] bool reaches_store(std::size_t n) const;
  void apply_swap(const compare_and_swap& e, swap_answered& answer);
  void tell_watchers();
  void tell_clients();
  void check_in_sync_disks(const log_chunk& c);
  void check_expansion(const shard_config& proposed);
  [[nodiscard]] std::size_t node_of(replica_id id) const;

  // world_faults.cpp
  void draw_profile();
  void cause_trouble();
  void trouble_process(std::size_t n);
  void trouble_network(std::size_t n);
  void trouble_store(std::size_t n);
  void trouble_disk(std::size_t n);
  void trouble_clock(std::size_t n);
  void trouble_leadership(std::size_t n);
  void isolate(std::size_t n, int by);
  void isolate_leader();
  void let_leader_back(steady_time stay);
  [[nodiscard]] bool comes_back_for(const compare_and_swap& e, steady_time answered_in);
  void meet_restarted_copies();
  void lose_leader_after_swap(std::size_t n, const compare_and_swap& e);
  void crash(std::size_t n, steady_time pause);
  void freeze(std::size_t n, steady_time pause);
  void thaw(std::size_t n);
  void cut_link(std::size_t a, std::size_t b, steady_time pause);
  void lose_disk(std::size_t n);
  void swap_disks(std::size_t a, std::size_t b);
  [[nodiscard]] bool may_lose(std::size_t n) const;
  void seal_some(std::size_t n);
  void heal();

  // world_clients.cpp
  void client_sends(std::size_t c);
  void client_thinks(std::size_t c, steady_time pause);
  void probe_reads();
  [[nodiscard]] std::optional<std::size_t> settled_leader() const;
  [[nodiscard]] bool is_settled() const;
  [[nodiscard]] bool is_stuck_by_loss() const;
  void run_until_settled();
  void check_the_end();

  run_options options_;
  replica_options core_options_;
  chance random_;
  run_outcome outcome_;
  checker checker_;
  steady_time now_{0};
  std::uint64_t numbers_ = 0;
  std::vector<scheduled> schedule_;
  std::vector<simulated_node> nodes_;
  std::vector<std::vector<int>> cuts_;  // [from][to]: how many faults cut it now
  std::map<replica_id, std::size_t> homes_;
  std::set<replica_id> lost_ids_;  // their disk is not what it was
  std::uint64_t ids_ = 0;
  network_quality network_;
  std::uint64_t doubt_permille_ = 0;
  std::vector<int> store_cuts_;                             // per node
  shard_config config_;                                     // the store
  std::map<std::size_t, std::uint64_t> registered_starts_;  // the store's /nodes
  std::vector<int> kinds_;                                  // of faults, drawn for this run
  std::optional<std::size_t> isolated_;  // a leader that is to come back at a bad moment
  bool isolated_returns_late_ = false;   // when it was replaced, not when that is asked for
  bool loses_next_handover_ = false;
  steady_time trouble_low_{}, trouble_high_{};
  bool is_troubled_ = true;
  bool clients_run_ = true;
  std::vector<simulated_client> clients_;
  std::map<std::uint64_t, std::size_t> askers_;  // ticket -> client
  std::uint64_t tickets_ = 0;
  std::uint64_t acknowledged_since_heal_ = 0;
};

}  // namespace tally::simulation

#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "cluster/etcd_client.hpp"
#include "cluster/membership.hpp"
#include "domain/placement.hpp"

namespace tally::cluster {

struct balancer_options {
  etcd_options etcd;
  std::string cluster;
  placement_options placement;
  std::chrono::milliseconds busy_interval{500};  // while something is on its way
  std::chrono::milliseconds idle_interval{2'000};
  /// A new cluster waits so long for `placement.copies` nodes before it places its first shard.
  std::chrono::milliseconds settle{5'000};
};
/// bad_option that names the field.
[[nodiscard]] status validate(const balancer_options& options);

/// Runs on every node and works on one: on that which holds the lock, an entry under its node's
/// lease. Writes where copies should be, step by step (see plan_placement), in transactions that
/// hold only while the lock does. Its death changes nothing: another one goes on from what is in
/// etcd, only the time that dead nodes are given begins anew.
class balancer {
 public:
  /// `options` must be valid; `who` must live longer.
  balancer(balancer_options options, const membership& who);
  ~balancer();

  [[nodiscard]] bool holds_lock() const;
  /// Entries that it changed.
  [[nodiscard]] std::uint64_t changes() const;

 private:
  using clock = std::chrono::steady_clock;
  /// All of the cluster at one revision.
  struct view {
    std::vector<cluster_node> nodes;
    tally::placement planned;
    std::vector<std::uint64_t> versions;  // of the entries in `planned`, 0 where there is none
    std::vector<shard_config> actual;
    std::uint64_t lock = 0;  // its version, where this node holds it
  };

  void run();
  [[nodiscard]] bool turn(etcd_client& client);
  [[nodiscard]] bool take_lock(etcd_client& client, std::uint64_t lease);
  [[nodiscard]] std::optional<view> look(etcd_client& client, std::uint64_t lease) const;
  [[nodiscard]] bool must_wait(const view& v) const;
  [[nodiscard]] std::vector<placed_node> judge(const view& v);
  void write(etcd_client& client, const view& v, const tally::placement& next);
  void note(bool holds);

  balancer_options options_;
  const membership& who_;

  // of the thread
  std::map<node_id, clock::time_point> dead_since_;
  clock::time_point began_at_;

  mutable std::mutex mutex_;  // all below
  std::condition_variable ends_;
  bool is_ending_ = false, holds_ = false;
  std::uint64_t changes_ = 0;

  std::thread thread_;
};

}  // namespace tally::cluster

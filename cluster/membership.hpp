#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/etcd_client.hpp"
#include "cluster/etcd_lease.hpp"
#include "cluster/etcd_watch.hpp"
#include "cluster/node_entry.hpp"

namespace tally::cluster {

/// 1 to 128 letters, digits, '-', '_' and '.': what nodes and secrets may be called.
[[nodiscard]] bool is_plain_name(std::string_view name);

/// What a node brings when it joins.
struct joining_node {
  std::string identity;  // 32 hex digits; must be on its disk before it joins
  std::string name, zone;
};
struct joined_node {
  std::uint64_t cluster = 0;  // the cluster's number
  node_id node;
};
/// Gives the node its number, the same to the same identity however often it asks, and the cluster
/// its number where it has none yet (then `fresh_cluster`, which is random). Blocks. unavailable:
/// ask again; forbidden: the node was removed; bad_option names a field.
result<joined_node> join_cluster(etcd_client& client, std::string_view cluster,
                                 std::uint64_t fresh_cluster, const joining_node& node);

/// not_found, or what etcd says. Repeatable.
status set_node_state(etcd_client& client, std::string_view cluster, node_id node,
                      node_state state);

/// What all nodes of a cluster share: the value there is, else what `make` gives, which is kept for
/// good or (`lasts` above 0) until that long after etcd last chose a leader. `name` has 1 to 128
/// letters, digits, '-', '_' and '.'. Blocks.
result<std::string> shared_secret(etcd_client& client, std::string_view cluster,
                                  std::string_view name, const std::function<std::string()>& make,
                                  std::chrono::seconds lasts = std::chrono::seconds{0});

struct membership_options {
  etcd_options etcd;
  std::string cluster;
  node_id self;
  live_node as;  // what others see
};
/// Called from threads of the membership, must not block, and must not call back.
struct membership_callbacks {
  /// See etcd_lease_callbacks.
  std::function<bool()> is_well = [] { return true; };
  /// All nodes, at the beginning and after each change.
  std::function<void(const std::vector<cluster_node>& nodes)> on_nodes = [](const auto&) {};
  /// Where the copies of a shard should be, the first of which should lead; empty where nobody
  /// planned it. Perhaps at the same time as on_nodes.
  std::function<void(std::uint16_t shard, const std::vector<node_id>& nodes)> on_placement =
      [](std::uint16_t, const auto&) {};
  /// The node's lease is gone: a hint. It is registered again as soon as that is possible.
  std::function<void()> on_lease_lost = [] {};
};

/// Keeps a node that joined registered under a lease, and follows who else is there and what is
/// planned.
class membership {
 public:
  membership(membership_options options, membership_callbacks callbacks);
  /// Gives the lease back, so that others see at once that the node is gone.
  ~membership();

  [[nodiscard]] std::vector<cluster_node> nodes() const;
  /// What is planned, by shard.
  [[nodiscard]] std::vector<std::vector<node_id>> placement() const;
  /// Both were read once.
  [[nodiscard]] bool is_filled() const;
  /// 0 where the node has none now.
  [[nodiscard]] std::uint64_t lease() const { return lease_->id(); }
  [[nodiscard]] node_id self() const { return options_.self; }

 private:
  [[nodiscard]] bool register_node(etcd_client& client, std::uint64_t lease);
  void take_node(const etcd_watch::change& change);
  void take_placement(const etcd_watch::change& change);

  membership_options options_;
  membership_callbacks callbacks_;

  mutable std::mutex mutex_;  // both
  std::map<std::string, etcd_entry> entries_;
  std::vector<std::vector<node_id>> placement_;

  std::unique_ptr<etcd_watch> nodes_watch_, placement_watch_;
  std::unique_ptr<etcd_lease> lease_;
};

}  // namespace tally::cluster

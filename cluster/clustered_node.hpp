#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cluster/balancer.hpp"
#include "cluster/cluster_status.hpp"
#include "cluster/etcd_client.hpp"
#include "cluster/membership.hpp"
#include "cluster/peer_links.hpp"
#include "cluster/replicator.hpp"

namespace tally::cluster {

struct clustered_node_options {
  std::string cluster;   // its name in etcd
  std::string data_dir;  // holds the node's identity
  std::string name, zone, version;
  std::string advertise;  // HOST:PORT where others reach it; port 0: the one that is listened at
  etcd_options etcd;
  peer_options peer;
  placement_options placement;
  replicator_options replication;                  // without numbers of cluster and node
  std::chrono::milliseconds join_timeout{30'000};  // for etcd to answer at the start
  std::chrono::milliseconds settle{5'000};         // see balancer_options
  std::chrono::milliseconds well_within{1'000};    // of the replicator's last turn
};

/// A node's part in its cluster: all of cluster/ put together. Started in two steps, since what
/// others are told of it is known only when it listens:
///   join() -> the engine starts with copies() -> begin().
/// Any thread may call; destroyed after the engine.
class clustered_node {
 public:
  /// Joins: the node has its number, listens for others and has what the engine needs.
  /// unavailable where etcd does not answer in time, bad_option where the options are wrong.
  static result<std::unique_ptr<clustered_node>> join(clustered_node_options options);
  ~clustered_node();

  [[nodiscard]] replicator& copies();
  [[nodiscard]] node_id self() const;
  /// Takes part: others see the node, it sees them, and its shards find their leaders. `at` says
  /// where it listens, but for the peers' port. What spawn() of the replicator could not say is
  /// said here.
  status begin(node_addresses at);
  /// What others ask besides events and changes; set before begin().
  using request_handler =
      std::function<void(node_id from, const std::string& kind, std::string body,
                         std::function<void(result<std::string>)> reply)>;
  void set_request_handler(request_handler handler);
  /// Asks another node.
  void ask(node_id to, std::string kind, std::string body, std::chrono::milliseconds timeout,
           std::function<void(result<std::string>)> then);

  /// Gives its shards away and waits for that, for at most `limit`. Blocks.
  bool leave(std::chrono::milliseconds limit);

  /// All nodes that ever joined.
  [[nodiscard]] std::vector<cluster_node> nodes() const;
  /// All that it knows of the cluster.
  [[nodiscard]] cluster_picture picture() const;
  [[nodiscard]] std::uint32_t min_in_sync() const;
  /// Blocks, as set_node_state() does.
  status set_state(node_id node, node_state state);
  /// Has the shard's leader give it to that node; the balancer may give it back. Blocks until that
  /// is done, or unavailable where it was not within seconds.
  status move_lead(std::uint16_t shard, node_id to);

 private:
  struct impl;
  explicit clustered_node(std::unique_ptr<impl> i);
  std::unique_ptr<impl> impl_;
};

}  // namespace tally::cluster

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/etcd_client.hpp"
#include "domain/placement.hpp"
#include "domain/result.hpp"

namespace tally::cluster {

/// A node that joined once. Kept until an operator removes it, and its number for ever.
struct member {
  node_id id;
  std::string identity;  // 32 hex digits, made with its data directory
  std::string name, zone;
  node_state state = node_state::active;
  bool operator==(const member&) const = default;
};
/// Where a node is reached, host:port each; empty where it does not listen.
struct node_addresses {
  std::string peer, http, admin, console;
  bool operator==(const node_addresses&) const = default;
};
/// What a running node says of itself, under its lease.
struct live_node {
  std::uint64_t incarnation = 0;  // rises with every start of its process
  node_addresses at;
  std::string version;  // of the program
  bool operator==(const live_node&) const = default;
};
struct cluster_node {
  member what;
  std::optional<live_node> live;  // nothing while it has no lease
  bool operator==(const cluster_node&) const = default;
};

/// Below root_of(cluster): "cluster_id", "next_node", "nodes/member/0000000001" and
/// "nodes/live/0000000001", "secrets/NAME", "balancer".
[[nodiscard]] std::string cluster_id_key(std::string_view cluster);
[[nodiscard]] std::string next_node_key(std::string_view cluster);
[[nodiscard]] std::string nodes_prefix(std::string_view cluster);
[[nodiscard]] std::string members_prefix(std::string_view cluster);
[[nodiscard]] std::string member_key(std::string_view cluster, node_id node);
[[nodiscard]] std::string live_key(std::string_view cluster, node_id node);
[[nodiscard]] std::string balancer_key(std::string_view cluster);
[[nodiscard]] std::string secret_key(std::string_view cluster, std::string_view name);

[[nodiscard]] std::string_view to_string(node_state state);
[[nodiscard]] std::optional<node_state> parse_node_state(std::string_view text);

/// JSON objects whose fields are those of the structs; the number is in the key. corrupt_record
/// where it cannot be read.
[[nodiscard]] std::string write_member(const member& m);
[[nodiscard]] result<member> parse_member(node_id id, std::string_view text);
[[nodiscard]] std::string write_live(const live_node& n);
[[nodiscard]] result<live_node> parse_live(std::string_view text);

/// All nodes, by number, of the entries under nodes_prefix; what cannot be read is left out and
/// logged.
[[nodiscard]] std::vector<cluster_node> nodes_of(std::string_view cluster,
                                                 const std::vector<etcd_entry>& entries);
/// The number in the last part of a key.
[[nodiscard]] std::optional<node_id> node_of_key(std::string_view key);

}  // namespace tally::cluster

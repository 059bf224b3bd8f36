#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "cluster/etcd_client.hpp"
#include "cluster/peer_links.hpp"
#include "cluster/replicator.hpp"
#include "cluster/request_relay.hpp"
#include "config/settings.hpp"
#include "domain/placement.hpp"

namespace tally::config {

/// A place to listen or connect: "HOST:PORT" or "[IPV6]:PORT".
struct host_port {
  std::string host;
  std::uint16_t port = 0;
};
/// bad_option where the text is no such thing.
result<host_port> parse_host_port(const std::string& text);

/// bad_option that names the setting, its value and where it was set.
[[nodiscard]] failure wrong_setting(const settings& from, std::string_view name,
                                    const std::string& what);

/// What the [cluster] section says.
struct cluster_settings {
  std::string name;  // empty: the node is on its own, and nothing else here counts
  std::string node_name, zone;
  cluster::etcd_options etcd;
  cluster::peer_options peers;
  std::string advertise;  // HOST:PORT for the others; port 0: the one that is listened at
  placement_options placement;
  cluster::replicator_options replication;
  cluster::relay_options relay;
  std::chrono::milliseconds join_timeout{};

  [[nodiscard]] bool is_used() const { return !name.empty(); }
};
/// Checks everything where a name is set, and reads the password file; nothing else is opened.
result<cluster_settings> make_cluster_settings(const settings& from);

}  // namespace tally::config

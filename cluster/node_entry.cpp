#include "cluster/node_entry.hpp"

#include <spdlog/spdlog.h>

#include <array>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>

#include "cluster/shard_entry.hpp"

namespace tally::cluster {
namespace {

using nlohmann::json;

constexpr std::size_t node_digits = 10;
constexpr std::array<std::string_view, 3> state_names{"active", "draining", "removed"};

std::string with_node(std::string prefix, node_id node) {
  const auto number = std::to_string(node.value);
  return prefix.append(node_digits - number.size(), '0') + number;
}

/// False where the field is missing or no text.
bool read_text(const json& object, const char* field, std::string& text) {
  const auto found = object.find(field);
  if (found == object.end() || !found->is_string()) return false;
  text = found->get<std::string>();
  return true;
}

failure corrupt(const char* what) {
  return {errc::corrupt_record, what};
}

}  // namespace

std::string cluster_id_key(std::string_view cluster) {
  return root_of(cluster) + "cluster_id";
}
std::string next_node_key(std::string_view cluster) {
  return root_of(cluster) + "next_node";
}
std::string nodes_prefix(std::string_view cluster) {
  return root_of(cluster) + "nodes/";
}
std::string members_prefix(std::string_view cluster) {
  return nodes_prefix(cluster) + "member/";
}
std::string member_key(std::string_view cluster, node_id node) {
  return with_node(members_prefix(cluster), node);
}
std::string live_key(std::string_view cluster, node_id node) {
  return with_node(nodes_prefix(cluster) + "live/", node);
}
std::string balancer_key(std::string_view cluster) {
  return root_of(cluster) + "balancer";
}
std::string secret_key(std::string_view cluster, std::string_view name) {
  return root_of(cluster) + "secrets/" + std::string{name};
}

std::string_view to_string(node_state state) {
  return state_names[static_cast<std::size_t>(state)];
}
std::optional<node_state> parse_node_state(std::string_view text) {
  for (std::size_t i = 0; i < state_names.size(); ++i) {
    if (state_names[i] == text) return static_cast<node_state>(i);
  }
  return std::nullopt;
}

std::string write_member(const member& m) {
  return json{{"identity", m.identity},
              {"name", m.name},
              {"zone", m.zone},
              {"state", std::string{to_string(m.state)}}}
      .dump();
}

result<member> parse_member(node_id id, std::string_view text) {
  const auto object = json::parse(text, nullptr, false);
  if (!object.is_object()) return corrupt("no JSON object");
  member m;
  m.id = id;
  std::string state;
  const bool is_whole = read_text(object, "identity", m.identity) &&
                        read_text(object, "name", m.name) && read_text(object, "zone", m.zone) &&
                        read_text(object, "state", state);
  if (!is_whole) return corrupt("identity, name, zone and state are needed");
  const auto known = parse_node_state(state);
  if (!known) return corrupt("state: active, draining or removed is needed");
  m.state = *known;
  return m;
}

std::string write_live(const live_node& n) {
  return json{{"incarnation", n.incarnation}, {"peer", n.at.peer},       {"http", n.at.http},
              {"admin", n.at.admin},          {"console", n.at.console}, {"version", n.version}}
      .dump();
}

result<live_node> parse_live(std::string_view text) {
  const auto object = json::parse(text, nullptr, false);
  if (!object.is_object()) return corrupt("no JSON object");
  live_node n;
  const bool is_whole =
      read_text(object, "peer", n.at.peer) && read_text(object, "http", n.at.http) &&
      read_text(object, "admin", n.at.admin) && read_text(object, "console", n.at.console) &&
      read_text(object, "version", n.version);
  if (!is_whole) return corrupt("peer, http, admin, console and version are needed");
  const auto incarnation = object.find("incarnation");
  if (incarnation == object.end() || !incarnation->is_number_unsigned()) {
    return corrupt("incarnation: a number is needed");
  }
  n.incarnation = incarnation->get<std::uint64_t>();
  return n;
}

std::optional<node_id> node_of_key(std::string_view key) {
  key.remove_prefix(std::min(key.size(), key.rfind('/') + 1));
  if (key.size() != node_digits) return std::nullopt;
  node_id id;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id.value);
  if (error != std::errc{} || end != key.data() + key.size()) return std::nullopt;
  return id;
}

std::vector<cluster_node> nodes_of(std::string_view cluster,
                                   const std::vector<etcd_entry>& entries) {
  const auto members = members_prefix(cluster), all = nodes_prefix(cluster);
  std::map<node_id, cluster_node> nodes;
  const auto log = [](const etcd_entry& entry, const failure& why) {
    spdlog::error("node_entry_unreadable key={} reason={}", entry.key, why.text());
  };
  for (const auto& entry : entries) {
    const auto id = node_of_key(entry.key);
    if (!id || !entry.key.starts_with(members)) continue;
    auto m = parse_member(*id, entry.value);
    if (m) {
      nodes[*id].what = std::move(*m);
    } else {
      log(entry, m.error());
    }
  }
  for (const auto& entry : entries) {
    const auto id = node_of_key(entry.key);
    if (!id || !entry.key.starts_with(all) || entry.key.starts_with(members)) continue;
    const auto known = nodes.find(*id);
    if (known == nodes.end()) continue;
    auto n = parse_live(entry.value);
    if (n) {
      known->second.live = std::move(*n);
    } else {
      log(entry, n.error());
    }
  }
  std::vector<cluster_node> list;
  list.reserve(nodes.size());
  for (auto& [id, node] : nodes) list.push_back(std::move(node));
  return list;
}

}  // namespace tally::cluster

#include "cluster/cluster_commands.hpp"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "domain/shard.hpp"

namespace tally::cluster {
namespace {

using nlohmann::json;

result<std::uint32_t> number_in(const std::string& text, const std::string& what) {
  std::uint32_t number = 0;
  const auto* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number);
  if (read.ec != std::errc{} || read.ptr != end)
    return failure{errc::bad_request, what + ": '" + text + "' is no number"};
  return number;
}

result<std::string> set_state(clustered_node& node, const std::vector<std::string>& words,
                              node_state state) {
  if (words.size() != 3)
    return failure{errc::bad_request, "usage: " + words[0] + ' ' + words[1] + " NODE"};
  const auto number = number_in(words[2], "NODE");
  if (!number) return number.error();
  if (const auto set = node.set_state({*number}, state); !set) return set.error();
  return json{{"node", *number}, {"state", std::string{to_string(state)}}}.dump();
}

/// A node whose shards could not be taken by others stays.
status may_leave(const clustered_node& node, std::uint32_t leaving) {
  std::size_t others = 0;
  bool is_known = false;
  for (const auto& n : node.nodes()) {
    is_known = is_known || n.what.id.value == leaving;
    others += n.what.id.value != leaving && n.live && n.what.state == node_state::active ? 1U : 0U;
  }
  if (!is_known) return failure{errc::not_found, "node " + std::to_string(leaving)};
  if (others >= node.min_in_sync()) return done{};
  return failure{errc::conflict, "only " + std::to_string(others) +
                                     " other nodes are there, and a shard needs " +
                                     std::to_string(node.min_in_sync()) + " copies in sync"};
}

result<std::string> empty_node(clustered_node& node, const std::vector<std::string>& words,
                               node_state state) {
  if (words.size() == 3) {
    const auto number = number_in(words[2], "NODE");
    if (!number) return number.error();
    if (auto may = may_leave(node, *number); !may) return may.error();
  }
  return set_state(node, words, state);
}

result<std::string> lead(clustered_node& node, const std::vector<std::string>& words) {
  if (words.size() != 4) return failure{errc::bad_request, "usage: cluster lead SHARD NODE"};
  const auto shard = number_in(words[2], "SHARD"), to = number_in(words[3], "NODE");
  if (!shard) return shard.error();
  if (!to) return to.error();
  if (*shard >= shard_count)
    return failure{errc::bad_request,
                   "SHARD: " + words[2] + " is above " + std::to_string(shard_count - 1)};
  if (auto moved = node.move_lead(static_cast<std::uint16_t>(*shard), {*to}); !moved)
    return moved.error();
  return json{{"shard", *shard}, {"leader", *to}}.dump();
}

}  // namespace

std::map<std::string, cluster_command> commands_of(clustered_node& node) {
  return {
      {"cluster status", [&node](const auto&) { return cluster_status(node.picture()); }},
      {"cluster shards", [&node](const auto&) { return cluster_shards(node.picture()); }},
      {"cluster add",
       [&node](const auto& words) { return set_state(node, words, node_state::active); }},
      {"cluster drain",
       [&node](const auto& words) { return empty_node(node, words, node_state::draining); }},
      {"cluster remove",
       [&node](const auto& words) { return empty_node(node, words, node_state::removed); }},
      {"cluster lead", [&node](const auto& words) { return lead(node, words); }},
  };
}

}  // namespace tally::cluster

#include "cluster/cluster_status.hpp"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

namespace tally::cluster {
namespace {

using nlohmann::json;

struct node_counts {
  std::size_t leads = 0, in_sync = 0, copies = 0, planned = 0;
};

std::optional<node_id> leader_of(const shard_config& config) {
  const auto* copy = config.find_copy(config.leader);
  return copy == nullptr ? std::nullopt : std::optional{copy->node};
}

std::set<node_id> nodes_in_sync(const shard_config& config) {
  std::set<node_id> nodes;
  for (const auto& copy : config.copies) {
    if (config.is_in_sync(copy.id)) nodes.insert(copy.node);
  }
  return nodes;
}

std::set<node_id> nodes_with_copies(const shard_config& config) {
  std::set<node_id> nodes;
  for (const auto& copy : config.copies) nodes.insert(copy.node);
  return nodes;
}

template <class Nodes>
std::string words_of(const Nodes& nodes) {
  std::string words;
  for (const auto node : nodes) words += (words.empty() ? "" : " ") + std::to_string(node.value);
  return words;
}

std::map<node_id, node_counts> count(const cluster_picture& picture) {
  std::map<node_id, node_counts> counts;
  for (const auto& config : picture.shards) {
    if (const auto leader = leader_of(config)) ++counts[*leader].leads;
    for (const auto node : nodes_in_sync(config)) ++counts[node].in_sync;
    for (const auto node : nodes_with_copies(config)) ++counts[node].copies;
  }
  for (const auto& list : picture.planned) {
    for (const auto node : list) ++counts[node].planned;
  }
  return counts;
}

json node_line(const cluster_node& node, const node_counts& counts) {
  const auto live = node.live.value_or(live_node{});
  return {{"node", node.what.id.value},    {"name", node.what.name},
          {"zone", node.what.zone},        {"state", std::string{to_string(node.what.state)}},
          {"live", node.live.has_value()}, {"leads", counts.leads},
          {"in_sync", counts.in_sync},     {"copies", counts.copies},
          {"planned", counts.planned},     {"version", live.version},
          {"http", live.at.http},          {"console", live.at.console}};
}

}  // namespace

void leader_times::note(std::uint16_t shard, const shard_config& config, event_time now) {
  if (shard >= shards_.size()) shards_.resize(std::size_t{shard} + 1);
  auto& known = shards_[shard];
  if (config.epoch == known.epoch) return;
  known.since = known.epoch == 0 && config.epoch > 1 ? std::nullopt : std::optional{now};
  known.epoch = config.epoch;
}

std::optional<event_time> leader_times::since(std::uint16_t shard) const {
  return shard < shards_.size() ? shards_[shard].since : std::nullopt;
}

std::string cluster_status(const cluster_picture& picture) {
  std::set<node_id> live;
  for (const auto& node : picture.nodes) {
    if (node.live) live.insert(node.what.id);
  }
  std::size_t known = 0, led = 0, whole = 0, least = 0;
  for (const auto& config : picture.shards) {
    if (config.version == 0) continue;
    const auto leader = leader_of(config);
    const auto in_sync = nodes_in_sync(config);
    if (leader && live.contains(*leader)) ++led;
    if (in_sync == nodes_with_copies(config)) ++whole;
    least = known == 0 ? in_sync.size() : std::min(least, in_sync.size());
    ++known;
  }
  auto counts = count(picture);
  auto nodes = json::array();
  for (const auto& node : picture.nodes) nodes.push_back(node_line(node, counts[node.what.id]));
  return json{{"cluster", picture.name},
              {"id", to_hex(picture.cluster)},
              {"self", picture.self.value},
              {"shards", known},
              {"led", led},
              {"whole", whole},
              {"min_in_sync_copies", least},
              {"nodes", std::move(nodes)}}
      .dump();
}

std::string cluster_shards(const cluster_picture& picture) {
  auto lines = json::array();
  for (std::size_t i = 0; i < picture.shards.size(); ++i) {
    const auto& config = picture.shards[i];
    if (config.version == 0) continue;
    const auto leader = leader_of(config);
    const auto since = picture.times.since(static_cast<std::uint16_t>(i));
    json line{{"shard", i},
              {"leader", leader ? json(leader->value) : json{}},
              {"epoch", config.epoch},
              {"since", since ? json(to_ms(*since)) : json{}},
              {"in_sync", words_of(nodes_in_sync(config))},
              {"copies", words_of(nodes_with_copies(config))}};
    line["planned"] = i < picture.planned.size() ? words_of(picture.planned[i]) : "";
    lines.push_back(std::move(line));
  }
  return json{{"shards", std::move(lines)}}.dump();
}

}  // namespace tally::cluster

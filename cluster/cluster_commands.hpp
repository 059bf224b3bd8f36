#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "cluster/clustered_node.hpp"
#include "domain/result.hpp"

namespace tally::cluster {

/// {"cluster","self","nodes":[{"node","name","zone","state","live","version","http","peer","admin",
/// "console","leads","copies","in_sync"}],"shards":[{"shard","leader","epoch","in_sync","copies",
/// "end","commit"}],"without_leader","below_copies"}: as this node sees it. Ends and commits are
/// those of its own copies. Blocks for a moment.
result<std::string> status_json(const clustered_node& node);

/// Commands of an operator about a cluster, by their first two words: "cluster status", "cluster
/// add|remove|drain NODE", "cluster lead SHARD NODE". They run on the thread that calls and block.
using cluster_command = std::function<result<std::string>(const std::vector<std::string>& words)>;
[[nodiscard]] std::map<std::string, cluster_command> commands_of(clustered_node& node);

}  // namespace tally::cluster

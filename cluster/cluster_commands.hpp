#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "cluster/clustered_node.hpp"
#include "domain/result.hpp"

namespace tally::cluster {

/// Commands of an operator about a cluster, by their first two words: "cluster status", "cluster
/// shards", "cluster add|remove|drain NODE", "cluster lead SHARD NODE". They run on the thread that
/// calls and block.
using cluster_command = std::function<result<std::string>(const std::vector<std::string>& words)>;
[[nodiscard]] std::map<std::string, cluster_command> commands_of(clustered_node& node);

}  // namespace tally::cluster

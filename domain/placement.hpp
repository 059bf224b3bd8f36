#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "domain/shard_map.hpp"

namespace tally {

/// What an operator wants of a node. The numbers rest in files.
enum class node_state : std::uint8_t {
  active = 0,
  draining = 1,  // keeps what it has until others have it
  removed = 2,   // the same, and it never comes back under this number
};

/// A node as the planner sees it.
struct placed_node {
  node_id id;
  std::string zone;  // empty: of no zone; nodes of one zone may fail together
  node_state state = node_state::active;
  bool is_live = true;
  std::chrono::milliseconds dead_for{0};  // where it is not live
};

/// Where copies should be, one entry a shard. The first `copies` nodes that may hold one are the
/// goal, and the first of all should lead; what comes after them is kept until the goal is in sync.
using placement = std::vector<std::vector<node_id>>;

struct placement_options {
  std::size_t copies = 3;               // of each shard, where there are as many nodes
  std::size_t min_in_sync = 2;          // no copy is given up for which fewer would be left
  std::size_t moves_per_node_max = 2;   // copies on their way to a node, and away from it
  std::size_t fills_per_node_max = 16;  // on their way to it where a shard has too few
  std::size_t handovers_max = 8;        // at a time, in the whole cluster
  std::chrono::milliseconds replace_after{10 * 60 * 1'000};  // a node that is not live
};
[[nodiscard]] bool is_valid(const placement_options& options);

/// The next step from `current` towards an even spread of copies and leaders, over zones first.
/// Pure, deterministic, and without memory: what is on its way is seen from `actual` (one entry a
/// shard, version 0 where nothing is known of it) against `current` (which may be empty). Where
/// everything is in its place it returns `current`. Nodes that are draining, removed or not live
/// for longer than `replace_after` get nothing and are emptied.
[[nodiscard]] placement plan_placement(const placement& current,
                                       const std::vector<shard_config>& actual,
                                       const std::vector<placed_node>& nodes,
                                       const placement_options& options);

}  // namespace tally

#pragma once

#include <string>
#include <vector>

#include "actors/node_env.hpp"

namespace tally::actors {

/// What opening a data directory finds.
struct opened_node {
  std::vector<tail_index> tails;  // by lane; without rounds: history has what is to be counted
  persistence::round_number tail_first = 0;
  std::string token_secret;
};

/// Opens the databases of `env.options.data_dir`, checks the unsaved tail of the log (offsets and
/// chain of every shard) and notes where each merchant's events lie in it. Applies nothing.
result<opened_node> open_node(node_env& env);

}  // namespace tally::actors

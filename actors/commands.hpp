#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "actors/engine.hpp"
#include "actors/keeper.hpp"
#include "actors/node_env.hpp"

namespace tally::actors {

/// What console commands work on.
struct command_context {
  node_env_ptr env;
  std::vector<lane_actor> lanes;
  journal_actor journal;
  keeper_actor keeper;
  io_actor worker;  // commands wait for answers here, one at a time
  std::string version;
  std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
};

/// Runs one command and gives its JSON text. Waits for actors and the disk, so only on the
/// command worker's thread. bad_request names the word it does not understand.
result<std::string> run_command(command_context& context, const std::vector<std::string>& words);

/// Name and one-line help of every command, for completion and `help`.
[[nodiscard]] const std::vector<std::pair<std::string, std::string>>& command_help();

/// Looks into a merchant's aggregator and waits. Used by commands and by engine::report.
void inspect(const std::vector<lane_actor>& lanes, const inspection_ptr& what);

/// Registers a key in the shard of its merchant, or in `meta` for platform and admin keys.
result<std::string> create_key(command_context& context, const std::string& scope,
                               const std::string& merchant, const std::string& label);

}  // namespace tally::actors

#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "actors/engine.hpp"
#include "actors/keeper.hpp"
#include "actors/node_env.hpp"
#include "actors/sealing.hpp"

namespace tally::actors {

class reprocessor;
using reprocess_task = std::shared_ptr<std::function<void(reprocessor&)>>;
using reprocess_actor = caf::typed_actor<
    // Runs a task on the reprocessor.
    caf::reacts_to<run_atom, reprocess_task>,
    // To itself: works for a moment.
    caf::reacts_to<tick_atom>>;

/// What console commands work on.
struct command_context {
  node_env_ptr env;
  std::vector<lane_actor> lanes;
  journal_actor journal;
  keeper_actor keeper;
  io_actor worker;  // commands wait for answers here, one at a time
  reprocess_actor reprocess;
  sealing_actor seals;
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

/// A key to be made. Platform and admin keys have no merchant.
struct key_wish {
  std::string scope, merchant, label;
  bool may_create = true;  // of a platform key
};
/// Registers a key in the shard of its merchant, or in `meta` for platform and admin keys.
result<std::string> create_key(command_context& context, const key_wish& wish);

}  // namespace tally::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tally::actors::reprocess_task)

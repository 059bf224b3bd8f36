#pragma once

#include <deque>
#include <utility>
#include <vector>

#include "actors/node_env.hpp"

namespace tally::actors {

using keeper_actor = caf::typed_actor<
    // Every second: has merchants with old unsaved events snapshot, so that a restart has at most
    // log_unsealed_bytes_max of the log to read. Turns the visitors' salts when a UTC day ends.
    caf::reacts_to<tick_atom>,
    // Flushes the state database, then notes in the journal from where a restart must read.
    // Answers when done; true where both went well.
    caf::replies_to<flush_atom>::with<bool>>;

/// Where in `meta` the first round stands that a restart must read.
constexpr const char* tail_first_key = "tail_first";

/// Keeps the unsaved tail of the log short. Spawned detached: it waits for the disk.
keeper_actor::behavior_type keeper(keeper_actor::pointer self, node_env_ptr env,
                                   std::vector<lane_actor> lanes, journal_actor journal);

}  // namespace tally::actors

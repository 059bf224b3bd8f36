#pragma once

#include <vector>

#include "actors/keeper.hpp"
#include "actors/node_env.hpp"

namespace tally::actors {

/// Moves what is counted and saved from the log into the history: once there are
/// `engine_options::seal_bytes` of it, or after `seal_interval`. Stops between two steps while the
/// node drains. Has the segments of the log dropped that nobody needs any more: history has them, a
/// restart would not read them, and nobody reads in them. Detached: it reads and writes the disk.
using sealing_actor = caf::typed_actor<
    // Every second, and to itself: looks whether there is something to do.
    caf::reacts_to<tick_atom>,
    // Seals everything that was committed before the message came, however little it is; has it
    // saved first. Answers with the round up to which all is sealed.
    caf::replies_to<flush_atom>::with<std::uint64_t>,
    // Runs what writes to the history, of which there is one writer at a time.
    caf::reacts_to<run_atom, task_ptr>>;

sealing_actor::behavior_type sealing(sealing_actor::pointer self, node_env_ptr env,
                                     std::vector<lane_actor> lanes, keeper_actor keeper,
                                     journal_actor journal);

}  // namespace tally::actors

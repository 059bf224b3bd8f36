#pragma once

#include <string>
#include <vector>

#include "actors/node_env.hpp"

namespace tally::actors {

/// Runs tasks that wait for the disk. Spawned detached.
io_actor::behavior_type io_worker(io_actor::pointer self);

/// Reads a merchant back: its snapshot, then its events of `rounds` past it. A snapshot that does
/// not decode is corrupt_record. Waits for the disk.
loaded_ptr load_merchant(const node_env& env, const persistence::state_owner& owner,
                         const std::vector<persistence::round_number>& rounds);

}  // namespace tally::actors

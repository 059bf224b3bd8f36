#pragma once

#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "actors/node_env.hpp"

namespace tally::actors {

/// Runs tasks that wait for the disk. Spawned detached. The number only tells workers apart: CAF
/// 0.17.6 binds a null reference when it spawns a function without arguments.
io_actor::behavior_type io_worker(io_actor::pointer self, std::uint32_t number);

/// Reads a merchant back: its snapshot of the generation that serves it, then its events past it:
/// `events`, or where there are none those of `rounds`. A snapshot that does not decode is
/// corrupt_record. Where the serving generation lacks events that the one before it has, it is
/// brought to the same offset first. Waits for the disk.
loaded_ptr load_merchant(node_env& env, const std::string& merchant,
                         const std::vector<persistence::round_number>& rounds,
                         std::vector<tail_event> events);

/// Adds the merchant's events of one round, up to an offset. corrupt_record where it is damaged.
status add_round(std::vector<tail_event>& events, const persistence::state_owner& owner,
                 const persistence::journal& log, persistence::round_number round,
                 std::uint64_t upto = std::numeric_limits<std::uint64_t>::max());

/// Reads the log from `from` to `to` once and keeps the events of one lane's merchants: what a
/// lane catches up with after a crash. A lane's share of the tail is held in memory. Waits for the
/// disk.
result<tail_events_ptr> read_tail(const persistence::journal& log, std::uint32_t lane,
                                  persistence::round_number from, persistence::round_number to);

}  // namespace tally::actors

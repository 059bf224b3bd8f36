#pragma once

#include <vector>

#include "actors/node_env.hpp"

namespace tally::actors {

/// Groups the events of submissions by lane.
/// Counts sealed events as queued; false where there is no room, and they are settled as
/// unavailable.
bool takes(node_env& env, submission& events);
/// Sends events to the lanes of their shards.
void hand_to_lanes(const submission_ptr& events, const std::vector<lane_actor>& lanes);

gateway_actor::behavior_type gateway(gateway_actor::pointer self, node_env_ptr env,
                                     std::vector<lane_actor> lanes);

}  // namespace tally::actors

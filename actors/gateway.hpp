#pragma once

#include <vector>

#include "actors/node_env.hpp"

namespace tally::actors {

/// Groups the events of submissions by lane.
gateway_actor::behavior_type gateway(gateway_actor::pointer self, node_env_ptr env,
                                     std::vector<lane_actor> lanes);

}  // namespace tally::actors

#include "actors/gateway.hpp"

#include <array>

#include "domain/shard.hpp"

namespace tally::actors {

gateway_actor::behavior_type gateway(gateway_actor::pointer self, node_env_ptr,
                                     std::vector<lane_actor> lanes) {
  return {[self, lanes = std::move(lanes)](submit_atom, const submission_ptr& events) {
    std::array<std::shared_ptr<lane_part>, lane_count> parts;
    for (std::uint32_t i = 0; i < events->events.size(); ++i) {
      auto& part = parts[lane_of(shard_of(events->events[i].merchant))];
      if (!part) {
        part = std::make_shared<lane_part>();
        part->events = events;
      }
      part->positions.push_back(i);
    }
    for (std::size_t lane = 0; lane < parts.size(); ++lane)
      if (parts[lane]) self->send(lanes[lane], submit_atom::value, lane_part_ptr{parts[lane]});
  }};
}

}  // namespace tally::actors

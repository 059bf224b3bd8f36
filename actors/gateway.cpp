#include "actors/gateway.hpp"

#include <array>

#include "domain/shard.hpp"

namespace tally::actors {

bool takes(node_env& env, submission& events) {
  const auto bytes = static_cast<std::int64_t>(events.bytes.size());
  const auto queued = env.metrics.queue_bytes += bytes;
  if (!env.draining && !env.disk_full && !env.is_broken &&
      queued <= static_cast<std::int64_t>(env.limits.queue_bytes_max))
    return true;
  env.metrics.queue_bytes -= bytes;
  env.metrics.events_unavailable += events.events.size();
  for (auto& e : events.events) e.what = outcome::unavailable;
  events.settle(static_cast<std::uint32_t>(events.events.size()));
  return false;
}

void hand_to_lanes(const submission_ptr& events, const std::vector<lane_actor>& lanes) {
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
    if (parts[lane]) caf::anon_send(lanes[lane], submit_atom::value, lane_part_ptr{parts[lane]});
}

gateway_actor::behavior_type gateway(gateway_actor::pointer, node_env_ptr,
                                     std::vector<lane_actor> lanes) {
  return {[lanes = std::move(lanes)](submit_atom, const submission_ptr& events) {
    hand_to_lanes(events, lanes);
  }};
}

}  // namespace tally::actors

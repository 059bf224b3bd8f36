#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/messages.hpp"
#include "cluster/replicator_state.hpp"

/// Events and changes on their way to the nodes that lead their shards.
namespace tally::cluster {

/// Kinds of requests between nodes.
inline constexpr auto events_request = "events";
inline constexpr auto change_request = "change";

/// Takes sealed events to the leaders of their shards, this node among them, and settles them. What
/// is refused because its shard moved is sent again until `forward_timeout`.
void forward_events(const std::shared_ptr<replicator::shared>& shared,
                    actors::submission_ptr events);
/// Takes a change to the leader of its merchant's shard, until `forward_timeout`.
void forward_change(const std::shared_ptr<replicator::shared>& shared,
                    actors::registry_change_ptr what);

/// Answers such a request of another node.
void answer_events(const std::shared_ptr<replicator::shared>& shared, std::string_view body,
                   std::function<void(result<std::string>)> reply);
void answer_change(const std::shared_ptr<replicator::shared>& shared, std::string_view body,
                   std::function<void(result<std::string>)> reply);

}  // namespace tally::cluster

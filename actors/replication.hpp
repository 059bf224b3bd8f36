#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "actors/node_env.hpp"
#include "persistence/daily_salts.hpp"

namespace tally::actors {

/// What makes a node one of several: cluster/replicator.hpp. Set before the engine starts and
/// outlives it. A node without one keeps the only copy of every shard.
class replication {
 public:
  virtual ~replication() = default;

  /// The actor in the journal writer's place. It gets each lane's chunks without offsets and
  /// answers when every in-sync copy has them; it tells lanes with role_atom what this node leads,
  /// and with follow_atom what others committed. Called once, before the lanes are there.
  virtual journal_actor spawn(caf::actor_system& system, const node_env_ptr& env) = 0;
  /// The lanes that are told, by number. Called once.
  virtual void begin(std::vector<lane_actor> lanes) = 0;
  /// Nothing is written or told any more once this returns: the journal may be closed. May be
  /// called again.
  virtual void end() = 0;

  /// Takes events to the leaders of their shards and settles them. Any thread.
  virtual void submit(submission_ptr events) = 0;
  /// Takes a change to the leader of its merchant's shard; answers when this node has it too.
  virtual void change(registry_change_ptr what) = 0;
  /// Runs a command at the node that leads the shard; nothing where that is this one. Blocks.
  virtual std::optional<result<std::string>> run_at_leader(
      std::uint16_t shard, const std::vector<std::string>& words) = 0;
  /// A secret that all nodes share, 32 random bytes, made by the first that asks. Blocks.
  virtual result<std::string> secret(const std::string& name) = 0;
  /// Why the node should get no requests yet; empty once every shard was led and in sync.
  [[nodiscard]] virtual std::string not_ready() const = 0;
  /// Whether this node leads the shard and no other can have opened in its place: asked when an
  /// answer is built. Any thread.
  [[nodiscard]] virtual bool may_read(std::uint16_t shard) const = 0;
};

/// The day's salt that all nodes share; nothing on a node without others.
[[nodiscard]] persistence::salt_maker shared_salts(replication* copies);

/// Of records that belong to no merchant.
inline constexpr std::string_view platform_merchant = "$platform";

}  // namespace tally::actors

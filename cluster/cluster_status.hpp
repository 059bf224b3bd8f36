#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cluster/node_entry.hpp"
#include "domain/shard_map.hpp"
#include "domain/time.hpp"

namespace tally::cluster {

/// Remembers when this node saw a shard's leader begin. Not thread-safe.
class leader_times {
 public:
  /// Entries in the order in which they are told; those that this node finds at its start have led
  /// for an unknown time.
  void note(std::uint16_t shard, const shard_config& config, event_time now);
  /// Nothing where it is not known.
  [[nodiscard]] std::optional<event_time> since(std::uint16_t shard) const;

 private:
  struct seen {
    std::uint32_t epoch = 0;
    std::optional<event_time> since;
  };
  std::vector<seen> shards_;
};

/// What a node knows of its cluster at one instant.
struct cluster_picture {
  std::string name;
  std::uint64_t cluster = 0;
  node_id self;
  std::vector<cluster_node> nodes;
  std::vector<shard_config> shards;           // version 0 where nothing is known
  std::vector<std::vector<node_id>> planned;  // parallel, may be empty
  leader_times times;
};

/// JSON:
/// {"cluster","id","self","shards","led","whole","min_in_sync_copies","nodes":[{"node","name",
/// "zone","state","live","leads","in_sync","copies","planned","version","http","console"}]}.
/// `whole` shards have every copy of theirs in sync; a dead leader does not lead.
[[nodiscard]] std::string cluster_status(const cluster_picture& picture);
/// JSON: {"shards":[{"shard","leader","epoch","since","in_sync","copies","planned"}]}, nodes by
/// number, lists as text such as "1 3".
[[nodiscard]] std::string cluster_shards(const cluster_picture& picture);

}  // namespace tally::cluster

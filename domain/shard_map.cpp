#include "domain/shard_map.hpp"

#include <algorithm>

namespace tally {

bool shard_config::is_in_sync(replica_id id) const {
  return std::ranges::count(in_sync, id) > 0;
}

const shard_copy* shard_config::find_copy(replica_id id) const {
  const auto found = std::ranges::find(copies, id, &shard_copy::id);
  return found == copies.end() ? nullptr : &*found;
}

bool shard_config::is_replaced(replica_id id) const {
  const auto found = std::ranges::find(copies, id, &shard_copy::id);
  if (found == copies.end()) return false;
  return std::any_of(found + 1, copies.end(),
                     [&](const shard_copy& later) { return later.node == found->node; });
}

bool same_content(const shard_config& a, const shard_config& b) {
  auto copy = a;
  copy.version = b.version;
  return copy == b;
}

}  // namespace tally

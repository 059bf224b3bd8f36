#include <algorithm>

#include "cluster/replicator_state.hpp"

/// What the rest of the cluster says and wants, and what this node tells.
namespace tally::cluster {

void replicator_state::peer_down(node_id node) {
  for (std::uint16_t shard = 0; shard < copies_.size(); ++shard) {
    const auto copies = copies_[shard].core->config().copies;
    for (const auto& c : copies)
      if (c.node == node) feed(shard, tally::peer_down{c.id});
  }
  schedule_flush();
}

void replicator_state::see(std::uint16_t shard, const shard_config& config) {
  feed(shard, config_seen{0, config});
  schedule_flush();
}

void replicator_state::lease_lost() {
  for (std::uint16_t shard = 0; shard < copies_.size(); ++shard) feed(shard, tally::lease_lost{});
  schedule_flush();
}

void replicator_state::set_live(std::vector<node_id> nodes) {
  live_ = {nodes.begin(), nodes.end()};
}

void replicator_state::leave() {
  if (std::exchange(is_leaving_, true)) return;
  for (std::uint16_t shard = 0; shard < copies_.size(); ++shard) feed(shard, leave_requested{});
  schedule_flush();
}

void replicator_state::hand_over(std::uint16_t shard, node_id to) {
  const auto config = copies_[shard].core->config();
  for (const auto& c : config.copies)
    if (c.node == to && config.is_in_sync(c.id)) feed(shard, hand_over_requested{c.id});
  schedule_flush();
}

void replicator_state::place(std::uint16_t shard, std::vector<node_id> nodes) {
  copies_[shard].placed = std::move(nodes);
  if (copies_[shard].core->config().version == 0) create(shard);
}

bool replicator_state::is_wanted_here(const kept_copy& copy) const {
  if (copy.placed.empty()) return true;
  const auto self_node = shared_->options.node;
  const auto& listed = copy.core->config().copies;
  return std::ranges::count(copy.placed, self_node) > 0 ||
         std::ranges::any_of(listed, [&](const shard_copy& c) { return c.node == self_node; });
}

/// Without a plan shards go round the nodes that have them.
node_id replicator_state::wanted_leader(const kept_copy& copy, std::uint16_t shard) const {
  if (!copy.placed.empty()) return copy.placed.front();
  std::vector<node_id> nodes;
  for (const auto& c : copy.core->config().copies) nodes.push_back(c.node);
  std::ranges::sort(nodes);
  return nodes.empty() ? node_id{} : nodes[shard % nodes.size()];
}

/// A shard that never was begins with the first of the nodes where it is placed.
void replicator_state::create(std::uint16_t shard) {
  const auto& placed = copies_[shard].placed;
  if (placed.empty() || placed.front() != shared_->options.node) return;
  shared_->ports.swap(shard, 0, shared_->first[shard], [](swap_outcome, std::uint64_t) {});
}

/// Copies that the plan does not name go once those that it names are in sync.
void replicator_state::drop_unplaced(std::uint16_t shard) {
  const auto& copy = copies_[shard];
  const auto config = copy.core->config();
  const auto is_in_sync_on = [&](node_id node) {
    return std::ranges::any_of(config.copies, [&](const shard_copy& c) {
      return c.node == node && config.is_in_sync(c.id);
    });
  };
  if (copy.placed.empty() || !std::ranges::all_of(copy.placed, is_in_sync_on)) return;
  for (const auto& c : config.copies)
    if (std::ranges::count(copy.placed, c.node) == 0) feed(shard, drop_copy_requested{c.id});
}

/// Makes what is like what is planned: a node that came back gets its own shards again.
void replicator_state::balance() {
  if (is_leaving_) return;
  std::uint32_t moves = 0;
  for (std::uint16_t shard = 0; shard < copies_.size(); ++shard) {
    const auto& copy = copies_[shard];
    if (copy.core->config().version == 0) create(shard);
    if (copy.core->role() != replica_role::leader || !copy.is_open) continue;
    drop_unplaced(shard);
    const auto wanted = wanted_leader(copy, shard);
    const bool is_gone = !live_.empty() && !live_.contains(wanted);
    if (wanted == shared_->options.node || is_gone || moves >= shared_->options.moves_max) continue;
    hand_over(shard, wanted);
    ++moves;
  }
}

std::size_t replicator_state::shards_led() const {
  return static_cast<std::size_t>(std::ranges::count_if(copies_, [](const kept_copy& c) {
    return c.core &&
           (c.core->role() == replica_role::leader || c.core->role() == replica_role::starting);
  }));
}

std::vector<shard_report> replicator_state::report() const {
  std::vector<shard_report> all;
  for (std::uint16_t shard = 0; shard < copies_.size(); ++shard) {
    const auto& core = *copies_[shard].core;
    shard_report r;
    r.shard = shard;
    r.epoch = core.config().epoch;
    r.role = core.role();
    r.leader = node_of(shard, core.leader());
    for (const auto& c : core.config().copies) {
      r.copies.push_back(c.node);
      if (core.config().is_in_sync(c.id)) r.in_sync.push_back(c.node);
    }
    r.end = core.end().offset;
    r.commit = core.commit();
    r.told = copies_[shard].told == 0
                 ? core.start().offset
                 : copies_[shard].chunks[copies_[shard].told - 1].header.last();
    all.push_back(std::move(r));
  }
  return all;
}

}  // namespace tally::cluster

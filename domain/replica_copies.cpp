#include <algorithm>

#include "domain/replica_core.hpp"

namespace tally {

void replica_core::on(const drop_copy_requested& e) {
  if (leads() && e.copy != id_) lead_->drops.insert(e.copy);
}

void replica_core::on(const leave_requested&) {
  leaving_ = true;
}

void replica_core::on(const peer_down& e) {
  if (e.peer == leader_) link_is_down_ = true;
  if (!leads()) return;
  const auto found = lead_->peers.find(e.peer);
  if (found == lead_->peers.end()) return;
  found->second.heard_at = now_.steady - options_.shrink_after - steady_time{1};
}

void replica_core::handle(const replica_message& m, const join_message& a) {
  if (leads() && config_.find_copy(m.from) == nullptr) lead_->joins[m.from] = a.node;
}

void replica_core::handle(const replica_message& m, const leave_message&) {
  if (auto* p = heard_peer(m)) p->leaving = true;
}

/// The copies without which nothing is committed: those of the store, and those of every proposal
/// that may have become the store's.
std::vector<replica_id> replica_core::commit_set() const {
  auto all = config_.in_sync;
  const bool acts_early =
      !rules_.shrink_after_confirmation && swap_ && swap_->purpose == swap_purpose::change_copies;
  if (acts_early) all = swap_->proposed.in_sync;
  if (!rules_.in_flight_sets_counted) return all;
  for (const auto& d : doubts_) {
    for (const auto id : d.in_sync) {
      if (std::ranges::count(all, id) == 0 && !acts_early) all.push_back(id);
    }
  }
  return all;
}

bool replica_core::lags(const peer& p) const {
  const bool owes = p.next - 1 > p.match;
  return now_.steady - p.heard_at > options_.shrink_after ||
         (owes && now_.steady - p.progressed_at > options_.shrink_after);
}

bool replica_core::is_gone(replica_id id) const {
  if (id == id_) return false;
  const auto found = lead_->peers.find(id);
  if (config_.is_replaced(id) || lead_->drops.contains(id)) return true;
  return found == lead_->peers.end() || found->second.leaving || lags(found->second);
}

/// A learner may count once it has what may have been committed before this epoch, even where this
/// leader does not know yet that it was.
bool replica_core::is_caught_up(replica_id id) const {
  const auto found = lead_->peers.find(id);
  if (found == lead_->peers.end() || is_gone(id)) return false;
  const auto& p = found->second;
  if (p.probing || !p.live) return false;
  return (!rules_.expand_past_commit || p.match >= commit_) &&
         (!rules_.expand_past_epoch_start || p.match >= lead_->epoch_start);
}

std::vector<replica_id> replica_core::planned_in_sync() const {
  std::vector<replica_id> with_gone = config_.in_sync, planned;
  for (const auto& copy : config_.copies) {
    if (!config_.is_in_sync(copy.id) && is_caught_up(copy.id)) with_gone.push_back(copy.id);
  }
  std::ranges::copy_if(with_gone, std::back_inserter(planned),
                       [&](replica_id id) { return !is_gone(id); });
  // Fewer than needed take no writes anyway; the others stay fit to lead.
  const bool is_too_few = planned.size() < options_.min_in_sync;
  return is_too_few && planned.size() < with_gone.size() ? with_gone : planned;
}

shard_config replica_core::planned_config() const {
  auto planned = config_;
  planned.in_sync = planned_in_sync();
  std::erase_if(planned.copies, [&](const shard_copy& c) {
    const bool is_unwanted = config_.is_replaced(c.id) || lead_->drops.contains(c.id);
    return is_unwanted && !planned.is_in_sync(c.id);
  });
  for (const auto& [id, node] : lead_->joins) {
    if (planned.find_copy(id) != nullptr || planned.copies.size() >= options_.copies_max) continue;
    planned.copies.push_back({id, node});
  }
  return planned;
}

/// Proposes what should change. A proposal in doubt is settled by another one on the same version:
/// one of the two fails.
void replica_core::plan_change() {
  if (!may_propose() || lead_->moving) return;
  auto planned = planned_config();
  std::erase_if(lead_->joins, [&](const auto& j) { return config_.find_copy(j.first) != nullptr; });
  std::erase_if(lead_->drops, [&](replica_id id) { return config_.find_copy(id) == nullptr; });
  if (same_content(planned, config_) && doubts_.empty()) return;
  for (const auto id : planned.in_sync) {
    if (id != id_) peer_of(id);
  }
  propose(swap_purpose::change_copies, std::move(planned));
}

}  // namespace tally

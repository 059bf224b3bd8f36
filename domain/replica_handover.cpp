#include <algorithm>
#include <cstdlib>

#include "domain/replica_core.hpp"

namespace tally {

void replica_core::on(const hand_over_requested& e) {
  if (leads() && !lead_->moving && config_.is_in_sync(e.target) && !is_gone(e.target)) {
    begin_handover(e.target, true);
  }
}

/// With `drains` what is on its way is committed first and new batches wait; without, what is on
/// its way fails, since this copy's own disk is what holds it up.
void replica_core::begin_handover(replica_id target, bool drains) {
  if (target.is_none() || target == id_) return;
  lead_->moving = handover{target, now_.steady + options_.park, drains};
  continue_handover();
}

void replica_core::continue_handover() {
  if (!leads() || !lead_->moving) return;
  const auto& moving = *lead_->moving;
  if (swap_ && swap_->purpose == swap_purpose::hand_over) return;
  const bool is_late = now_.steady >= moving.deadline;
  const bool is_unfit = !config_.is_in_sync(moving.target) || is_gone(moving.target) ||
                        peer_of(moving.target).incarnation == 0;
  if (is_late || is_unfit) return cancel_handover();
  if (moving.drains && commit_ < log_.end().offset) return;
  if (!may_propose() || !doubts_.empty()) return;
  auto proposed = config_;
  proposed.epoch = promise_ + 1;
  proposed.leader = moving.target;
  proposed.incarnation = peer_of(moving.target).incarnation;
  propose(swap_purpose::hand_over, std::move(proposed));
}

/// Goes on as the leader. A hand-over that may still happen does no harm to writes, for the target
/// holds all that is committed; reads wait until it is settled (may_read).
void replica_core::cancel_handover() {
  lead_->moving.reset();
  lead_->parked_bytes = 0;
  for (auto& waiting : std::exchange(lead_->parked, {})) append_local(std::move(waiting));
}

/// The most advanced follower that answers.
replica_id replica_core::best_successor() const {
  replica_id best;
  std::uint64_t best_match = 0;
  for (const auto& [id, p] : lead_->peers) {
    const bool is_fit = config_.is_in_sync(id) && !is_gone(id) && p.incarnation != 0 && !p.probing;
    if (!is_fit || (!best.is_none() && p.match <= best_match)) continue;
    best = id;
    best_match = p.match;
  }
  return best;
}

/// True where two followers at least and the successor agree that this copy's clock is wrong.
bool replica_core::clock_is_off(replica_id successor) const {
  std::vector<std::int64_t> errors;
  std::int64_t of_successor = 0;
  for (const auto& [id, p] : lead_->peers) {
    if (!config_.is_in_sync(id) || !p.clock_error || is_gone(id)) continue;
    errors.push_back(p.clock_error->count());
    if (id == successor) of_successor = errors.back();
  }
  if (errors.size() < 2) return false;
  std::ranges::sort(errors);
  const auto median = errors[(errors.size() - 1) / 2], limit = options_.clock_error_max.count();
  const auto smallest = errors.front(), largest = errors.back();
  const bool all_say_so = smallest > limit || largest < -limit;
  return all_say_so && std::abs(of_successor - median) <= limit;
}

/// A leader whose disk hangs, whose clock is wrong or whose node stops gives its place to another.
void replica_core::flee_own_faults() {
  if (lead_->moving || now_.steady - lead_->fled_at < options_.suspect_after) return;
  const bool is_slow =
      operation_ > synced_operation_ && now_.steady - unsynced_since_ > options_.slow_disk;
  const auto successor = best_successor();
  if (successor.is_none() || !(is_slow || leaving_ || clock_is_off(successor))) return;
  lead_->fled_at = now_.steady;
  begin_handover(successor, !is_slow);
}

void replica_core::handle(const replica_message&, const handover_message& a) {
  if (a.config.cluster == cluster_ && a.config.epoch >= promise_) observe(a.config);
}

}  // namespace tally

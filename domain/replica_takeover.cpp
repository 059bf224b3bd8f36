#include <algorithm>

#include "domain/replica_core.hpp"

namespace tally {
namespace {

constexpr steady_time minute = std::chrono::minutes{1};

}  // namespace

bool replica_core::may_propose() const {
  return !swap_ && !store_is_refused_ && must_read_ == 0 && config_.version != 0;
}

void replica_core::propose(swap_purpose purpose, shard_config proposed, bool leader_is_dead) {
  const auto expected = rules_.swap_names_version ? config_.version : any_version;
  doubts_.push_back({++request_, purpose, proposed.in_sync, leader_is_dead});
  swap_ = pending_swap{request_, purpose, proposed, leader_is_dead};
  emit(compare_and_swap{request_, expected, std::move(proposed)});
}

void replica_core::on(const swap_answered& e) {
  if (!swap_ || swap_->request != e.request) return;
  const auto swap = *std::exchange(swap_, std::nullopt);
  auto outcome = e.outcome;
  auto version = e.version;
  if (outcome == swap_outcome::unknown && !rules_.unknown_swap_may_have_failed) {
    outcome = swap_outcome::done;
    version = config_.version;
  }
  if (outcome == swap_outcome::done) return swap_done(swap, version);
  // Refused, or nobody knows: the store does. A refused one certainly did not happen, but those
  // before it on this version stay in doubt until a newer version is seen.
  if (outcome == swap_outcome::refused) {
    std::erase_if(doubts_, [&](const doubt& d) { return d.request == swap.request; });
  }
  if (outcome == swap_outcome::unknown && !rules_.unknown_swap_may_have_happened) doubts_.clear();
  request_config();
  must_read_ = request_;
  if (leads() && swap.purpose == swap_purpose::hand_over) cancel_handover();
}

void replica_core::swap_done(const pending_swap& swap, std::uint64_t version) {
  if (version < config_.version) return request_config();
  config_ = swap.proposed;
  config_.version = version;
  doubts_.clear();
  if (swap.purpose == swap_purpose::take_over) {
    takeovers_.push_back(now_.steady);
    if (config_.epoch <= promise_) return settle_role();
    start_epoch(!swap.leader_is_dead);
    return;
  }
  if (!leads()) return settle_role();
  if (swap.purpose == swap_purpose::change_copies) {
    advance_commit();
    return;
  }
  note_leader(config_.leader, config_.epoch);
  const auto successor = config_.leader;
  step_down(append_outcome::moved, successor);
  send(successor, handover_message{config_});
}

/// The store says that this process leads. First the promise must be on disk, so that a restarted
/// process never continues this epoch; then, where the old leader may still count on an answer of
/// this copy, its lease must have run out.
void replica_core::start_epoch(bool waits_out_lease) {
  if (leads()) step_down(append_outcome::retry, {});
  promise(config_.epoch);
  note_leader(id_, promise_);
  const bool waits = waits_out_lease && rules_.late_takeover_waits_out_lease;
  opens_at_ = waits ? answered_at_ + options_.suspect_after : now_.steady;
  set_role(replica_role::starting);
  open_when_ready();
}

void replica_core::open_when_ready() {
  if (answers_after_ > synced_operation_ || now_.steady < opens_at_) return;
  if (config_.epoch != promise_ || config_.leader != id_) return;
  begin_leading();
}

void replica_core::take_over(bool leader_is_dead) {
  auto proposed = config_;
  proposed.epoch = config_.epoch + 1;
  proposed.leader = id_;
  proposed.incarnation = incarnation_;
  if (config_.leader != id_) std::erase(proposed.in_sync, config_.leader);
  propose(swap_purpose::take_over, std::move(proposed), leader_is_dead);
}

void replica_core::on(const leader_witnessed& e) {
  if (e.epoch != leader_epoch_) return;
  if (e.what == witness::refused) {
    witnessed_refused_ = true;
  } else {
    witnessed_gone_ = true;
  }
}

bool replica_core::leader_is_lost() const {
  if (leader_.is_none() || witnessed_refused_) return true;
  const auto silence = now_.steady - heard_at_;
  return silence >= options_.certain_after ||
         (silence >= options_.suspect_after && witnessed_gone_);
}

/// Copies try one after another, so that they don't spoil each other's swap.
steady_time replica_core::rank_delay() const {
  std::int64_t rank = 0;
  for (const auto id : config_.in_sync) {
    if (id == id_) break;
    if (id != leader_) ++rank;
  }
  return options_.rank_delay * rank;
}

bool replica_core::took_over_too_often() const {
  return std::ranges::count_if(takeovers_, [&](steady_time at) {
           return now_.steady - at < minute;
         }) >= options_.takeovers_per_minute_max;
}

void replica_core::watch_leader() {
  while (!takeovers_.empty() && now_.steady - takeovers_.front() >= minute) takeovers_.pop_front();
  if (leader_ == id_ && leader_epoch_ == config_.epoch) {
    // Recorded as leader of an epoch that this process may not continue.
    if (config_.incarnation != incarnation_ && may_propose()) take_over(promise_ == config_.epoch);
    return;
  }
  const bool is_suspect = link_is_down_ || now_.steady - heard_at_ >= options_.suspect_after;
  if (is_suspect && now_.steady - probed_at_ >= options_.beacon_every * 2) {
    probed_at_ = now_.steady;
    if (!leader_.is_none()) emit(probe_leader{leader_, leader_epoch_});
    if (leaving_) send(leader_, leave_message{});
  }
  if (leaving_ && config_.is_in_sync(id_) && now_.steady - pulled_at_ >= options_.pull_every) {
    pulled_at_ = now_.steady;
    send(leader_, leave_message{});
  }
  if (!leader_is_lost()) {
    lost_since_.reset();
    return;
  }
  if (!lost_since_) lost_since_ = now_.steady;
  if (now_.steady - *lost_since_ < rank_delay() || took_over_too_often() || !may_propose()) return;
  if (rules_.only_in_sync_takes_over && !config_.is_in_sync(id_)) return;
  take_over(witnessed_refused_ || leader_.is_none());
}

}  // namespace tally

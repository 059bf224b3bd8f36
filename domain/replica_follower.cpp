#include <algorithm>

#include "domain/replica_core.hpp"

namespace tally {

/// A message of a lower epoch is answered with the promise; one of a higher epoch makes this copy
/// promise it before anything else.
bool replica_core::accepts_leader(const replica_message& m) {
  if (m.epoch < promise_ && rules_.stale_epoch_refused) {
    send(m.from, stale_message{});
    return false;
  }
  // The store names a later leader already, which only has not written yet.
  if (m.epoch < leader_epoch_ && rules_.stale_epoch_refused) return false;
  const bool is_known = leader_epoch_ == m.epoch && !leader_.is_none() && leader_ != m.from;
  if (m.epoch == promise_ && (is_known || leads() || role_ == replica_role::starting)) {
    halt("another copy leads in this epoch");
    return false;
  }
  if (m.epoch != promise_) {
    const bool led = leads();
    promise(m.epoch);
    if (led) step_down(append_outcome::retry, {});
    if (role_ == replica_role::starting) set_role(replica_role::follower);
  }
  if (m.epoch != leader_epoch_ || leader_ != m.from) note_leader(m.from, m.epoch);
  heard_at_ = now_.steady;
  lost_since_.reset();
  link_is_down_ = false;
  return true;
}

void replica_core::handle(const replica_message& m, append_message& a) {
  if (!accepts_leader(m)) return;
  if (a.config_version > config_.version && must_read_ == 0) {
    request_config();
    must_read_ = request_;
  }
  if (rules_.lossy_gets_new_id && a.acked > log_.synced_end()) {
    set_role(replica_role::quarantined);
    return emit(damage_reported{a.acked, log_.synced_end()});
  }
  if (!matches(a.prev)) {
    if (a.prev.offset <= commit_ && rules_.committed_never_truncated) {
      return halt("the leader's log differs below the commit");
    }
    return send(m.from, nack_message{log_.boundary_below(a.prev.offset, a.prev.epoch), a.sent_at});
  }
  take_chunks(a);
  if (halted_) return;
  advance_to(rules_.commit_within_match ? std::min(a.commit, verified_)
                                        : std::min(a.commit, log_.end().offset));
  ack_echo_ = std::max(ack_echo_, a.sent_at);
  ack_is_due_ = true;
  const bool is_beacon = a.chunks.empty();
  if (is_beacon || log_.synced_end() >= verified_ || !rules_.ack_after_sync) acknowledge();
  if (role_ == replica_role::learner && !is_beacon && verified_ < a.end) {
    pulled_at_ = now_.steady;
    send(leader_, pull_message{verified_});
  }
}

/// What this copy sealed is committed, so it is the leader's too.
bool replica_core::matches(const log_position& prev) const {
  if (prev.offset < log_.start().offset) return true;
  const auto found = log_.at(prev.offset);
  if (!found) return false;
  return !rules_.chain_matched || *found == prev;
}

/// Skips what is there, cuts off what differs, appends the rest.
void replica_core::take_chunks(append_message& a) {
  auto before = a.prev;
  auto next = a.chunks.begin();
  for (; next != a.chunks.end(); ++next) {
    const auto& header = next->header;
    if (header.base != before.offset + 1 || header.chain != next_chain(before.chain, header)) {
      return halt("a leader sent chunks that are no chain");
    }
    before = {header.last(), header.epoch, header.chain, header.stamped_at};
    if (header.last() > log_.start().offset && !log_.contains(header)) break;
  }
  const bool is_new = next != a.chunks.end();
  const auto keep = is_new ? next->header.base - 1 : std::max(before.offset, log_.start().offset);
  const bool cuts = is_new || !rules_.truncate_only_conflicts;
  if (cuts && log_.end().offset > keep && !cut_conflict(keep)) return;
  verified_ = std::max(verified_, keep);
  if (!is_new) return;
  std::vector<log_chunk> fresh{std::make_move_iterator(next),
                               std::make_move_iterator(a.chunks.end())};
  const auto operation = new_operation();
  for (const auto& chunk : fresh) {
    if (chunk.header.base != log_.end().offset + 1) return halt("a leader sent a gap");
    log_.append(chunk, operation);
  }
  emit(append_chunks{operation, std::move(fresh)});
  verified_ = std::max(verified_, log_.end().offset);
}

bool replica_core::cut_conflict(std::uint64_t keep) {
  if (rules_.committed_never_truncated && keep < commit_) {
    halt("the leader's log differs below the commit");
    return false;
  }
  log_.truncate(keep);
  verified_ = std::min(verified_, keep);
  emit(truncate_log{new_operation(), keep});
  return true;
}

/// Tells the leader what it may count on: what is its own and on disk, in an epoch whose promise is
/// on disk as well.
void replica_core::acknowledge() {
  if (!ack_is_due_ || leads() || role_ == replica_role::starting) return;
  if (answers_after_ > synced_operation_ && rules_.ack_after_sync) return;
  auto match = std::min(verified_, log_.synced_end());
  if (!rules_.ack_after_sync) match = verified_;
  if (!rules_.match_acknowledged) match = log_.end().offset;
  ack_is_due_ = match < verified_;
  answered_at_ = now_.steady;
  send(leader_, ack_message{match, ack_echo_, now_.wall});
}

void replica_core::handle(const replica_message& m, const copy_needed_message& a) {
  if (leads() || m.epoch < promise_ || m.from != leader_) return;
  heard_at_ = now_.steady;
  if (role_ != replica_role::learner || is_fetching() || has_leaders(a.start.offset)) return;
  fetching_since_ = now_.steady;
  emit(fetch_copy{m.from, a.start});
}

bool replica_core::is_fetching() const {
  return fetching_since_ && now_.steady - *fetching_since_ < options_.fetch_patience;
}

bool replica_core::has_leaders(std::uint64_t offset) const {
  return std::max(commit_, verified_) >= offset;
}

/// Meanwhile the log may have come another way, or another leader: then this one may already count
/// on what is here, and the copy is not installed.
void replica_core::on(const copy_ready& e) {
  if (!fetching_since_) return;
  fetching_since_.reset();
  if (role_ != replica_role::learner || has_leaders(e.start.offset)) return;
  log_ = {};
  log_.trim(e.start);
  verified_ = 0;
  ack_is_due_ = false;
  answers_after_ = new_operation();
  emit(install_copy{answers_after_, e.start});
  advance_to(e.start.offset);
}

void replica_core::tick_learner() {
  if (is_fetching() || leader_.is_none() || leader_ == id_ || leaving_) return;
  if (now_.steady - pulled_at_ < options_.pull_every) return;
  if (now_.steady - heard_at_ < options_.beacon_every * 2 && ack_is_due_) return;
  pulled_at_ = now_.steady;
  if (config_.find_copy(id_) == nullptr) return send(leader_, join_message{node_});
  if (now_.steady - answered_at_ >= options_.beacon_every * 2) {
    send(leader_, pull_message{log_.end().offset});
  }
}

/// Starts anew under another name: nobody counts on what this copy once acknowledged. Its log stays
/// until a leader's differs, since it may be the last trace of what was lost elsewhere.
void replica_core::adopt_identity(replica_id fresh) {
  id_ = fresh;
  commit_ = log_.start().offset;
  verified_ = 0;
  ack_is_due_ = false;
  emit(persist_identity{new_operation(), fresh});
}

void replica_core::on(const damage_found& e) {
  const auto leader = leader_;
  if (leads()) step_down(append_outcome::retry, {});
  swap_.reset();
  send(leader, leave_message{});
  adopt_identity(e.fresh_id);
  set_role(replica_role::learner);
  if (leader_.is_none() || config_.leader == leader_) return;
  request_config();
}

}  // namespace tally

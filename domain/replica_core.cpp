#include "domain/replica_core.hpp"

#include <algorithm>

#include "domain/ensure.hpp"

namespace tally {

bool is_valid(const replica_options& o) {
  return o.min_in_sync > 0 && o.beacon_every.count() > 0 && o.beacon_every < o.shrink_after &&
         o.shrink_after < o.suspect_after && o.lease < o.suspect_after &&
         o.suspect_after <= o.certain_after && o.beacon_every < o.lease && o.copies_max > 0 &&
         o.parked_bytes_max > 0 && o.uncommitted_bytes_max > 0 && o.window_bytes_max > 0 &&
         o.frame_bytes_max > 0 && o.takeovers_per_minute_max > 0 && o.pull_every.count() > 0;
}

replica_core::replica_core(const recovered_state& found, const replica_options& options,
                           const instant& now, const replica_rules& rules)
    : options_{options},
      rules_{rules},
      now_{now},
      cluster_{found.cluster},
      shard_{found.shard},
      node_{found.node},
      id_{found.id},
      incarnation_{found.incarnation},
      promise_{found.promise},
      commit_{found.commit},
      leader_epoch_{found.promise},
      heard_at_{now.steady},
      answered_at_{now.steady},  // the process before may have answered until a moment ago
      ticked_at_{now.steady} {
  ensure(is_valid(options), "replica_core with unchecked options");
  if (!log_.recover(found.start, found.log)) halt("the recovered log is no chain");
  const bool unproven = found.lossy && rules_.lossy_gets_new_id;
  if (!found.lossy && commit_ > log_.end().offset) halt("the recovered log ends before its commit");
  if (found.id.is_none() || unproven) adopt_identity(found.fresh_id);
  request_config();
}

std::vector<replica_effect> replica_core::step(const instant& now, replica_event event) {
  now_ = now;
  if (!halted_)
    std::visit([this](auto&& e) { on(std::forward<decltype(e)>(e)); }, std::move(event));
  return std::exchange(effects_, {});
}

void replica_core::halt(std::string why) {
  halted_ = true;
  emit(halted{std::move(why)});
}

void replica_core::send(replica_id to, decltype(replica_message::body) body) {
  if (to.is_none() || to == id_) return;
  auto& sent = std::get<send_message>(effects_.emplace_back(std::in_place_type<send_message>));
  sent.to = to;
  sent.message = {cluster_, shard_, promise_, id_, incarnation_, {}};
  sent.message.body = std::move(body);
}

void replica_core::set_role(replica_role role) {
  if (role == role_) return;
  role_ = role;
  emit(role_changed{role, promise_});
}

void replica_core::complete(std::vector<std::uint64_t> tickets, append_outcome outcome,
                            replica_id leader) {
  if (!tickets.empty()) emit(completed{std::move(tickets), outcome, leader});
}

void replica_core::request_config() {
  config_asked_at_ = now_.steady;
  emit(read_config{++request_});
}

std::uint64_t replica_core::new_operation() {
  if (operation_ == synced_operation_) unsynced_since_ = now_.steady;
  return ++operation_;
}

void replica_core::promise(std::uint32_t epoch) {
  promise_ = epoch;
  promise_request_ = request_;
  verified_ = 0;
  ack_is_due_ = false;
  ack_echo_ = {};  // another leader has another clock
  fetching_since_.reset();
  if (!rules_.promise_persisted) return;
  answers_after_ = new_operation();
  emit(persist_promise{answers_after_, epoch});
}

void replica_core::on(message_received e) {
  auto& m = e.message;
  if (m.cluster != cluster_ || m.shard != shard_ || m.from == id_) return;
  if (role_ == replica_role::quarantined) return;
  std::visit([&](auto& body) { handle(m, body); }, m.body);
}

void replica_core::on(const synced& e) {
  synced_operation_ = std::max(synced_operation_, e.operation);
  unsynced_since_ = now_.steady;
  log_.mark_synced(synced_operation_);
  if (role_ == replica_role::starting) open_when_ready();
  if (leads()) {
    advance_commit();
    continue_handover();
  } else {
    acknowledge();
  }
}

void replica_core::on(const config_seen& e) {
  if (!e.config) return;
  if (!accepts_store(*e.config, e.request)) return;
  if (e.request >= must_read_) must_read_ = 0;
  observe(*e.config);
}

void replica_core::on(const lease_lost&) {
  request_config();
}

void replica_core::on(const log_trimmed& e) {
  if (e.start.offset > commit_) return halt("the log was trimmed above its commit");
  log_.trim(e.start);
}

void replica_core::on(const ticked&) {
  const auto poll = must_read_ != 0 ? options_.beacon_every * 2 : options_.config_poll;
  if (now_.steady - config_asked_at_ >= poll) request_config();
  if (role_ == replica_role::starting) open_when_ready();
  if (leads()) {
    tick_leader();
  } else if (role_ == replica_role::follower) {
    watch_leader();
  } else if (role_ == replica_role::learner) {
    if (!rules_.only_in_sync_takes_over) watch_leader();
    tick_learner();
  }
  ticked_at_ = now_.steady;
}

/// A store that knows less than what this copy promised, read after the promise, was restored from
/// a backup or is another one. An older answer than that is only late.
bool replica_core::accepts_store(const shard_config& seen, std::uint64_t request) {
  const bool is_foreign = seen.cluster != cluster_;
  const bool is_older = rules_.stale_epoch_refused && seen.epoch < promise_;
  if (!is_foreign && !is_older) {
    if (request != 0) store_is_refused_ = false;
    return true;
  }
  if (is_foreign || (request != 0 && request > promise_request_)) {
    store_is_refused_ = true;
    emit(store_refused{promise_, seen.epoch});
  }
  return false;
}

void replica_core::observe(const shard_config& seen) {
  if (seen.version < config_.version) return;
  const bool is_new = seen.version > config_.version;
  if (is_new) {
    // What this copy proposed on an older version either made this one or never happens. Kept until
    // the next version, for a swap that is still unanswered puts the start off.
    may_be_late_takeover_ = std::ranges::any_of(doubts_, [](const doubt& d) {
      return d.purpose == swap_purpose::take_over && !d.leader_is_dead;
    });
    doubts_.clear();
    config_ = seen;
    const bool is_known = seen.epoch < leader_epoch_ || !leader_.is_none();
    if (seen.epoch > leader_epoch_ || !is_known) note_leader(seen.leader, seen.epoch);
  }
  if (role_ == replica_role::quarantined) return;
  if (leads()) {
    if (config_.epoch > promise_) {
      step_down(append_outcome::moved, config_.leader);
    } else {
      advance_commit();
    }
  }
  if (leads() || swap_) return;  // the swap's own answer decides
  const bool is_mine = config_.leader == id_ && config_.incarnation == incarnation_;
  if (is_mine && config_.epoch > promise_) {
    start_epoch(may_be_late_takeover_);
  } else {
    settle_role();
  }
}

void replica_core::settle_role() {
  if (role_ == replica_role::starting && config_.epoch <= promise_ && config_.leader == id_) return;
  const bool counts = config_.is_in_sync(id_);
  set_role(counts ? replica_role::follower : replica_role::learner);
  if (!counts || config_.leader != id_ || config_.incarnation == incarnation_) return;
  if (!rules_.new_epoch_on_restart) return start_epoch(false);
  // The process before this one led, or won an epoch that it did not live to start.
  if (may_propose()) take_over(config_.epoch == promise_);
}

void replica_core::note_leader(replica_id leader, std::uint32_t epoch) {
  leader_ = leader;
  leader_epoch_ = epoch;
  heard_at_ = now_.steady;
  lost_since_.reset();
  witnessed_refused_ = witnessed_gone_ = link_is_down_ = false;
}

void replica_core::advance_to(std::uint64_t commit) {
  if (commit <= commit_) return;
  commit_ = commit;
  log_.release_bodies(commit_);
  emit(commit_advanced{commit_});
  std::vector<std::uint64_t> tickets;
  for (; !pending_.empty() && pending_.front().offset <= commit_; pending_.pop_front()) {
    tickets.push_back(pending_.front().ticket);
  }
  complete(std::move(tickets), append_outcome::committed);
}

steady_time replica_core::read_until() const {
  constexpr steady_time never{}, always = steady_time::max();
  if (!lead_ || halted_) return never;
  if (rules_.reads_wait_for_epoch_start && commit_ < lead_->epoch_start) return never;
  const bool gives_up = std::ranges::any_of(
      doubts_, [](const doubt& d) { return d.purpose == swap_purpose::hand_over; });
  if (gives_up && rules_.handover_in_doubt_stops_reads) return never;
  if (!rules_.lease_checked) return always;
  auto until = always;
  for (const auto id : commit_set()) {
    if (id == id_) continue;
    const auto found = lead_->peers.find(id);
    if (found == lead_->peers.end() || !found->second.echoed) return never;
    until = std::min(until, *found->second.echoed + options_.lease);
  }
  return until;
}

std::uint64_t replica_core::trim_limit() const {
  auto limit = commit_;
  if (!lead_) return limit;
  for (const auto id : commit_set()) {
    if (id == id_) continue;
    const auto found = lead_->peers.find(id);
    limit = std::min(limit, found == lead_->peers.end() ? 0 : found->second.match);
  }
  return limit;
}

}  // namespace tally

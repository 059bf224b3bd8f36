#include <algorithm>

#include "domain/replica_core.hpp"

namespace tally {

void replica_core::begin_leading() {
  lead_ = leadership{};
  lead_->epoch_start = log_.end().offset;
  set_role(replica_role::leader);
  for (const auto& copy : config_.copies) {
    if (copy.id != id_) peer_of(copy.id);
  }
  for (auto& [id, p] : lead_->peers) {
    if (is_pushed(id, p)) send_frame(id, p, false);
  }
  advance_commit();
}

/// Whatever waits for this epoch's commits fails: a later leader may have replaced it.
void replica_core::step_down(append_outcome parked, replica_id successor) {
  std::vector<std::uint64_t> tickets, waiting;
  for (const auto& p : pending_) tickets.push_back(p.ticket);
  for (const auto& p : lead_->parked) waiting.push_back(p.ticket);
  lead_.reset();
  if (rules_.pending_fails_at_step_down) {
    pending_.clear();
    complete(std::move(tickets), append_outcome::retry);
  }
  complete(std::move(waiting), parked, successor);
  heard_at_ = now_.steady;
  set_role(config_.is_in_sync(id_) ? replica_role::follower : replica_role::learner);
}

replica_core::peer& replica_core::peer_of(replica_id id) {
  const auto [found, is_new] = lead_->peers.try_emplace(id);
  if (is_new) {
    auto& p = found->second;
    p.next = log_.end().offset + 1;
    p.heard_at = p.progressed_at = p.rewound_at = now_.steady;
  }
  return found->second;
}

bool replica_core::is_pushed(replica_id id, const peer& p) const {
  return p.live || std::ranges::count(commit_set(), id) > 0;
}

void replica_core::on(append_requested e) {
  if (!leads()) {
    const bool known = !leader_.is_none() && leader_ != id_;
    return complete({e.ticket}, known ? append_outcome::moved : append_outcome::retry, leader_);
  }
  flee_own_faults();
  const auto size = e.body->header.size;
  const bool drains = lead_->moving && lead_->moving->drains;
  const auto uncommitted = log_.bytes_between(commit_, log_.end().offset);
  const bool is_refused = config_.in_sync.size() < options_.min_in_sync ||
                          (drains ? lead_->parked_bytes : uncommitted) + size >
                              (drains ? options_.parked_bytes_max : options_.uncommitted_bytes_max);
  if (is_refused) return complete({e.ticket}, append_outcome::retry);
  if (!drains) return append_local(std::move(e));
  lead_->parked_bytes += size;
  lead_->parked.push_back(std::move(e));
}

void replica_core::append_local(append_requested e) {
  auto& header = e.body->header;
  const auto before = log_.end();
  header.shard = shard_;
  header.epoch = promise_;
  header.base = before.offset + 1;
  header.stamped_at = std::max(now_.wall, before.stamped_at);
  header.chain = next_chain(before.chain, header);
  log_chunk chunk{header, std::move(e.body)};
  const auto operation = new_operation();
  log_.append(chunk, operation);
  pending_.push_back({header.last(), e.ticket});
  emit(append_chunks{operation, {std::move(chunk)}});
  for (auto& [id, p] : lead_->peers) {
    if (is_pushed(id, p)) push(id, p);
  }
  if (!rules_.leader_counts_synced) advance_commit();
}

/// Committed is what every copy that counts has on disk, by its own word in this epoch.
void replica_core::advance_commit() {
  if (config_.in_sync.size() < options_.min_in_sync) return;
  std::vector<std::uint64_t> matches{rules_.leader_counts_synced ? log_.synced_end()
                                                                 : log_.end().offset};
  for (const auto id : commit_set()) {
    if (id != id_) matches.push_back(peer_of(id).match);
  }
  std::ranges::sort(matches);
  const auto needed = rules_.all_in_sync_needed ? 0 : (matches.size() - 1) / 2;
  advance_to(matches[needed]);
}

/// The sender's entry where the message belongs to this epoch and to a process not yet replaced.
replica_core::peer* replica_core::heard_peer(const replica_message& m) {
  if (!leads() || m.epoch != promise_) return nullptr;
  if (config_.find_copy(m.from) == nullptr) return nullptr;
  auto& p = peer_of(m.from);
  if (m.incarnation < p.incarnation) return nullptr;
  if (m.incarnation > p.incarnation) {
    // Another process has the disk now; what the one before said is not its word.
    const bool is_first = p.incarnation == 0;
    p.incarnation = m.incarnation;
    p.leaving = false;
    if (!is_first) rewind(p, 0);
    if (!is_first) p.next = log_.end().offset + 1;
  }
  p.heard_at = now_.steady;
  return &p;
}

void replica_core::rewind(peer& p, std::uint64_t match) const {
  p.match = match;
  p.next = match + 1;
  p.probing = true;
  p.rewound_at = now_.steady;
}

void replica_core::handle(const replica_message& m, const ack_message& a) {
  auto* p = heard_peer(m);
  if (p == nullptr) return;
  if (rules_.match_acknowledged && !log_.at(a.match)) {
    if (a.match > log_.end().offset) return halt("a copy acknowledged what was never sent");
    return;
  }
  const bool was_probing = p->probing;
  if (a.match > p->match || was_probing) p->progressed_at = now_.steady;
  p->match = std::max(p->match, a.match);
  p->next = std::max(p->next, p->match + 1);
  if (p->probing) p->next = std::min(p->match, log_.end().offset) + 1;
  p->probing = false;
  p->echoed = std::max(p->echoed.value_or(a.sent_at), a.sent_at);
  p->clock_error = a.clock - now_.wall;
  advance_commit();
  if (was_probing && !is_pushed(m.from, *p)) {
    send_frame(m.from, *p, true);
    p->live = p->next > log_.end().offset;
  }
  push(m.from, *p);
  continue_handover();
  if (leads() && !config_.is_in_sync(m.from) && is_caught_up(m.from)) plan_change();
}

void replica_core::handle(const replica_message& m, const nack_message& a) {
  auto* p = heard_peer(m);
  if (p == nullptr || a.sent_at < p->rewound_at || a.hint.offset < p->match) return;
  const auto tried = p->next - 1;
  auto shared = log_.boundary_below(std::min(a.hint.offset, tried), a.hint.epoch);
  if (shared.offset == tried && tried > 0) shared = log_.boundary_below(tried - 1);
  p->next = shared.offset + 1;
  p->probing = true;
  p->rewound_at = now_.steady;
  // What both share is below the oldest chunk here, also where the hint names the same offset in a
  // log gone astray: the start itself was refused.
  const auto start = log_.start().offset;
  if (a.hint.offset < start || tried <= start) {
    return send(m.from, copy_needed_message{log_.start()});
  }
  send_frame(m.from, *p, false);
}

void replica_core::handle(const replica_message& m, const pull_message& a) {
  if (m.epoch > promise_) return handle(m, stale_message{});
  if (!leads()) return;
  const auto* copy = config_.find_copy(m.from);
  if (copy == nullptr || config_.is_replaced(m.from)) return;
  auto& p = peer_of(m.from);
  if (m.incarnation < p.incarnation) return;
  p.heard_at = now_.steady;
  if (is_pushed(m.from, p) && !p.probing && !lags(p)) return;
  if (a.end < log_.start().offset) return send(m.from, copy_needed_message{log_.start()});
  p.next = std::max(p.match, log_.boundary_below(a.end).offset) + 1;
  if (m.epoch < promise_) p.probing = true;
  send_frame(m.from, p, !p.probing);
  p.live = p.next > log_.end().offset;
}

void replica_core::handle(const replica_message& m, const stale_message&) {
  if (m.epoch <= promise_) return;
  request_config();
  if (!rules_.stale_epoch_refused) return;
  if (leads()) step_down(append_outcome::retry, {});
}

/// Sends what follows, as far as the follower's window allows.
void replica_core::push(replica_id to, peer& p) {
  if (!is_pushed(to, p)) return;
  while (!p.probing && p.next <= log_.end().offset &&
         log_.bytes_between(p.match, p.next - 1) < options_.window_bytes_max) {
    send_frame(to, p, true);
  }
}

/// One append: without chunks a beacon, which also asks whether `next` follows the copy's log.
void replica_core::send_frame(replica_id to, peer& p, bool with_chunks) {
  const auto prev = log_.at(p.next - 1);
  if (!prev) {
    p.probing = true;
    p.live = false;
    return send(to, copy_needed_message{log_.start()});
  }
  append_message a{.config_version = config_.version,
                   .prev = *prev,
                   .chunks = {},
                   .end = log_.end().offset,
                   .commit = commit_,
                   .acked = p.match,
                   .sent_at = now_.steady};
  if (p.next > log_.end().offset && p.match + 1 >= p.next) p.progressed_at = now_.steady;
  if (with_chunks) {
    if (p.match + 1 >= p.next) p.progressed_at = now_.steady;
    std::size_t bytes = 0;
    for (auto i = log_.index_after(prev->offset); i < log_.size(); ++i) {
      const auto& entry = log_[i];
      if (bytes > 0 && bytes + entry.header.size > options_.frame_bytes_max) break;
      bytes += entry.header.size;
      a.chunks.push_back({entry.header, entry.body});
      p.next = entry.header.last() + 1;
    }
  }
  p.sent_at = now_.steady;
  send(to, std::move(a));
}

void replica_core::tick_leader() {
  const bool was_paused = now_.steady - ticked_at_ > options_.shrink_after / 2;
  for (auto& [id, p] : lead_->peers) {
    if (was_paused) p.heard_at = p.progressed_at = now_.steady;  // it was us who did not listen
    if (p.live && !config_.is_in_sync(id) && lags(p)) p.live = false;
    if (!is_pushed(id, p)) continue;
    push(id, p);
    if (now_.steady - p.sent_at >= options_.beacon_every) send_frame(id, p, !p.probing);
  }
  flee_own_faults();
  continue_handover();
  if (leads()) plan_change();
}

}  // namespace tally

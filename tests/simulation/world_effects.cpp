#include <algorithm>

#include "tests/simulation/world.hpp"

namespace tally::simulation {
namespace {

constexpr steady_time store_patience = 1s;
constexpr steady_time store_lease = 2'200ms;

std::string name_of(replica_id id) {
  return std::to_string(id.high) + "." + std::to_string(id.low);
}

std::string text_of(const shard_config& c) {
  std::string text =
      "epoch " + std::to_string(c.epoch) + " leader " + name_of(c.leader) + " in sync";
  for (const auto id : c.in_sync) text += " " + name_of(id);
  text += " of";
  for (const auto& copy : c.copies) text += " " + name_of(copy.id);
  return text;
}

}  // namespace

steady_time world::latency() {
  if (!random_.permille(network_.slow_permille)) return random_.between(50us, 1ms);
  return random_.one_in(8) ? random_.between(10ms, 2s) : random_.between(1ms, 60ms);
}

std::size_t world::node_of(replica_id id) const {
  const auto found = homes_.find(id);
  return found == homes_.end() ? nodes_.size() : found->second;
}

void world::carry_out(std::size_t n, send_message& e) {
  if (auto* a = std::get_if<append_message>(&e.message.body)) {
    const auto& log = nodes_[n].storage.written().log;
    for (auto& c : a->chunks) {
      if (c.body) continue;
      const auto i = index_after(log, c.header.base - 1);
      if (i >= log.size() || log[i].header.chain != c.header.chain) {
        return checker_.fail("a leader sends a chunk that is not on its disk");
      }
      c.body = log[i].body;
    }
  }
  if (random_.permille(network_.double_permille)) deliver(n, e);
  deliver(n, e);
}

void world::deliver(std::size_t from, const send_message& e) {
  const auto to = node_of(e.to);
  if (to >= nodes_.size() || cuts_[from][to] > 0 || random_.permille(network_.drop_permille))
    return;
  at(latency(), [this, to, e] {
    const auto& core = nodes_[to].core;
    if (core && core->id() == e.to) feed(to, message_received{e.message});
  });
}

void world::write(std::size_t n, std::uint64_t operation, disk::change c) {
  nodes_[n].storage.write(operation, std::move(c));
  start_sync(n);
}

void world::start_sync(std::size_t n) {
  auto& node = nodes_[n];
  if (node.syncs || node.storage.is_synced()) return;
  node.syncs = true;
  const auto upto = node.storage.last_operation();
  at_node(n, random_.between(node.sync_low, node.sync_high), [this, n, upto] {
    nodes_[n].storage.sync(upto);
    nodes_[n].syncs = false;
    feed(n, synced{upto});
    start_sync(n);
  });
}

void world::carry_out(std::size_t n, append_chunks& e) {
  write(n, e.operation, e);
}

void world::carry_out(std::size_t n, truncate_log& e) {
  const auto& log = nodes_[n].storage.written().log;
  for (auto i = index_after(log, e.end); i < log.size(); ++i) checker_.truncated(log[i]);
  ++outcome_.truncations;
  note("node " + std::to_string(n) + " truncates to " + std::to_string(e.end));
  write(n, e.operation, e);
}

void world::carry_out(std::size_t n, persist_promise& e) {
  write(n, e.operation, e);
}

void world::carry_out(std::size_t n, persist_identity& e) {
  auto& node = nodes_[n];
  note("node " + std::to_string(n) + " is now " + name_of(e.id));
  node.last_id = e.id;
  homes_[e.id] = n;
  node.applied = node.core->start().offset;
  write(n, e.operation, e);
}

void world::carry_out(std::size_t n, install_copy& e) {
  auto& node = nodes_[n];
  ++outcome_.fetched_copies;
  note("node " + std::to_string(n) + " installs a copy up to " + std::to_string(e.start.offset));
  if (config_.is_in_sync(node.core->id())) checker_.fail("an in-sync copy is replaced");
  for (const auto& c : node.fetched->log) checker_.committed(c, false);
  node.applied = e.start.offset;
  write(n, e.operation, std::move(*node.fetched));
  node.fetched.reset();
}

bool world::reaches_store(std::size_t n) const {
  return store_cuts_[n] <= 0;
}

void world::apply_swap(const compare_and_swap& e, swap_answered& answer) {
  answer.outcome = swap_outcome::refused;
  const bool is_unconditional = e.expected_version == ~std::uint64_t{0};
  if (e.expected_version != config_.version && !is_unconditional) return;
  if (options_.looks_at_disks) check_expansion(e.proposed);
  const auto version = config_.version + 1;
  const bool is_moved = config_.leader != e.proposed.leader;
  config_ = e.proposed;
  config_.version = version;
  answer.outcome = swap_outcome::done;
  answer.version = version;
  note("store: version " + std::to_string(version) + " " + text_of(config_));
  tell_watchers();
  if (!is_moved) return;
  tell_clients();
  meet_restarted_copies();
}

void world::tell_watchers() {
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    if (!reaches_store(n) || random_.permille(doubt_permille_)) continue;
    at(latency(), [this, n, seen = config_] { feed(n, config_seen{0, seen}); });
  }
}

/// The request may be lost, arrive after the caller gave up, or its answer be lost.
void world::carry_out(std::size_t n, compare_and_swap& e) {
  auto answer = std::make_shared<swap_answered>(swap_answered{e.request, swap_outcome::unknown, 0});
  auto is_answered = std::make_shared<bool>(false);
  const auto reply = [this, n, answer, is_answered] {
    if (std::exchange(*is_answered, true)) return;
    if (answer->outcome == swap_outcome::unknown) ++outcome_.doubtful_swaps;
    feed(n, *answer);
  };
  const bool is_late = random_.permille(doubt_permille_);
  const bool is_lost = random_.permille(doubt_permille_) || !reaches_store(n);
  if (!is_lost) {
    auto delay = is_late ? random_.between(500ms, 4s) : latency();
    const auto ambush = random_.between(200ms, 700ms);
    if (comes_back_for(e, ambush)) delay = ambush;
    lose_leader_after_swap(n, e);
    at(delay, [this, n, e, reply, answer, life = nodes_[n].life] {
      auto result = *answer;
      apply_swap(e, result);
      const bool is_answerless = !reaches_store(n) || random_.permille(doubt_permille_);
      if (is_answerless || nodes_[n].life != life) return;  // another process did not ask
      at_node(n, latency(), [result, reply, answer] {
        if (answer->outcome == swap_outcome::unknown) *answer = result;
        reply();
      });
    });
  }
  at_node(n, store_patience, reply);
}

void world::carry_out(std::size_t n, read_config& e) {
  if (!reaches_store(n) || random_.permille(doubt_permille_)) {
    at_node(n, store_patience, [this, n, e] { feed(n, config_seen{e.request, std::nullopt}); });
    return;
  }
  at_node(n, latency(), [this, n, e] {
    const auto seen = config_;
    at_node(n, latency(), [this, n, e, seen] { feed(n, config_seen{e.request, seen}); });
  });
}

/// A copy that counts from now on must have everything already.
void world::check_expansion(const shard_config& proposed) {
  for (const auto id : proposed.in_sync) {
    const auto home = node_of(id);
    if (config_.is_in_sync(id) || lost_ids_.contains(id) || home >= nodes_.size()) continue;
    const auto& kept = nodes_[home].storage.durable();
    if (kept.id != id || checker_.holds_all_committed(kept.log)) continue;
    checker_.fail(name_of(id) + " counts before it has what is committed");
  }
}

/// What counts must be on every in-sync disk at the instant of the commit, whoever leads.
void world::check_in_sync_disks(const log_chunk& c) {
  for (const auto id : config_.in_sync) {
    const auto home = node_of(id);
    if (lost_ids_.contains(id) || home >= nodes_.size()) continue;
    const auto& kept = nodes_[home].storage.durable();
    if (kept.id != id) continue;
    const auto i = index_after(kept.log, c.header.base - 1);
    if (i < kept.log.size() && kept.log[i].header.chain == c.header.chain) continue;
    checker_.fail("offset " + std::to_string(c.header.last()) + " is committed without in-sync " +
                  name_of(id));
  }
}

void world::carry_out(std::size_t n, commit_advanced& e) {
  auto& node = nodes_[n];
  const auto& log = node.storage.written().log;
  const bool leads = node.core->role() == replica_role::leader;
  for (auto i = index_after(log, node.applied); i < log.size(); ++i) {
    const auto& c = log[i];
    if (c.header.last() > e.offset) break;
    const bool is_first = !checker_.is_committed(c);
    checker_.committed(c, leads);
    if (is_first && options_.looks_at_disks) check_in_sync_disks(c);
  }
  node.applied = std::max(node.applied, e.offset);
  node.storage.write(0, disk::commit_mark{e.offset});
}

void world::carry_out(std::size_t n, completed& e) {
  for (const auto ticket : e.tickets) {
    if (e.outcome == append_outcome::committed) checker_.acknowledged(ticket);
    const auto asker = askers_.find(ticket);
    if (asker == askers_.end()) continue;
    const auto c = asker->second;
    askers_.erase(asker);
    if (clients_[c].ticket != ticket) continue;
    const bool is_done = e.outcome == append_outcome::committed;
    if (is_done && !is_troubled_) ++acknowledged_since_heal_;
    const auto leader = e.outcome == append_outcome::moved ? node_of(e.leader) : n;
    if (leader < nodes_.size()) clients_[c].target = leader;
    if (e.outcome == append_outcome::retry) clients_[c].target = random_.below(nodes_.size());
    client_thinks(c, is_done ? random_.between(2ms, 80ms) : random_.between(5ms, 100ms));
  }
}

void world::carry_out(std::size_t n, role_changed& e) {
  note("node " + std::to_string(n) + " role " + std::to_string(static_cast<int>(e.role)) +
       " epoch " + std::to_string(e.epoch) + " end " +
       std::to_string(nodes_[n].core->end().offset) + " commit " +
       std::to_string(nodes_[n].core->commit()));
  if (e.role == replica_role::leader) {
    checker_.leader_started(e.epoch, nodes_[n].id, registered_starts_[n]);
  }
}

void world::carry_out(std::size_t n, probe_leader& e) {
  const auto target = node_of(e.leader);
  if (target >= nodes_.size()) return;
  const auto& node = nodes_[target];
  if (!node.is_up && cuts_[n][target] <= 0) {
    at_node(n, latency(), [this, n, e] { feed(n, leader_witnessed{e.epoch, witness::refused}); });
  } else if (node.unwell_since >= 0s && now_ - node.unwell_since > store_lease &&
             reaches_store(n)) {
    at_node(n, latency(), [this, n, e] {
      feed(n, leader_witnessed{e.epoch, witness::lease_gone});
    });
  }
}

void world::carry_out(std::size_t n, fetch_copy& e) {
  const auto from = node_of(e.from);
  if (from >= nodes_.size() || random_.one_in(4)) return;
  at_node(n, random_.between(5ms, 300ms), [this, n, from, e] {
    if (!nodes_[from].is_up || cuts_[from][n] > 0) return;
    const auto& log = nodes_[from].storage.durable().log;
    const auto upto = static_cast<std::ptrdiff_t>(index_after(log, e.start.offset));
    if (upto == 0 || log[static_cast<std::size_t>(upto - 1)].header.chain != e.start.chain) return;
    nodes_[n].fetched = disk::copy{e.start, {log.begin(), log.begin() + upto}};
    feed(n, copy_ready{e.start});
  });
}

void world::carry_out(std::size_t, store_refused&) {
  checker_.fail("a copy refuses a store that is in order");
}

void world::carry_out(std::size_t n, damage_reported& e) {
  note("node " + std::to_string(n) + " misses " + std::to_string(e.found) + ".." +
       std::to_string(e.expected));
  lost_ids_.insert(nodes_[n].core->id());
  at_node(n, 1ms, [this, n] { feed(n, damage_found{fresh_id(n)}); });
}

void world::carry_out(std::size_t n, halted& e) {
  checker_.fail("node " + std::to_string(n) + " halts: " + e.why);
}

}  // namespace tally::simulation

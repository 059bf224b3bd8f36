#include <algorithm>

#include "tests/simulation/world.hpp"

namespace tally::simulation {
namespace {

enum kind : int { process, network, store, storage, clock, leadership, kinds };

}  // namespace

/// Each run has its own mixture: one that has everything at once hides what needs quiet between.
void world::draw_profile() {
  for (int k = 0; k < kinds; ++k) {
    for (auto weight = random_.below(4); weight > 0; --weight) kinds_.push_back(k);
  }
  if (kinds_.empty()) kinds_.push_back(process);
  const steady_time pauses[] = {30ms, 120ms, 500ms, 1'500ms};
  trouble_low_ = pauses[random_.below(3)];
  trouble_high_ = trouble_low_ * 4;
  if (random_.one_in(2)) network_ = {random_.below(80), random_.below(50), random_.below(200)};
  if (random_.one_in(2)) doubt_permille_ = random_.below(400);
}

void world::cause_trouble() {
  if (!is_troubled_) return;
  const auto n = random_.below(nodes_.size());
  switch (kinds_[random_.below(kinds_.size())]) {
    case process:
      trouble_process(n);
      break;
    case network:
      trouble_network(n);
      break;
    case store:
      trouble_store(n);
      break;
    case storage:
      trouble_disk(n);
      break;
    case clock:
      trouble_clock(n);
      break;
    default:
      trouble_leadership(n);
  }
  at(random_.between(trouble_low_, trouble_high_), [this] { cause_trouble(); });
}

void world::trouble_process(std::size_t n) {
  const auto pause = random_.one_in(3) ? random_.between(1s, 6s) : random_.between(1ms, 700ms);
  switch (random_.below(6)) {
    case 0:
    case 1:
      return crash(n, pause);
    case 2:
    case 3:
      return freeze(n, pause);
    case 4:
      if (!random_.one_in(4)) return;
      for (std::size_t i = 0; i < nodes_.size(); ++i) crash(i, random_.between(1ms, 2s));
      return;
    default:
      for (std::size_t i = 0; i < nodes_.size(); ++i) {
        if (nodes_[i].core && nodes_[i].core->role() == replica_role::leader) crash(i, pause);
      }
  }
}

void world::trouble_network(std::size_t n) {
  const auto pause = random_.one_in(2) ? random_.between(20ms, 900ms) : random_.between(1s, 6s);
  const auto other = random_.below(nodes_.size());
  switch (random_.below(4)) {
    case 0:
      return cut_link(n, other, pause);
    case 1:
      cut_link(other, n, pause);
      return cut_link(n, other, pause);
    case 2:
      for (std::size_t i = 0; i < nodes_.size(); ++i) {
        cut_link(n, i, pause);
        cut_link(i, n, pause);
      }
      return;
    default:
      for (std::size_t i = 0; i < nodes_.size(); ++i) cut_link(n, i, pause);
  }
}

void world::trouble_store(std::size_t n) {
  const auto pause = random_.between(100ms, 5s);
  const bool is_all = random_.one_in(3);
  note(is_all ? "nobody reaches the store" : "store cut off from node " + std::to_string(n));
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (i != n && !is_all) continue;
    ++store_cuts_[i];
    at(pause, [this, i] { --store_cuts_[i]; });
    feed(i, lease_lost{});
  }
}

void world::trouble_clock(std::size_t n) {
  const std::chrono::milliseconds errors[] = {0ms, 4s, -4s, 1h, -1h, 24h, -24h};
  nodes_[n].wall_error = errors[random_.below(std::size(errors))];
  note("node " + std::to_string(n) + " has a clock error of " +
       std::to_string(nodes_[n].wall_error.count()) + " ms");
}

void world::trouble_leadership(std::size_t n) {
  const auto kind = random_.below(10);
  if (kind == 0) {
    note("node " + std::to_string(n) + " is asked to leave");
    feed(n, leave_requested{});
    return at(random_.between(200ms, 2s), [this, n] { crash(n, 100ms); });
  }
  if (kind == 1 && config_.copies.size() > 2) {
    const auto copy = config_.copies[random_.below(config_.copies.size())].id;
    for (std::size_t i = 0; i < nodes_.size(); ++i) feed(i, drop_copy_requested{copy});
    return;
  }
  if (kind == 2) {
    auto& spare = nodes_[n];
    spare.is_placed = true;
    return start_node(n);
  }
  if (kind == 3) return isolate_leader();
  if (kind == 4) loses_next_handover_ = true;
  for (auto moves = random_.below(4) + 1; moves > 0; --moves) {
    at(random_.between(0ms, 300ms), [this] {
      if (config_.in_sync.empty()) return;  // where a rule is off
      const auto target = config_.in_sync[random_.below(config_.in_sync.size())];
      ++outcome_.handovers;
      for (std::size_t i = 0; i < nodes_.size(); ++i) feed(i, hand_over_requested{target});
    });
  }
}

/// Nobody hears the node and it hears nobody, the store included; `by` -1 undoes a 1.
void world::isolate(std::size_t n, int by) {
  store_cuts_[n] += by;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (i == n) continue;
    cuts_[n][i] += by;
    cuts_[i][n] += by;
  }
}

/// Makes the others want its place.
void world::isolate_leader() {
  const auto leader = settled_leader();
  if (!leader || isolated_) return;
  note("the leader is isolated");
  isolated_ = leader;
  isolated_returns_late_ = random_.one_in(2);
  isolate(*leader, 1);
  at(6s, [this, n = *leader] {
    if (isolated_ != n) return;
    isolated_.reset();
    isolate(n, -1);
  });
}

void world::let_leader_back(steady_time stay) {
  const auto n = *std::exchange(isolated_, std::nullopt);
  note("the leader is back for a moment");
  isolate(n, -1);
  const auto again = random_.between(100ms, 2s);
  at(stay, [this, n] { isolate(n, 1); });
  at(stay + again, [this, n] { isolate(n, -1); });
}

/// Just when another copy asks for its place, so that it is answered and reads while the swap is on
/// its way.
bool world::comes_back_for(const compare_and_swap& e, steady_time answered_in) {
  if (!isolated_ || isolated_returns_late_ || e.proposed.leader == config_.leader) return false;
  const auto n = *isolated_;
  const auto stay = random_.between(answered_in / 2, answered_in + 20ms);
  ++store_cuts_[n];
  at(stay, [this, n] { --store_cuts_[n]; });
  let_leader_back(stay);
  return true;
}

/// The replaced leader meets copies whose processes are new and have not read the store yet.
void world::meet_restarted_copies() {
  if (!isolated_ || !isolated_returns_late_ || node_of(config_.leader) == *isolated_) return;
  at(random_.between(20ms, 500ms), [this] {
    if (!isolated_) return;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (i == *isolated_ || random_.one_in(2) || !nodes_[i].is_up) continue;
      crash(i, 5ms);
      ++store_cuts_[i];
      open_node(i);
      at(random_.between(50ms, 900ms), [this, i] { --store_cuts_[i]; });
    }
    let_leader_back(random_.between(100ms, 2s));
  });
}

/// The hand-over happens, but its author hears neither that nor anything else for a while.
void world::lose_leader_after_swap(std::size_t n, const compare_and_swap& e) {
  if (!loses_next_handover_ || node_of(config_.leader) != n) return;
  if (e.proposed.leader == config_.leader) return;
  loses_next_handover_ = false;
  note("node " + std::to_string(n) + " hears nothing of its hand-over");
  isolate(n, 1);
  at(random_.between(300ms, 3s), [this, n] { isolate(n, -1); });
}

void world::trouble_disk(std::size_t n) {
  auto& node = nodes_[n];
  switch (random_.below(8)) {
    case 0:
    case 1: {
      const auto pause = random_.between(100ms, 3s);
      node.sync_low = random_.between(1ms, 100ms);
      node.sync_high = node.sync_low + random_.between(1ms, 2s);
      at(pause, [this, n] {
        nodes_[n].sync_low = 100us;
        nodes_[n].sync_high = 3ms;
      });
      return;
    }
    case 2:
      node.backup = node.storage.durable();
      // The watermark file is copied along, and still names what the log lacks.
      node.backup->is_suspect |= node.disk_is_suspect;
      return;
    case 3:
      return swap_disks(n, random_.below(nodes_.size()));
    case 4:
      if (!may_lose(n) || !node.core || node.is_frozen) return;
      note("node " + std::to_string(n) + " reads back something wrong");
      ++outcome_.lost_disks;
      lost_ids_.insert(node.core->id());
      return feed(n, damage_found{fresh_id(n)});
    default:
      return lose_disk(n);
  }
}

/// One intact in-sync copy must remain: what is on no disk can be held by no protocol.
bool world::may_lose(std::size_t n) const {
  return std::ranges::any_of(config_.in_sync, [&](replica_id id) {
    const auto home = node_of(id);
    return home < nodes_.size() && home != n && !lost_ids_.contains(id) &&
           nodes_[home].last_id == id;
  });
}

/// Empty, an old backup, or shorter than it was; the process is down meanwhile.
void world::lose_disk(std::size_t n) {
  auto& node = nodes_[n];
  if (!node.is_placed || !may_lose(n)) return;
  crash(n, random_.between(10ms, 2s));
  if (node.is_up) return;
  ++outcome_.lost_disks;
  lost_ids_.insert(node.last_id);
  if (!node.storage.durable().id.is_none()) lost_ids_.insert(node.storage.durable().id);
  switch (random_.below(3)) {
    case 0: {
      note("node " + std::to_string(n) + " gets an empty disk");
      stored_state empty;
      empty.owner = node.id;
      return node.storage.replace(std::move(empty));
    }
    case 1:
      if (node.backup && node.backup->starts < registered_starts_[n]) {
        note("node " + std::to_string(n) + " gets an old backup");
        return node.storage.replace(*node.backup);
      }
      [[fallthrough]];
    default:
      note("node " + std::to_string(n) + " loses the end of its log");
      node.storage.lose_tail(1 + random_.below(8));
      node.disk_is_suspect = true;
  }
}

void world::swap_disks(std::size_t a, std::size_t b) {
  auto& first = nodes_[a];
  auto& second = nodes_[b];
  if (a == b || !first.is_placed || !second.is_placed) return;
  const bool one_remains = std::ranges::any_of(config_.in_sync, [&](replica_id id) {
    const auto home = node_of(id);
    return home < nodes_.size() && home != a && home != b && !lost_ids_.contains(id) &&
           nodes_[home].last_id == id;
  });
  if (!one_remains) return;
  crash(a, random_.between(10ms, 2s));
  crash(b, random_.between(10ms, 2s));
  note("nodes " + std::to_string(a) + " and " + std::to_string(b) + " have swapped disks");
  outcome_.lost_disks += 2;
  for (auto* node : {&first, &second}) {
    lost_ids_.insert(node->last_id);
    lost_ids_.insert(node->storage.durable().id);
    node->backup.reset();
  }
  std::swap(first.storage, second.storage);
  std::swap(first.disk_is_suspect, second.disk_is_suspect);
}

void world::crash(std::size_t n, steady_time pause) {
  auto& node = nodes_[n];
  if (!node.is_up) return;
  note("node " + std::to_string(n) + " crashes");
  ++outcome_.crashes;
  const auto id = node.core->id();
  stop_node(n);
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (i != n && cuts_[n][i] <= 0) at(3ms, [this, i, id] { feed(i, peer_down{id}); });
  }
  at_node(n, pause, [this, n] { start_node(n); });
}

void world::freeze(std::size_t n, steady_time pause) {
  auto& node = nodes_[n];
  if (!node.is_up || node.is_frozen) return;
  note("node " + std::to_string(n) + " freezes");
  node.is_frozen = true;
  node.unwell_since = now_;
  at_node(n, pause, [this, n] { thaw(n); });
}

void world::thaw(std::size_t n) {
  auto& node = nodes_[n];
  if (!node.is_frozen) return;
  note("node " + std::to_string(n) + " goes on");
  node.is_frozen = false;
  node.unwell_since = -1s;
  auto waiting = std::exchange(node.deferred, {});
  if (random_.one_in(2)) feed(n, ticked{});
  for (auto& event : waiting) feed(n, std::move(event));
}

void world::cut_link(std::size_t a, std::size_t b, steady_time pause) {
  if (a == b) return;
  note("cut " + std::to_string(a) + " -> " + std::to_string(b));
  ++cuts_[a][b];
  at(pause, [this, a, b] { --cuts_[a][b]; });
}

/// Moves a committed part of the log into history, as a node does in the background.
void world::seal_some(std::size_t n) {
  at(random_.between(100ms, 3s), [this, n] { seal_some(n); });
  auto& node = nodes_[n];
  if (!node.is_up || node.is_frozen) return;
  const auto& log = node.storage.durable().log;
  const auto upto = index_after(log, node.core->trim_limit());
  const auto from = index_after(log, node.core->start().offset);
  if (upto <= from) return;
  const auto& last = log[from + random_.below(upto - from)].header;
  const log_trimmed trim{{last.last(), last.epoch, last.chain, last.stamped_at}};
  node.storage.write(0, trim);
  feed(n, trim);
}

void world::heal() {
  note("all faults end");
  is_troubled_ = false;
  network_ = {};
  doubt_permille_ = 0;
  for (auto& row : cuts_) std::ranges::fill(row, -1'000);
  std::ranges::fill(store_cuts_, -1'000);
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    nodes_[n].wall_error = 0ms;
    nodes_[n].sync_low = 100us;
    nodes_[n].sync_high = 3ms;
    thaw(n);
    start_node(n);
  }
}

}  // namespace tally::simulation

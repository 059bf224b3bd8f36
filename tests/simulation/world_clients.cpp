#include <xxhash.h>

#include <algorithm>

#include "tests/simulation/world.hpp"

namespace tally::simulation {
namespace {

constexpr std::size_t clients_count = 3;
constexpr steady_time client_patience = 2s;
constexpr steady_time heal_patience = 150s;

}  // namespace

void world::client_thinks(std::size_t c, steady_time pause) {
  clients_[c].ticket = 0;
  at(pause, [this, c] { client_sends(c); });
}

/// One batch at a time. What was not acknowledged is sent again, as another batch: that both may
/// be in the log is for `apply` to recognise, by the ids of their events.
void world::client_sends(std::size_t c) {
  auto& client = clients_[c];
  if (!clients_run_ || client.ticket != 0) return;
  const auto ticket = client.ticket = ++tickets_;
  askers_[ticket] = c;
  auto body = std::make_shared<chunk>();
  body->payload = std::to_string(ticket);
  body->header.count = static_cast<std::uint32_t>(1 + random_.below(4));
  body->header.size = static_cast<std::uint32_t>(50 + random_.below(1'500));
  body->header.crc =
      static_cast<std::uint32_t>(XXH3_64bits(body->payload.data(), body->payload.size()));
  const auto target = client.target;
  at(latency(), [this, target, ticket, body] { feed(target, append_requested{ticket, body}); });
  at(client_patience, [this, c, ticket] {
    if (clients_[c].ticket != ticket) return;
    clients_[c].target = random_.below(nodes_.size());
    client_thinks(c, 1ms);
  });
}

/// Half of them follow the store, and send again to the new leader what the old one still owes.
void world::tell_clients() {
  const auto leader = node_of(config_.leader);
  for (std::size_t c = 0; c < clients_.size(); ++c) {
    if (leader >= nodes_.size() || random_.one_in(2)) continue;
    at(latency(), [this, c, leader] {
      clients_[c].target = leader;
      if (clients_[c].ticket != 0) client_thinks(c, 1ms);
    });
  }
}

/// Asks every node; one that would answer must have seen all that was acknowledged before.
void world::probe_reads() {
  for (const auto& n : nodes_) {
    if (!n.is_up || n.is_frozen || !n.core->may_read(now_at(n))) continue;
    ++outcome_.reads;
    checker_.read(n.core->commit());
    if (checker_.violation().empty()) continue;
    note("node " + std::to_string(n.id.value - 1) + " answers a read in epoch " +
         std::to_string(n.core->epoch()));
  }
  at(random_.between(1ms, 40ms), [this] { probe_reads(); });
}

std::optional<std::size_t> world::settled_leader() const {
  const auto home = node_of(config_.leader);
  if (home >= nodes_.size() || !nodes_[home].core) return std::nullopt;
  const auto& core = *nodes_[home].core;
  const bool leads = core.role() == replica_role::leader && core.id() == config_.leader &&
                     core.epoch() == config_.epoch;
  return leads ? std::optional{home} : std::nullopt;
}

bool world::is_settled() const {
  const auto leader = settled_leader();
  if (!leader) return false;
  const auto& core = *nodes_[*leader].core;
  const auto placed =
      std::ranges::count_if(nodes_, [](const simulated_node& n) { return n.is_placed; });
  if (config_.in_sync.size() != static_cast<std::size_t>(placed)) return false;
  return std::ranges::all_of(config_.in_sync, [&](replica_id id) {
    const auto home = node_of(id);
    if (home >= nodes_.size() || !nodes_[home].core) return false;
    const auto& other = *nodes_[home].core;
    return other.id() == id && other.end() == core.end() && other.commit() == core.end().offset;
  });
}

bool world::is_stuck_by_loss() const {
  return std::ranges::none_of(config_.in_sync, [&](replica_id id) {
    const auto home = node_of(id);
    return home < nodes_.size() && nodes_[home].core && nodes_[home].core->id() == id;
  });
}

/// First until a client was answered, then, without clients, until all copies are equal.
void world::run_until_settled() {
  const auto deadline = now_ + heal_patience;
  while (acknowledged_since_heal_ < 3 && now_ < deadline && run_next()) {
  }
  clients_run_ = false;
  while (!is_settled() && now_ < deadline && run_next()) {
  }
  if (!checker_.violation().empty()) return;
  outcome_.is_stuck_by_loss = is_stuck_by_loss();
  if (now_ < deadline || outcome_.is_stuck_by_loss) return;
  for (const auto& n : nodes_) {
    if (!n.core) continue;
    const auto& core = *n.core;
    note("node " + std::to_string(n.id.value - 1) + " is in role " +
         std::to_string(static_cast<int>(core.role())) + " of epoch " +
         std::to_string(core.epoch()) + ", log " + std::to_string(core.start().offset) + ".." +
         std::to_string(core.end().offset) + ", commit " + std::to_string(core.commit()) +
         ", configuration " + std::to_string(core.config().version));
  }
  checker_.fail(acknowledged_since_heal_ < 3 ? "no writes after healing"
                                             : "copies do not become equal after healing");
}

void world::check_the_end() {
  const auto leader = settled_leader();
  if (!leader || !checker_.violation().empty()) return;
  const auto& log = nodes_[*leader].storage.written().log;
  checker_.final_log(log);
  for (const auto id : config_.in_sync) {
    checker_.equal_logs(log, nodes_[node_of(id)].storage.written().log);
  }
}

run_outcome world::run() {
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    start_node(n);
    seal_some(n);
  }
  clients_.resize(clients_count);
  for (std::size_t c = 0; c < clients_.size(); ++c) client_thinks(c, random_.between(1ms, 100ms));
  probe_reads();
  at(random_.between(100ms, 2s), [this] { cause_trouble(); });
  const auto troubled_until = random_.between(4s, 16s);
  while (now_ < troubled_until && run_next()) {
  }
  heal();
  run_until_settled();
  check_the_end();
  outcome_.violation = checker_.violation();
  outcome_.commits = checker_.commits();
  outcome_.leaders = checker_.leaders();
  outcome_.acknowledged = checker_.acknowledged_count();
  note(outcome_.violation.empty() ? "no violation" : "violation: " + outcome_.violation);
  return std::move(outcome_);
}

}  // namespace tally::simulation

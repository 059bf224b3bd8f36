#include <spdlog/spdlog.h>

#include <algorithm>

#include "cluster/replicator_state.hpp"
#include "persistence/event_codec.hpp"
#include "persistence/record_list.hpp"

/// What the cores ask for.
namespace tally::cluster {
namespace {

constexpr std::chrono::seconds complain_every{10};

bool follows(const written_chunk& c, std::uint64_t offset) {
  return c.header.last() > offset;
}

}  // namespace

void replicator_state::feed(std::uint16_t shard, replica_event event) {
  if (shard >= copies_.size() || !copies_[shard].core || waits(copies_[shard], event)) return;
  auto& core = copies_[shard].core;
  for (auto& effect : core->step(now(), std::move(event)))
    std::visit([&](auto& e) { carry_out(shard, e); }, effect);
  publish(shard);
}

void replicator_state::publish(std::uint16_t shard) {
  const auto& core = *copies_[shard].core;
  auto& seen = shared_->seen[shard];
  seen.read_until_us.store(core.read_until().count(), std::memory_order_release);
  const auto leader = node_of(shard, core.leader());
  if (seen.leader.load(std::memory_order_relaxed) != leader.value)
    seen.leader.store(leader.value, std::memory_order_release);
  const bool is_ready =
      leader.value != 0 && core.config().in_sync.size() >= shared_->options.core.min_in_sync;
  if (is_ready && !std::exchange(copies_[shard].was_ready, true)) --shared_->shards_unready;
}

node_id replicator_state::node_of(std::uint16_t shard, replica_id id) const {
  const auto* const copy = copies_[shard].core->config().find_copy(id);
  return copy == nullptr ? node_id{} : copy->node;
}

void replicator_state::carry_out(std::uint16_t shard, send_message& e) {
  const auto to = node_of(shard, e.to);
  if (to.value == 0 || to == shared_->options.node) return;
  if (auto* append = std::get_if<append_message>(&e.message.body)) {
    for (auto& c : append->chunks) {
      if (c.body) continue;
      auto& kept = copies_[shard].chunks;
      const auto found = find_chunk(kept, c.header.base);
      if (found != kept.end() && found->header.chain == c.header.chain) c.body = read_body(*found);
      if (!c.body) return spdlog::error("chunk_not_sent shard={} base={}", shard, c.header.base);
    }
  }
  outbox_[to].push_back(std::move(e.message));
}

/// Of a chunk that is on this disk, crc checked; null where it cannot be read.
chunk_ptr replicator_state::read_body(const written_chunk& c) {
  if (c.body) return c.body;
  if (read_round_ != c.round) {
    auto bytes = env_->journal->read_round(c.round);
    if (bytes) read_content_.bytes = std::make_shared<const std::string>(std::move(*bytes));
    auto entries = bytes ? persistence::decode_round(*read_content_.bytes)
                         : result<std::vector<persistence::round_entry>>{bytes.error()};
    if (!entries) {
      spdlog::error("round_not_read round={} reason={}", c.round, entries.error().text());
      return nullptr;
    }
    read_content_.entries = std::move(*entries);
    read_round_ = c.round;
  }
  for (const auto& entry : read_content_.entries)
    if (entry.header.shard == c.header.shard && entry.header.chain == c.header.chain)
      return std::make_shared<chunk>(chunk{entry.header, std::string{entry.payload}});
  return nullptr;
}

void replicator_state::carry_out(std::uint16_t shard, append_chunks& e) {
  auto& kept = copies_[shard].chunks;
  for (auto& c : e.chunks) {
    next_.chunks.push_back(c.body);
    const bool is_own = copies_[shard].core->role() == replica_role::leader;
    kept.push_back({c.header, 0, c.body, is_own});
  }
  operations_[shard] = e.operation;
}

persistence::shard_end replicator_state::end_before(const kept_copy& copy, std::uint64_t offset) {
  const auto found = std::ranges::find_if(copy.chunks.rbegin(), copy.chunks.rend(),
                                          [&](const auto& c) { return !follows(c, offset); });
  if (found == copy.chunks.rend()) {
    const auto& start = copy.core->start();
    return {start.offset + 1, start.chain, start.epoch, to_ms(start.stamped_at)};
  }
  const auto& header = found->header;
  return {header.last() + 1, header.chain, header.epoch, to_ms(header.stamped_at)};
}

void replicator_state::carry_out(std::uint16_t shard, const truncate_log& e) {
  auto& copy = copies_[shard];
  bool is_on_disk = false;
  while (!copy.chunks.empty() && follows(copy.chunks.back(), e.end)) {
    is_on_disk = is_on_disk || copy.chunks.back().round != 0;
    copy.chunks.pop_back();
  }
  std::erase_if(next_.chunks, [&](const chunk_ptr& c) {
    return c->header.shard == shard && c->header.last() > e.end;
  });
  if (copy.told > copy.chunks.size())
    return fail_journal({errc::corrupt_record, "what was committed is to be taken back"});
  std::erase_if(next_.cuts, [&](const persistence::log_cut& c) { return c.shard == shard; });
  if (is_on_disk) next_.cuts.push_back({shard, end_before(copy, e.end)});
  spdlog::info("log_taken_back shard={} to={}", shard, e.end);
  operations_[shard] = e.operation;
}

void replicator_state::carry_out(std::uint16_t shard, const persist_promise& e) {
  const auto& core = *copies_[shard].core;
  next_.meta.push_back({replica_key(shard), encode_replica(core.id(), e.epoch)});
  operations_[shard] = e.operation;
}

/// What an older name of this copy counted may not be what counts now.
void replicator_state::carry_out(std::uint16_t shard, const persist_identity& e) {
  if (!copies_[shard].chunks.empty())
    return fail_journal({errc::lossy_recovery,
                         "shard " + std::to_string(shard) +
                             " lost data that others count on: move the data directory away and "
                             "start with an empty one"});
  next_.meta.push_back({replica_key(shard), encode_replica(e.id, copies_[shard].core->epoch())});
  operations_[shard] = e.operation;
}

void replicator_state::carry_out(std::uint16_t shard, compare_and_swap& e) {
  shared_->ports.swap(
      shard, e.expected_version, std::move(e.proposed),
      [s = shared_, this, shard, request = e.request](swap_outcome outcome, std::uint64_t version) {
        s->post([this, shard, request, outcome, version] {
          feed(shard, swap_answered{request, outcome, version});
          schedule_flush();
        });
      });
}

void replicator_state::carry_out(std::uint16_t shard, const read_config& e) {
  shared_->ports.read(
      shard, [s = shared_, this, shard, request = e.request](std::optional<shard_config> found) {
        if (found && found->version == 0) found.reset();
        s->post([this, shard, request, found = std::move(found)] {
          feed(shard, config_seen{request, found});
          schedule_flush();
        });
      });
}

void replicator_state::carry_out(std::uint16_t shard, const commit_advanced& e) {
  auto& copy = copies_[shard];
  if (copy.installing) return;  // told when it is there
  env_->journal->show_up_to(shard, e.offset);
  commits_due_.insert(shard);
  for (; copy.told < copy.chunks.size(); ++copy.told) {
    auto& c = copy.chunks[copy.told];
    if (c.header.last() > e.offset) break;
    const auto body = read_body(c);
    if (!body) return fail_journal({errc::corrupt_record, "a committed chunk cannot be read"});
    keep_records(c, body);
    if (!c.is_own) {
      c.body = body;
      follow(shard, c);
    }
    c.body.reset();
  }
  if (copy.waits_to_open && e.offset >= copy.opens_at) opening_.insert(shard);
}

/// Settings and keys are put beside the log in the next round.
void replicator_state::keep_records(const written_chunk& c, const chunk_ptr& body) {
  persistence::for_each_event(
      body->payload, c.header.count, [&](std::uint32_t nth, std::string_view bytes) {
        if (persistence::peek_kind(bytes) != event_kind::registry) return;
        event e;
        if (!persistence::decode_event(bytes, e)) return;
        const auto records = persistence::decode_records(e.raw);
        if (!records) return spdlog::error("records_not_read reason={}", records.error().text());
        for (const auto& r : *records) {
          if (r.value.empty()) ++env_->deletions;
          const bool of_platform = e.merchant == actors::platform_merchant;
          (of_platform ? next_.meta : next_.merchants).push_back(r);
          copies_[c.header.shard].records.add(c.header.base + nth, of_platform, r,
                                              shared_->options.registry_ring_max);
        }
      });
}

void replicator_state::complete(std::uint64_t number, bool good) {
  const auto found = tickets_.find(number);
  if (found == tickets_.end()) return;
  const auto [of, index] = found->second;
  tickets_.erase(found);
  --of->open;
  const auto& header = of->round->chunks[index]->header;
  auto& kept = copies_[header.shard].chunks;
  const auto at = find_chunk(kept, header.base);
  const bool is_there = at != kept.end() && at->header.chain == header.chain;
  if (good && is_there) of->round->numbers[index] = at->round;
  // Its lane has given it up; it may be committed all the same.
  if (!good && is_there) at->is_own = false;
}

void replicator_state::carry_out(std::uint16_t, const completed& e) {
  for (const auto number : e.tickets) complete(number, e.outcome == append_outcome::committed);
}

void replicator_state::carry_out(std::uint16_t shard, const role_changed& e) {
  auto& copy = copies_[shard];
  const bool leads = e.role == replica_role::leader;
  spdlog::debug("role_changed shard={} role={} epoch={}", shard, static_cast<int>(e.role), e.epoch);
  copy.waits_to_open = leads;
  opening_.erase(shard);
  if (leads) {
    // What it inherited reaches the lanes before anything of its own.
    copy.opens_at = copy.core->end().offset;
    if (copy.core->commit() >= copy.opens_at) opening_.insert(shard);
  } else if (copy.is_open) {
    copy.is_open = false;
    shared_->seen[shard].is_led = false;
    self->send(lanes_[lane_of(shard)], actors::role_atom::value, shard, false);
  }
}

void replicator_state::carry_out(std::uint16_t shard, const probe_leader& e) {
  const auto node = node_of(shard, e.leader);
  if (node.value == 0) return;
  if (!live_.empty() && !live_.contains(node)) {
    const auto gone = leader_witnessed{e.epoch, witness::lease_gone};
    shared_->post([this, shard, gone] { feed(shard, gone); });
  }
  shared_->ports.probe(node, [s = shared_, this, shard, epoch = e.epoch](auto seen) {
    if (!seen) return;
    s->post([this, shard, epoch, what = *seen] {
      feed(shard, leader_witnessed{epoch, what});
      schedule_flush();
    });
  });
}

void replicator_state::carry_out(std::uint16_t shard, const store_refused& e) {
  const auto at = std::chrono::steady_clock::now();
  if (at - complained_at_ < complain_every) return;
  complained_at_ = at;
  spdlog::error(
      "store_refused shard={} promised={} found={} reason=\"etcd knows less than this "
      "node: it was restored or is another one\"",
      shard, e.promised, e.found);
}

void replicator_state::carry_out(std::uint16_t shard, const damage_reported& e) {
  fail_journal({errc::lossy_recovery, "shard " + std::to_string(shard) + " ends at " +
                                          std::to_string(e.found) + ", its leader counts on " +
                                          std::to_string(e.expected) +
                                          ": move the data directory away and start empty"});
}

void replicator_state::carry_out(std::uint16_t shard, const halted& e) {
  fail_journal({errc::corrupt_record, "shard " + std::to_string(shard) + ": " + e.why});
}

}  // namespace tally::cluster

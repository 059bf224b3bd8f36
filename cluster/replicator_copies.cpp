#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>

#include "cluster/replicator_state.hpp"

/// Histories of other nodes in the place of what is here. Two rounds of the log frame the change:
/// the first one empties the shard's copy and leaves a mark, by which a restart knows that history
/// and state are some of both; the second one takes the mark away and lets the log go on behind the
/// copy.
namespace tally::cluster {

/// While the copy changes its core hears nothing of others; what it asked for it hears afterwards.
bool replicator_state::waits(kept_copy& copy, replica_event& event) {
  if (!copy.installing || std::holds_alternative<synced>(event)) return false;
  const bool comes_again =
      std::holds_alternative<message_received>(event) || std::holds_alternative<ticked>(event);
  if (!comes_again) copy.installing->waiting.push_back(std::move(event));
  return true;
}

result<log_position> replicator_state::position_of(std::uint16_t shard,
                                                   const persistence::sealed_end& sealed) const {
  if (shard >= copies_.size()) return failure{errc::not_found, "no such shard"};
  const auto& copy = copies_[shard];
  const failure other{errc::unavailable, "what is sealed is not known here as part of the log"};
  if (copy.installing) return other;
  const auto& start = copy.core->start();
  if (start.offset == sealed.offset && start.chain == sealed.chain) return start;
  const auto at = std::ranges::lower_bound(copy.chunks, sealed.offset, {},
                                           [](const written_chunk& c) { return c.header.last(); });
  if (at == copy.chunks.end() || at->header.last() != sealed.offset ||
      at->header.chain != sealed.chain || sealed.offset > copy.core->commit())
    return other;
  return log_position{sealed.offset, at->header.epoch, sealed.chain, at->header.stamped_at};
}

void replicator_state::carry_out(std::uint16_t shard, const fetch_copy& e) {
  auto& copy = copies_[shard];
  if (copy.fetched && copy.fetched->start.offset >= e.start.offset) {
    shared_->post([this, shard, at = copy.fetched->start] {
      feed(shard, copy_ready{at});
      schedule_flush();
    });
    return;
  }
  copy.fetched.reset();
  const auto from = node_of(shard, e.from);
  if (from.value != 0) shared_->fetcher->want(shard, from);
}

void replicator_state::take_fetched(std::uint16_t shard, fetched_copy copy) {
  const auto at = copy.start;
  copies_[shard].fetched = std::move(copy);
  feed(shard, copy_ready{at});
  schedule_flush();
}

void replicator_state::carry_out(std::uint16_t shard, const install_copy& e) {
  auto& copy = copies_[shard];
  if (!copy.fetched || copy.fetched->start != e.start)
    return fail_journal({errc::corrupt_record, "a copy is wanted that is not there"});
  std::erase_if(next_.chunks, [&](const chunk_ptr& c) { return c->header.shard == shard; });
  std::erase_if(next_.cuts, [&](const persistence::log_cut& c) { return c.shard == shard; });
  commits_due_.erase(shard);
  copy.chunks.clear();
  copy.told = 0;
  copy.commit_written = 0;
  copy.installing = std::make_unique<installation>();
  copy.installing->operation = e.operation;
  copy.installing->copy = std::move(*copy.fetched);
  copy.fetched.reset();
  env_->journal->show_up_to(shard, 0);
  starts_.starts[shard] = {};
  next_.cuts.push_back({shard, {}, true});
  next_.meta.push_back({install_key(shard), "1"});
  next_.meta.push_back(to_record(starts_));
  fixed_commits_.push_back({shard, 0});
  wiping_.push_back(shard);
}

/// What the last rounds made ready, behind what lanes were told of the shard before.
void replicator_state::go_on_with_copies() {
  if (lanes_.empty()) return;
  for (const auto shard : std::exchange(wiped_, {}))
    clear_lane(shard, [this, shard] { install(shard); });
  // Whoever looked at a merchant meanwhile woke it with some of both.
  for (const auto shard : std::exchange(replaced_, {}))
    clear_lane(shard, [this, shard] { finish_copy(shard); });
}

void replicator_state::clear_lane(std::uint16_t shard, std::function<void()> then) {
  const auto& start = copies_[shard].installing->copy.start;
  self->request(lanes_[lane_of(shard)], shared_->options.copy_clear_timeout,
                actors::clear_atom::value, shard, start.offset, to_ms(start.stamped_at))
      .then([then = std::move(then)](bool) { then(); },
            [this](const caf::error&) {
              if (!shared_->has_ended)
                fail_journal({errc::unavailable, "a shard's merchants did not go to sleep"});
            });
}

void replicator_state::install(std::uint16_t shard) {
  using persistence::copied_registry;
  const auto task = [](auto f) { return std::make_shared<std::function<void()>>(std::move(f)); };
  const auto& path = copies_[shard].installing->copy.path;
  const auto tell = [s = shared_, this, shard](result<copied_registry> r) {
    s->post([this, shard, r = std::move(r)] { installed(shard, r); });
  };
  env_->run_sealing(task([env = env_, shard, path, tell] {
    if (auto put = persistence::install_history(*env->history, shard, path); !put)
      return tell(put.error());
    env->run_write([env, shard, path, tell] {
      if (auto put = persistence::install_state(*env->state, shard, path); !put)
        return tell(put.error());
      tell(persistence::read_registry(*env->journal, shard, is_platforms(shard), path));
    });
  }));
}

void replicator_state::installed(std::uint16_t shard,
                                 const result<persistence::copied_registry>& registry) {
  if (!registry) return fail_journal(registry.error());
  const auto& start = copies_[shard].installing->copy.start;
  starts_.starts[shard] = start;
  next_.cuts.push_back(
      {shard, {start.offset + 1, start.chain, start.epoch, to_ms(start.stamped_at)}, true});
  next_.meta.push_back({install_key(shard), {}});
  next_.meta.push_back(to_record(starts_));
  put_records(*registry);
  fixed_commits_.push_back({shard, start.offset});
  replacing_.push_back(shard);
  schedule_flush();
}

/// In the next round: what is empty goes.
void replicator_state::put_records(const persistence::copied_registry& records) {
  for (const auto* list : {&records.merchants, &records.platform})
    for (const auto& r : *list)
      if (r.value.empty()) ++env_->deletions;
  next_.merchants.insert(next_.merchants.end(), records.merchants.begin(), records.merchants.end());
  next_.meta.insert(next_.meta.end(), records.platform.begin(), records.platform.end());
}

void replicator_state::finish_copy(std::uint16_t shard) {
  auto& copy = copies_[shard];
  const auto done = std::exchange(copy.installing, nullptr);
  const auto& start = done->copy.start;
  env_->journal->show_up_to(shard, start.offset);
  copy.commit_written = start.offset;
  copy.records.begin_at(start.offset);
  std::error_code ignored;
  std::filesystem::remove(done->copy.path, ignored);
  spdlog::info("copy_installed shard={} upto={}", shard, start.offset);
  feed(shard, synced{done->operation});
  for (auto& event : done->waiting) feed(shard, std::move(event));
  schedule_flush();
}

}  // namespace tally::cluster

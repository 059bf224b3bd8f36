#include <spdlog/spdlog.h>

#include <algorithm>
#include <limits>

#include "actors/replication.hpp"
#include "cluster/replicator_state.hpp"

/// Rounds of the disk, and what lanes are told of them.
namespace tally::cluster {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds commit_record_after{100};

bool is_append(const replica_message& m) {
  const auto* const append = std::get_if<append_message>(&m.body);
  return append != nullptr && !append->chunks.empty();
}

}  // namespace

instant replicator_state::now() const {
  return {std::chrono::duration_cast<steady_time>(steady_clock::now().time_since_epoch()),
          env_->now()};
}

void replicator_state::start(std::shared_ptr<replicator::shared> shared) {
  shared_ = std::move(shared);
  env_ = shared_->env;
  copies_.resize(shared_->options.shards);
  shared_->shards_unready = shared_->options.shards;
  const auto& o = shared_->options;
  auto found = recover_copies(*env_->journal, *env_->history, *env_->state, o.cluster, o.node);
  if (!found) {
    shared_->recovered = found.error();
    return;
  }
  starts_ = std::move(found->starts);
  written_at_ = balanced_at_ = steady_clock::now();
  for (std::uint16_t shard = 0; shard < copies_.size(); ++shard) {
    auto& copy = copies_[shard];
    auto& from = found->copies[shard];
    copy.chunks = std::move(from.chunks);
    copy.commit_written = from.state.commit;
    copy.told = static_cast<std::size_t>(
        std::ranges::upper_bound(copy.chunks, from.state.commit, {},
                                 [](const written_chunk& c) { return c.header.last(); }) -
        copy.chunks.begin());
    env_->journal->show_up_to(shard, from.state.commit);
    copy.records.begin_at(from.state.commit);
    shared_->incarnation = from.state.incarnation;
    shared_->first.push_back({.cluster = o.cluster,
                              .version = 0,
                              .epoch = from.state.promise + 1,
                              .leader = from.state.id,
                              .incarnation = from.state.incarnation,
                              .in_sync = {from.state.id},
                              .copies = {{from.state.id, o.node}}});
    copy.core = std::make_unique<replica_core>(from.state, o.core, now());
  }
  load_registries_known();
  note_untold();
  self->delayed_send(self, o.tick_every, actors::tick_atom::value);
}

void replicator_state::begin(std::vector<actors::lane_actor> lanes) {
  lanes_ = std::move(lanes);
  schedule_flush();
}

void replicator_state::append(lane_round_ptr round, caf::strong_actor_ptr) {
  if (copies_.empty() || round->chunks.empty()) return;
  const auto lane = lane_of(round->chunks.front()->header.shard);
  auto t = std::make_shared<telling>();
  t->open = round->chunks.size();
  t->round = std::move(round);
  t->round->numbers.assign(t->open, 0);
  tellings_[lane].push_back(t);
  for (std::size_t i = 0; i < t->round->chunks.size(); ++i) {
    const auto& chunk = t->round->chunks[i];
    tickets_[++tickets_given_] = {t, i};
    feed(chunk->header.shard, append_requested{tickets_given_, chunk});
  }
  schedule_flush();
}

void replicator_state::receive(std::vector<replica_message> messages) {
  // What others committed and this node has not counted is in memory: without an answer the leader
  // sends it again later, or goes on without this copy.
  const bool is_full =
      env_->metrics.queue_bytes.load() >
      static_cast<std::int64_t>(shared_->options.followed_bytes_max + env_->limits.queue_bytes_max);
  for (auto& m : messages) {
    if (m.shard >= copies_.size() || (is_full && is_append(m))) continue;
    feed(m.shard, message_received{std::move(m)});
  }
  schedule_flush();
}

void replicator_state::schedule_flush() {
  if (flush_scheduled_ || is_flushing_) return;
  flush_scheduled_ = true;
  self->send(self, actors::flush_atom::value);  // after what is in the mailbox already
}

void replicator_state::send_out() {
  for (auto& [to, messages] : std::exchange(outbox_, {}))
    shared_->ports.send(to, std::move(messages));
}

bool replicator_state::has_work() const {
  return !operations_.empty() || !next_.merchants.empty() || !next_.chunks.empty() ||
         !next_.meta.empty();
}

void replicator_state::flush() {
  flush_scheduled_ = false;
  shared_->turned_at_us = now().steady.count();
  if (env_->is_broken || shared_->has_ended) return;
  is_flushing_ = true;
  send_out();  // followers write at the same time
  while (has_work() && !env_->is_broken && !shared_->has_ended)
    if (!write()) break;
  open_shards();
  tell_lanes();
  go_on_with_copies();
  send_out();
  is_flushing_ = false;
}

/// One round. False where it could not be written.
bool replicator_state::write() {
  const auto began = steady_clock::now();
  for (const auto shard : commits_due_)
    next_.commits.push_back({shard, copies_[shard].core->commit()});
  next_.commits.insert(next_.commits.end(), fixed_commits_.begin(), fixed_commits_.end());
  const auto number = env_->journal->append(next_);
  if (!number && number.error().code == errc::disk_full) {
    next_.commits.clear();
    if (!env_->disk_full.exchange(true))
      spdlog::warn("journal_refuses reason={}", number.error().text());
    return false;
  }
  if (!number) {
    fail_journal(number.error());
    return false;
  }
  if (env_->disk_full.exchange(false)) spdlog::info("journal_accepts again=true");
  written_at_ = steady_clock::now();
  env_->metrics.fsync.add(static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(written_at_ - began).count()));
  env_->metrics.rounds += 1;
  env_->metrics.chunks += next_.chunks.size();
  std::uint64_t bytes = 0;
  for (const auto& c : next_.chunks) bytes += c->payload.size();
  env_->metrics.log_bytes_written += bytes;
  env_->log_bytes_now += bytes;
  note_written(*number);
  for (const auto& [shard, offset] : next_.commits) copies_[shard].commit_written = offset;
  commits_due_.clear();
  fixed_commits_.clear();
  wiped_.insert(wiped_.end(), wiping_.begin(), wiping_.end());
  wiping_.clear();
  replaced_.insert(replaced_.end(), replacing_.begin(), replacing_.end());
  replacing_.clear();
  for (const auto& [shard, known] : std::exchange(registries_due_, {}))
    copies_[shard].registry_known = known;
  next_ = {};
  note_untold();
  for (const auto& [shard, operation] : std::exchange(operations_, {}))
    feed(shard, synced{operation});
  return true;
}

void replicator_state::note_written(persistence::round_number round) {
  for (const auto& c : next_.chunks) {
    auto& kept = copies_[c->header.shard].chunks;
    const auto at = find_chunk(kept, c->header.base);
    if (at != kept.end()) at->round = round;
  }
}

/// Adds a chunk that another node led to what its lane is told next.
void replicator_state::follow(std::uint16_t shard, written_chunk& c) {
  auto& round = followed_[lane_of(shard)];
  if (!round) round = std::make_shared<actors::lane_round>();
  round->chunks.push_back(std::make_shared<chunk>(*c.body));
  round->numbers.push_back(c.round);
  round->number = c.round;
  round->bytes += c.header.size;
}

void replicator_state::tell_lanes() {
  if (lanes_.empty()) return;
  for (std::uint32_t lane = 0; lane < lane_count; ++lane) {
    auto& line = tellings_[lane];
    if (auto round = std::exchange(followed_[lane], nullptr))
      line.push_back(std::make_shared<telling>(telling{std::move(round), 0, true}));
    for (; !line.empty() && line.front()->open == 0; line.pop_front()) {
      const auto& t = *line.front();
      if (t.is_followed) {
        self->send(lanes_[lane], actors::follow_atom::value, t.round);
      } else {
        self->send(lanes_[lane], actors::commit_atom::value, t.round, std::uint8_t{0});
      }
    }
  }
  answer_waiting();
  note_untold();
  env_->last_round = env_->journal->last_round();
}

void replicator_state::answer_waiting() {
  const auto at = steady_clock::now();
  for (auto& copy : copies_) {
    std::erase_if(copy.waiting, [&](keeping& w) {
      const bool is_kept = std::max(copy.commit_written, copy.registry_known) >= w.offset;
      if (!is_kept && at < w.until) return false;
      w.then(is_kept ? status{done{}}
                     : status{failure{errc::unavailable, "made, but not known here yet"}});
      return true;
    });
  }
}

/// Lanes take events for the shards that this node leads and knows all of.
void replicator_state::open_shards() {
  if (lanes_.empty()) return;
  for (const auto shard : std::exchange(opening_, {})) {
    auto& copy = copies_[shard];
    copy.waits_to_open = false;
    copy.is_open = true;
    shared_->seen[shard].is_led = true;
    self->send(lanes_[lane_of(shard)], actors::role_atom::value, shard, true);
  }
}

/// From which round on something is not told: a restart must read from there.
void replicator_state::note_untold() {
  persistence::round_number first = 0;
  const auto take = [&](persistence::round_number round) {
    if (round != 0 && (first == 0 || round < first)) first = round;
  };
  for (const auto& copy : copies_)
    if (copy.told < copy.chunks.size()) take(copy.chunks[copy.told].round);
  for (const auto& line : tellings_)
    for (const auto& t : line)
      for (std::size_t i = 0; i < t->round->numbers.size(); ++i) take(t->round->numbers[i]);
  env_->untold_from = first;
}

void replicator_state::when_kept(std::uint16_t shard, std::uint64_t offset,
                                 std::function<void(status)> then) {
  auto& copy = copies_[shard];
  if (std::max(copy.commit_written, copy.registry_known) >= offset) return then(done{});
  copy.waiting.push_back(
      {offset, steady_clock::now() + shared_->options.forward_timeout, std::move(then)});
  if (!has_copy(shard)) ask_for_registries();
}

std::uint64_t replicator_state::commit_of(std::uint16_t shard) const {
  return copies_[shard].core->commit();
}

void replicator_state::tick() {
  if (shared_->has_ended) return;
  self->delayed_send(self, shared_->options.tick_every, actors::tick_atom::value);
  if (env_->is_broken) return;
  for (std::uint16_t shard = 0; shard < copies_.size(); ++shard)
    if (is_wanted_here(copies_[shard])) feed(shard, ticked{});
  const auto at = steady_clock::now();
  // Without events no round would tell a restart what is committed.
  if (!commits_due_.empty() && at - written_at_ >= commit_record_after && !has_work())
    next_.meta.push_back({"replica/tick", "1"});
  if (at - registries_asked_at_ >= shared_->options.registry_every) ask_for_registries();
  if (at - balanced_at_ >= shared_->options.balance_every) {
    balanced_at_ = at;
    balance();
    trim();
    shared_->source->forget_idle();
  }
  schedule_flush();
}

void replicator_state::probe() {
  if (env_->disk_full && !env_->is_broken) schedule_flush();
}

bool replicator_state::put_meta(const std::string& key, const std::string& value) {
  if (shared_->has_ended) return false;
  const auto put = env_->journal->put_meta({{key, value}});
  if (!put) spdlog::error("meta_not_written key={} reason={}", key, put.error().text());
  return put.ok();
}

/// Copies that lag read this log, as long as there is not too much of it.
bool replicator_state::drop_before(persistence::round_number round) {
  if (shared_->has_ended) return false;
  const bool lags = std::ranges::any_of(copies_, [](const kept_copy& copy) {
    const auto& config = copy.core->config();
    return config.copies.size() != config.in_sync.size();
  });
  if (lags && env_->journal->log_bytes() < shared_->options.lagging_log_bytes_max) return true;
  if (!env_->journal->drops_before(round, env_->options.keep_log_bytes)) return true;
  starts_.round = round;
  for (std::uint16_t shard = 0; shard < copies_.size(); ++shard) {
    const auto& copy = copies_[shard];
    auto& at = starts_.starts[shard];
    at = copy.installing ? log_position{} : copy.core->start();
    for (const auto& c : copy.chunks) {
      if (c.round == 0 || c.round >= round) break;
      at = {c.header.last(), c.header.epoch, c.header.chain, c.header.stamped_at};
    }
  }
  if (const auto put = env_->journal->put_meta({to_record(starts_)}); !put) return false;
  const auto dropped = env_->journal->drop_segments_before(round, env_->options.keep_log_bytes);
  if (!dropped) spdlog::warn("log_not_dropped reason={}", dropped.error().text());
  trim();
  return dropped.ok();
}

void replicator_state::trim() {
  const auto first_round = env_->journal->first_round();
  for (std::uint16_t shard = 0; shard < copies_.size(); ++shard)
    if (!copies_[shard].installing && !copies_[shard].chunks.empty()) trim(shard, first_round);
}

/// Forgets what is dropped. Headers cost memory: of a long log the oldest ones go too, as far as
/// history and every copy that counts have what they are of.
void replicator_state::trim(std::uint16_t shard, persistence::round_number first_round) {
  auto& copy = copies_[shard];
  std::size_t count = 0;
  while (count < copy.told && copy.chunks[count].round < first_round) ++count;
  const std::size_t headers_max = shared_->options.headers_of_shard_max;
  if (copy.chunks.size() - count > headers_max) {
    const auto sealed = persistence::history::sealed(env_->history->look(), shard).offset;
    const auto limit = std::min({copy.core->trim_limit(), copy.core->commit(), sealed});
    const auto wanted = std::min(copy.chunks.size() - headers_max / 2, copy.told);
    while (count < wanted && copy.chunks[count].header.last() <= limit) ++count;
  }
  if (count == 0) return;
  const auto& last = copy.chunks[count - 1].header;
  const log_position start{last.last(), last.epoch, last.chain, last.stamped_at};
  copy.chunks.erase(copy.chunks.begin(), copy.chunks.begin() + static_cast<std::ptrdiff_t>(count));
  copy.told -= count;
  feed(shard, log_trimmed{start});
}

void replicator_state::fail_journal(const failure& why) {
  if (env_->is_broken) return;
  env_->broken = why.text();
  env_->is_broken = true;
  spdlog::error("journal_broken reason={}", env_->broken);
  env_->on_broken(env_->broken);
}

}  // namespace tally::cluster

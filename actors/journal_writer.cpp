#include "actors/journal_writer.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>

namespace tally::actors {
namespace {

constexpr std::uint64_t large_round_bytes = 64u << 10;  // worth a sync of its own

}  // namespace

void journal_writer_state::append(lane_round_ptr round, caf::strong_actor_ptr lane) {
  queue.push_back({std::move(round), caf::actor_cast<lane_actor>(std::move(lane))});
  if (flushing) return;
  flushing = true;
  // After what is in the mailbox already. A lonely request commits at once; among many, a moment's
  // wait makes one sync serve more of them.
  if (many_wait && env->options.commit_delay.count() > 0) {
    self->delayed_send(self, env->options.commit_delay, flush_atom::value);
  } else {
    self->send(self, flush_atom::value);
  }
}

/// Whether so many requests share these rounds that the next ones are worth waiting for.
bool journal_writer_state::many_requests(const std::vector<waiting>& rounds) const {
  std::uint64_t bytes = 0;
  std::vector<const submission*> from;
  for (const auto& w : rounds) {
    bytes += w.round->bytes;
    if (bytes > large_round_bytes) return false;
    for (const auto& share : w.round->shares) from.push_back(share.from.get());
  }
  std::sort(from.begin(), from.end());
  from.erase(std::unique(from.begin(), from.end()), from.end());
  std::uint64_t requests = 0;
  for (const auto* events : from) requests += events->requests;
  return requests >= env->options.commit_siblings;
}

bool journal_writer_state::follows(const lane_round& round) const {
  return std::ranges::all_of(round.chunks, [this](const auto& c) {
    return c->header.base == ends[c->header.shard].next_offset;
  });
}

void journal_writer_state::answer(const waiting& w, errc code) const {
  self->send(w.lane, commit_atom::value, w.round, static_cast<std::uint8_t>(code));
}

void journal_writer_state::flush() {
  flushing = false;
  std::vector<persistence::chunk_ptr> chunks;
  std::vector<persistence::record> records;
  std::vector<waiting> good;
  for (auto& w : std::exchange(queue, {})) {
    // An earlier round of this lane was refused, so this one no longer continues the log.
    if (!follows(*w.round)) {
      answer(w, errc::unavailable);
      continue;
    }
    for (const auto& c : w.round->chunks) {
      chunks.push_back(c);
      ends[c->header.shard].next_offset = c->header.base + c->header.count;
    }
    records.insert(records.end(), w.round->records.begin(), w.round->records.end());
    good.push_back(std::move(w));
  }
  if (good.empty()) return;
  many_wait = many_requests(good);
  env->crash.pass(crash_point::journal_before_write);
  if (!records.empty()) env->crash.pass(crash_point::registry_before_write);
  const auto began = std::chrono::steady_clock::now();
  const auto number = env->journal->append(chunks, records);
  if (!number) {
    for (const auto& c : chunks) ends[c->header.shard].next_offset -= c->header.count;
    const bool full = number.error().code == errc::disk_full;
    if (full && !env->disk_full.exchange(true))
      spdlog::warn("journal_refuses reason={}", number.error().text());
    if (!full && !env->is_broken) {
      env->broken = number.error().text();
      env->is_broken = true;
      spdlog::error("journal_broken reason={}", env->broken);
      env->on_broken(env->broken);
    }
    for (const auto& w : good) answer(w, number.error().code);
    return;
  }
  env->crash.pass(crash_point::journal_after_write);
  if (!records.empty()) env->crash.pass(crash_point::registry_after_write);
  if (env->disk_full.exchange(false)) spdlog::info("journal_accepts again=true");
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(
                      std::chrono::steady_clock::now() - began)
                      .count();
  env->metrics.fsync.add(static_cast<std::uint64_t>(us));
  env->metrics.rounds += 1;
  env->metrics.chunks += chunks.size();
  std::uint64_t bytes = 0;
  for (const auto& c : chunks) bytes += c->payload.size();
  env->metrics.log_bytes_written += bytes;
  env->log_bytes_now += bytes;
  for (const auto& w : good) {
    w.round->number = *number;
    self->send(w.lane, commit_atom::value, w.round, std::uint8_t{0});
  }
  env->last_round = *number;  // after the lanes were told: the keeper relies on it
}

void journal_writer_state::probe() {
  if (!env->disk_full || env->is_broken) return;
  const auto put = env->journal->put_meta({{"probe", std::to_string(to_ms(env->now()))}});
  if (put && env->disk_full.exchange(false)) spdlog::info("journal_accepts again=true");
}

bool journal_writer_state::put_meta(const std::string& key, const std::string& value) {
  const auto put = env->journal->put_meta({{key, value}});
  if (!put) spdlog::error("meta_not_written key={} reason={}", key, put.error().text());
  return put.ok();
}

bool journal_writer_state::drop_before(persistence::round_number round) {
  if (env->is_broken) return false;
  const auto first = env->journal->first_round();
  env->crash.pass(crash_point::log_before_drop);
  const auto dropped = env->journal->drop_segments_before(round, env->options.keep_log_bytes);
  if (!dropped) {
    spdlog::warn("log_not_dropped reason={}", dropped.error().text());
    return false;
  }
  if (env->journal->first_round() == first) return true;
  env->crash.pass(crash_point::log_after_drop);
  spdlog::info("log_dropped from_round={}", env->journal->first_round());
  return true;
}

journal_actor::behavior_type journal_writer(
    journal_actor::stateful_pointer<journal_writer_state> self, node_env_ptr env) {
  self->state.ends = env->journal->ends();
  self->state.env = std::move(env);
  return {
      [self](append_atom, lane_round_ptr& round, caf::strong_actor_ptr& lane) {
        self->state.append(std::move(round), std::move(lane));
      },
      [self](flush_atom) { self->state.flush(); },
      [self](probe_atom) { self->state.probe(); },
      [self](meta_atom, const std::string& key, const std::string& value) {
        return self->state.put_meta(key, value);
      },
      [self](drop_atom, std::uint64_t round) { return self->state.drop_before(round); },
  };
}

}  // namespace tally::actors

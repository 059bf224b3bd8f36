#include "actors/lane.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <limits>

#include "actors/aggregator.hpp"
#include "actors/io_worker.hpp"
#include "domain/bytes.hpp"
#include "persistence/event_codec.hpp"

namespace tally::actors {
namespace {

constexpr std::chrono::milliseconds tick_every{1'000};
constexpr std::chrono::milliseconds snapshot_pause{5};
constexpr std::size_t catch_up_per_tick = 500;  // merchants woken in the background
constexpr std::size_t passivate_per_tick = 5'000;
constexpr std::uint64_t small_round_bytes = 32u << 10;
constexpr std::uint32_t saves_max = 256;  // merchants of a lane asked to save at the same time

}  // namespace

void lane_state::start(lane_init init) {
  env = std::move(init.env);
  number = init.number;
  journal = std::move(init.journal);
  tail_ = std::move(init.tail);
  for (const auto& [merchant, rounds] : tail_)
    for (const auto round : rounds) trace_.note(merchant_hash(merchant), round);
  tail_first_ = init.tail_first;
  tail_last_ = init.tail_last;
  tail_floor_ = init.saved_before;
  for (std::size_t i = 0; i < logs_.size(); ++i) {
    auto end = env->journal->ends()[i * lane_count + number];
    end.epoch += 1;  // a start is a new leadership
    logs_[i] = {end, end, env->copies == nullptr};
    handed_out_[i] = {end.next_offset - 1, end.stamped_at_ms};
  }
  self->delayed_send(self, tick_every, tick_atom::value);
}

merchant_slot& lane_state::slot_of(std::string_view merchant, std::uint64_t hash,
                                   std::chrono::steady_clock::time_point now) {
  auto* slot = slots_.find(merchant, hash);
  if (slot == nullptr) {
    slot = &slots_.insert(merchant, hash);
    slot->refilled = now;
    slot->tokens = env->limits.write_events_per_s;
  }
  slots_.touch(*slot, now);
  return *slot;
}

void lane_state::wake(merchant_slot& slot) {
  if (slot.aggregator) return;
  aggregator_init init{env, lane_actor{self},      slot.merchant, slot.hash, slot.meter, {},
                       {},  feed_of(slot.merchant)};
  if (const auto found = tail_.find(slot.merchant); found != tail_.end()) {
    // What history has of it comes before its rounds.
    const bool whole = tail_floor_ >= tail_first_ && !found->second.empty();
    set_dirty(slot, whole ? found->second.front() : tail_floor_);
    if (!found->second.empty()) slot.last_sent_round = found->second.back();
    init.tail = std::move(found->second);
    tail_.erase(found);
    if (tail_events_) {
      if (const auto read = tail_events_->find(slot.merchant); read != tail_events_->end())
        init.events = std::move(read->second);
    }
    if (tail_.empty()) tail_events_.reset();
  }
  slot.aggregator = self->spawn<aggregator>(std::move(init));
}

// Decided before anything is stored: an event over a limit leaves no trace. One decision serves a
// run of events of a merchant, so that a body of one merchant is taken whole or not at all; its
// bucket may go below zero by as much.
bool lane_state::admit(merchant_slot& slot, submission::entry& e,
                       const submission::entry* previous) {
  const auto& limits = env->limits;
  if (previous != nullptr && previous->what != outcome::pending) {
    e.what = previous->what;
    e.retry_after_ms = previous->retry_after_ms;
    return false;
  }
  if (previous != nullptr) {
    slot.tokens -= 1;
    return true;
  }
  if (env->draining || env->disk_full || env->is_broken ||
      !logs_[index_in_lane(shard_of(slot.hash))].led ||
      slot.meter->queued + e.size > limits.merchant_queue_bytes_max) {
    e.what = outcome::unavailable;
    return false;
  }
  const double rate = limits.write_events_per_s;
  if (rate == 0) {
    slot.refilled = {};  // a limit that comes later begins with a full bucket
    return true;
  }
  const std::chrono::duration<double> passed = slot.used - slot.refilled;
  slot.refilled = slot.used;
  slot.tokens = std::min(rate * 2, slot.tokens + passed.count() * rate);
  if (slot.tokens < 1) {
    e.what = outcome::over_quota;
    e.retry_after_ms = static_cast<std::uint32_t>((1 - slot.tokens) / rate * 1'000) + 1;
    return false;
  }
  slot.tokens -= 1;
  return true;
}

void lane_state::submit(const lane_part_ptr& part) {
  auto& events = *part->events;
  std::uint32_t refused = 0;
  std::uint64_t refused_bytes = 0;
  merchant_slot* slot = nullptr;
  const submission::entry* previous = nullptr;
  const auto now = std::chrono::steady_clock::now();
  for (const auto position : part->positions) {
    auto& e = events.events[position];
    const auto bytes = events.bytes_of(e);
    const auto merchant = persistence::peek_merchant(bytes);
    if (slot == nullptr || slot->merchant != merchant) {
      slot = &slot_of(merchant, e.merchant, now);
      previous = nullptr;
    }
    const bool admitted = admit(*slot, e, previous);
    previous = &e;
    if (!admitted) {
      (e.what == outcome::over_quota ? env->metrics.events_over_quota
                                     : env->metrics.events_unavailable) += 1;
      ++refused;
      refused_bytes += e.size;
      continue;
    }
    slot->meter->queued += e.size;
    round_item item;
    item.hash = e.merchant;
    item.from = &events;
    item.position = position;
    item.slot = slot;
    gather(bytes, item);
  }
  env->metrics.queue_bytes -= static_cast<std::int64_t>(refused_bytes);
  const auto admitted = static_cast<std::uint32_t>(part->positions.size()) - refused;
  if (admitted != 0) gathering_.round->shares.push_back({part->events, admitted});
  events.settle(refused);
  if (events.commit(refused)) watch(part->events);
  schedule_flush();
}

void lane_state::begin_round() {
  if (gathering_.round) return;
  gathering_.round = std::make_shared<lane_round>();
  gathering_.since = std::chrono::steady_clock::now();
}

void lane_state::gather(std::string_view bytes, const round_item& item) {
  begin_round();
  const auto shard = shard_of(item.hash);
  ++item.slot->gathered;
  auto& payload = gathering_.payloads[shard];
  byte_writer out{payload};
  out.text(bytes);
  auto& items = gathering_.items[shard];
  items.push_back(item);
  // Positions for now: the payload may still move.
  items.back().offset = payload.size() - bytes.size();
  items.back().bytes = {nullptr, bytes.size()};
  gathering_.round->bytes += bytes.size();
}

// While a round is on its way, little is better gathered: it would wait at the journal anyway, and
// few large rounds cost less than many small ones.
bool lane_state::may_flush() const {
  if (!gathering_.round || resetting_) return false;
  if (in_flight_ == 0) return true;
  return gathering_.round->bytes >= small_round_bytes &&
         in_flight_ < env->options.chunks_in_flight_max;
}

void lane_state::schedule_flush() {
  if (flush_scheduled_ || !may_flush()) return;
  flush_scheduled_ = true;
  self->send(self, flush_atom::value);
}

void lane_state::flush() {
  // Snapshots that pile up are held in memory: new events wait until some of them are written.
  const auto piled_up = env->metrics.snapshot_queue_bytes.load(std::memory_order_relaxed);
  if (piled_up > static_cast<std::int64_t>(env->limits.snapshot_queue_bytes_max) &&
      !env->draining) {
    self->delayed_send(self, snapshot_pause, flush_atom::value);
    return;
  }
  flush_scheduled_ = false;
  if (!may_flush()) return;
  auto round = close_round();
  ++in_flight_;
  in_flight_since_.push_back(gathering_.since);
  self->send(journal, append_atom::value, std::move(round),
             caf::actor_cast<caf::strong_actor_ptr>(self));
}

lane_round_ptr lane_state::close_round() {
  auto round = std::exchange(gathering_.round, nullptr);
  const auto now_ms = to_ms(env->now());
  for (auto& [shard, payload] : gathering_.payloads) {
    auto& end = logs_[index_in_lane(shard)].given;
    auto& items = gathering_.items[shard];
    auto c = std::make_shared<persistence::chunk>();
    c->header.shard = shard;
    c->header.epoch = end.epoch;
    c->header.base = end.next_offset;
    c->header.count = static_cast<std::uint32_t>(items.size());
    end.stamped_at_ms = std::max(end.stamped_at_ms, now_ms);
    c->header.stamped_at = time_from_ms(end.stamped_at_ms);
    c->payload = std::move(payload);
    persistence::seal(*c, end.chain);  // where there are copies, the leading one decides anew
    for (auto& item : items) {
      item.bytes = std::string_view{c->payload}.substr(item.offset, item.bytes.size());
      item.merchant = persistence::peek_merchant(item.bytes);
      item.chunk = static_cast<std::uint32_t>(round->chunks.size());
      round->items.push_back(item);
    }
    end.next_offset += items.size();
    end.chain = c->header.chain;
    round->chunks.push_back(std::move(c));
  }
  gathering_.payloads.clear();
  gathering_.items.clear();
  return round;
}

void lane_state::committed(const lane_round_ptr& round, errc code) {
  --in_flight_;
  const auto since = in_flight_since_.front();
  in_flight_since_.pop_front();
  if (code != errc{0}) {
    // What is in flight behind it does not continue the log either; start over from the disk's
    // end once all of it has come back.
    resetting_ = true;
    refuse(round, code);
  } else {
    const auto took = std::chrono::steady_clock::now() - since;
    env->metrics.commit.add(static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(took).count()));
    refuse_some(*round);
    for (const auto& c : round->chunks) {
      auto& end = logs_[index_in_lane(c->header.shard)].durable;
      end.next_offset = c->header.base + c->header.count;
      end.chain = c->header.chain;
      end.epoch = c->header.epoch;
      end.stamped_at_ms = to_ms(c->header.stamped_at);
    }
    give_offsets(*round);
    for (const auto& w : round->waiting) w.what->then(done{});
    env->crash.pass(crash_point::lane_before_apply);
    for (const auto& share : round->shares)
      if (share.from->commit(share.count)) watch(share.from);
    hand_out(round);
  }
  if (resetting_ && in_flight_ == 0) {
    for (auto& log : logs_) log.given = log.durable;
    resetting_ = false;
  }
  schedule_flush();
  check_drained();
}

void lane_state::look(const inspection_ptr& what) {
  auto& slot =
      slot_of(what->merchant, merchant_hash(what->merchant), std::chrono::steady_clock::now());
  wake(slot);
  ++slot.sent;
  self->send(slot.aggregator, run_atom::value, what);
}

void lane_state::set_dirty(merchant_slot& slot, persistence::round_number since) {
  if (slot.dirty_since != 0) dirty_.erase({slot.dirty_since, &slot});
  slot.dirty_since = since;
  if (since != 0) dirty_.insert({since, &slot});
}

void lane_state::saved(const std::string& merchant, persistence::round_number round) {
  auto* const found = slots_.find(merchant, merchant_hash(merchant));
  if (found == nullptr) return;
  auto& slot = *found;
  set_dirty(slot, slot.last_sent_round > round ? round + 1 : 0);
  saves_asked_ -= std::exchange(slot.saving, false) ? 1 : 0;
  ask_to_save();
  check_drained();
}

void lane_state::put_to_sleep(merchant_slot& slot) const {
  slot.sleeping = true;
  self->send(slot.aggregator, sleep_atom::value);
}

void lane_state::asleep(const std::string& merchant, std::uint64_t received) {
  auto* const found = slots_.find(merchant, merchant_hash(merchant));
  if (found == nullptr) return;
  auto& slot = *found;
  slot.sleeping = false;
  // More came meanwhile, or is about to: it stays awake.
  if (slot.sent != received || slot.gathered != 0) return;
  self->send(slot.aggregator, stop_atom::value);
  env->metrics.passivations += 1;
  set_dirty(slot, 0);
  saves_asked_ -= slot.saving ? 1 : 0;
  slots_.erase(slot);
  check_drained();
}

// Merchants with events that a crash left unsaved are brought up to date in the background, so that
// the next start has less to read. Their events are read in one pass over the tail: a round holds
// events of hundreds of merchants, so reading it once for each of them would take for ever.
void lane_state::catch_up() {
  if (!tail_events_) {
    if (reading_tail_) return;
    reading_tail_ = true;
    caf::anon_send(
        env->background, run_atom::value,
        std::make_shared<std::function<void()>>(
            [env = env, me = lane_actor{self}, lane = number, from = tail_first_, to = tail_last_] {
              auto read = read_tail(*env->journal, lane, from, to);
              if (!read)
                spdlog::error("tail_not_read reason={}", read.error().text());
              else
                caf::anon_send(me, loaded_atom::value, std::move(*read));
            }));
    return;
  }
  for (std::size_t i = 0; i < catch_up_per_tick && !tail_.empty(); ++i) {
    const auto merchant = tail_.begin()->first;
    wake(slot_of(merchant, merchant_hash(merchant), std::chrono::steady_clock::now()));
  }
}

void lane_state::tail_read(const tail_events_ptr& events) {
  reading_tail_ = false;
  if (!tail_.empty()) tail_events_ = events;
}

void lane_state::tick() {
  self->delayed_send(self, tick_every, tick_atom::value);
  if (!parked_.empty()) release_questions();
  if (!tail_.empty() && !env->draining) catch_up();
  trace_.forget_before(env->sealed_before);
  ask_to_save();
  const auto now = std::chrono::steady_clock::now();
  if (!feeds_.empty()) forget_feeds(now);
  // What this lane should give of what all of them have too much.
  const auto live = env->metrics.live_bytes.load(std::memory_order_relaxed);
  auto over = (live - static_cast<std::int64_t>(env->limits.state_memory_max.load())) / lane_count;
  std::size_t asked = 0;
  auto& slots = slots_.by_use();
  for (auto i = slots.begin(); i != slots.end() && asked < passivate_per_tick;) {
    auto& slot = *i++;
    const bool idle = now - slot.used >= env->limits.passivate_after.load();
    if (!idle && over <= 0) break;
    if (slot.sleeping || slot.gathered != 0) continue;
    if (!slot.aggregator) {
      slots_.erase(slot);
      continue;
    }
    over -= static_cast<std::int64_t>(slot.meter->bytes.load(std::memory_order_relaxed));
    put_to_sleep(slot);
    ++asked;
  }
}

void lane_state::passivate(const std::string& merchant) {
  auto* const slot = slots_.find(merchant, merchant_hash(merchant));
  if (slot != nullptr && slot->aggregator && !slot->sleeping) put_to_sleep(*slot);
}

void lane_state::save_older(persistence::round_number round) {
  save_before_ = std::max(save_before_, round);
  ask_to_save();
}

// A million merchants that save at once would hold as many snapshots in memory.
void lane_state::ask_to_save() {
  const auto queued = env->metrics.snapshot_queue_bytes.load(std::memory_order_relaxed);
  if (queued > static_cast<std::int64_t>(env->limits.snapshot_queue_bytes_max)) return;
  for (const auto& [since, slot] : dirty_) {
    if (since >= save_before_ || saves_asked_ >= saves_max) break;
    if (std::exchange(slot->saving, true)) continue;
    ++saves_asked_;
    self->send(slot->aggregator, save_atom::value);
  }
}

caf::result<std::uint64_t, std::uint64_t> lane_state::live() const {
  std::uint64_t count = 0, bytes = 0;
  for (const auto& slot : slots_.by_use()) {
    count += slot.aggregator ? 1 : 0;
    bytes += slot.meter->bytes.load();
  }
  return {count, bytes};
}

caf::result<bool> lane_state::drain() {
  auto promise = self->make_response_promise<bool>();
  draining_.push_back(promise);
  save_older(std::numeric_limits<persistence::round_number>::max());
  check_drained();
  return promise;
}

// What a crash left unsaved and nobody has touched since stays in the journal's tail.
void lane_state::check_drained() {
  if (draining_.empty() || in_flight_ != 0 || gathering_.round || !committed_.empty() ||
      !dirty_.empty())
    return;
  for (auto& promise : std::exchange(draining_, {})) promise.deliver(true);
}

lane_actor::behavior_type lane(lane_actor::stateful_pointer<lane_state> self, lane_init init) {
  self->state.start(std::move(init));
  return {
      [self](submit_atom, const lane_part_ptr& part) { self->state.submit(part); },
      [self](flush_atom) { self->state.flush(); },
      [self](commit_atom, const lane_round_ptr& round, std::uint8_t code) {
        self->state.committed(round, static_cast<errc>(code));
      },
      [self](role_atom, std::uint16_t shard, bool leads) { self->state.take_role(shard, leads); },
      [self](clear_atom, std::uint16_t shard, std::uint64_t offset, std::int64_t stamped_at_ms) {
        return self->state.clear(shard, offset, stamped_at_ms);
      },
      [self](clear_atom) { self->state.clear_more(); },
      [self](follow_atom, const lane_round_ptr& round) { self->state.follow(round); },
      [self](next_atom) { self->state.hand_out_more(); },
      [self](overdue_atom) { self->state.answer_overdue(); },
      [self](ask_atom, const query_job_ptr& job) { self->state.ask(job); },
      [self](run_atom, const inspection_ptr& what) { self->state.look(what); },
      [self](live_atom, const live_request_ptr& who) { self->state.live(who); },
      [self](run_atom, const registry_change_ptr& what) { self->state.change(what); },
      [self](saved_atom, const std::string& merchant, std::uint64_t round) {
        self->state.saved(merchant, round);
      },
      [self](asleep_atom, const std::string& merchant, std::uint64_t received) {
        self->state.asleep(merchant, received);
      },
      [self](loaded_atom, const tail_events_ptr& events) { self->state.tail_read(events); },
      [self](tick_atom) { self->state.tick(); },
      [self](sleep_atom, const std::string& merchant) { self->state.passivate(merchant); },
      [self](save_atom, std::uint64_t round) { self->state.save_older(round); },
      [self](oldest_atom) { return self->state.oldest_dirty(); },
      [self](status_atom) { return self->state.live(); },
      [self](drain_atom) { return self->state.drain(); },
  };
}

}  // namespace tally::actors

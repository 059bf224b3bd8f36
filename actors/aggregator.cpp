#include "actors/aggregator.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "actors/io_worker.hpp"
#include "persistence/event_codec.hpp"
#include "persistence/replay.hpp"

namespace tally::actors {
namespace {

constexpr std::uint64_t save_after_events = 1'000;
constexpr std::uint32_t measure_every_parts = 32;
constexpr std::size_t actor_bytes = sizeof(caf::actor_storage<aggregator>);
// One more byte and the allocator gives each merchant that is awake 256 more.
static_assert(actor_bytes <= 1'280);
constexpr std::chrono::milliseconds write_retry{500};
constexpr std::uint32_t write_failures_max = 240;  // two minutes for space to come back

// An event is 600 bytes with its order: one per thread, not one per merchant.
thread_local event scratch;
thread_local bool decoded = false;

outcome outcome_of(logic_v1::effect what) {
  if (what == logic_v1::effect::rejected) return outcome::rejected;
  return what == logic_v1::effect::duplicate ? outcome::duplicate : outcome::accepted;
}

/// Settles runs of events that came with the same submission, one atomic step each.
class settler {
 public:
  void add(const round_item& item, const logic_v1::applied& what) {
    if (item.from == nullptr) return;
    item.from->events[item.position].set(outcome_of(what.what),
                                         static_cast<std::uint8_t>(what.reason));
    if (item.from != from_) flush();
    from_ = item.from;
    ++count_;
  }
  void flush() {
    if (from_ != nullptr) from_->settle(count_);
    from_ = nullptr;
    count_ = 0;
  }

 private:
  submission* from_ = nullptr;
  std::uint32_t count_ = 0;
};

}  // namespace

void aggregator_state::start(aggregator_init init) {
  env = std::move(init.env);
  lane = std::move(init.lane);
  owner = owner_of(init.hash, init.merchant, first_generation);  // until it is read
  meter = std::move(init.meter);
  watch(init.feed);
  if (!init.tail.empty()) last_round_ = init.tail.back();
  env->metrics.live_merchants += 1;
  env->metrics.wake_ups += 1;
  const auto began = std::chrono::steady_clock::now();
  env->run_io([env = env, me = me(), who = owner.merchant, tail = std::move(init.tail),
               events = std::move(init.events), began]() mutable {
    auto loaded = load_merchant(*env, who, tail, std::move(events));
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(
                        std::chrono::steady_clock::now() - began)
                        .count();
    env->metrics.wake_up.add(static_cast<std::uint64_t>(us));
    caf::anon_send(me, loaded_atom::value, std::move(loaded));
  });
}

void aggregator_state::loaded(const loaded_ptr& from) {
  if (from->generation != 0) owner.generation = from->generation;
  rules_ = env->generations.find(owner.generation);
  if (!rules_) {
    env->on_broken("merchant " + owner.merchant + ": no generation " +
                   std::to_string(owner.generation));
    return;
  }
  counting_ = &rules_->rules_of(owner.merchant);
  if (from->outcome && switched_badly(*from))
    from->outcome = failure{errc::corrupt_record, "a generation that does not stand where it must"};
  switch_round_ = 0;
  if (!from->outcome) {
    // A damaged snapshot: this merchant alone is computed anew from the journal.
    spdlog::error("merchant_isolated merchant={} reason={}", owner.merchant,
                  from->outcome.error().text());
    env->metrics.merchants_isolated += 1;
    if (rebuilding_) {
      env->on_broken("merchant " + owner.merchant + ": " + from->outcome.error().text());
      return;
    }
    rebuild(nullptr);
    return;
  }
  rebuilding_ = false;
  if (from->found) {
    state = std::move(from->from.state);
    snapshot = from->from.snapshot;
  } else {
    state = persistence::initial_state(rules_->settings_of(owner.merchant));
    snapshot = {};
  }
  if (!from->tail.empty()) tail_ = from;
  ready_ = true;
  measure();
  work();
}

void aggregator_state::apply(merchant_part part) {
  ++received_;
  last_round_ = part.round->number_of(part.round->items[part.begin]);
  // Nearly always nothing waits before it.
  if (blocked() || tail_ || !parts_.empty() || !run_part(part)) parts_.push_back(std::move(part));
  work();
}

void aggregator_state::work() {
  while (!blocked()) {
    if (tail_) {
      if (!run_tail()) break;
      tail_.reset();
    } else if (parts_next_ < parts_.size()) {
      if (!run_part(parts_[parts_next_])) break;
      ++parts_next_;
    } else {
      break;
    }
  }
  if (parts_next_ != 0 && parts_next_ == parts_.size()) {
    parts_ = {};
    parts_next_ = 0;
  }
  work_on_requests();
}

/// True once every event of the tail is applied; false while id slices are being fetched.
bool aggregator_state::run_tail() {
  while (tail_next_ < tail_->tail.size()) {
    const auto* item = &tail_->tail[tail_next_];
    if (want_ids(item, tail_->tail.data() + tail_->tail.size())) return false;
    apply_decoded(*item);
    ++tail_next_;
  }
  tail_next_ = 0;
  return true;
}

bool aggregator_state::run_part(merchant_part& part) {
  const auto began = std::chrono::steady_clock::now();
  settler settled;
  std::uint64_t bytes = 0;
  const auto* const end = part.round->items.data() + part.end;
  for (; part.begin < part.end; ++part.begin) {
    const auto* item = part.round->items.data() + part.begin;
    if (want_ids(item, end)) break;
    if (decoded && scratch.kind == event_kind::promotion && scratch.count != owner.generation &&
        item->offset > state.applied) {
      begin_switch(part.round->number_of(*item), scratch.count);
      break;
    }
    if (item->from != nullptr || part.round->is_followed) bytes += item->bytes.size();
    settled.add(*item, apply_decoded(*item));
  }
  settled.flush();
  meter->queued -= bytes;
  env->metrics.queue_bytes -= static_cast<std::int64_t>(bytes);
  if (part.begin < part.end) return false;
  const auto took = std::chrono::steady_clock::now() - began;
  env->metrics.apply.add(static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(took).count()));
  const auto lag_ms = to_ms(env->now()) - to_ms(part.round->items[part.end - 1].stamped_at);
  env->metrics.visible_lag.add(static_cast<std::uint64_t>(std::max<std::int64_t>(0, lag_ms)) *
                               1'000);
  return true;
}

// The promotion and what follows it wait until the other generation is at the same offset.
void aggregator_state::begin_switch(persistence::round_number round, std::uint32_t generation) {
  switch_round_ = round;
  switch_to_ = generation;
}

/// Whether what was read is not where the old generation stands, or is another one: then it is
/// computed anew.
bool aggregator_state::switched_badly(const loaded_merchant& from) const {
  return switch_round_ != 0 &&
         (from.generation != switch_to_ || from.from.state.applied != state.applied);
}

void aggregator_state::work_on_switch() {
  if (saving_ || !ready_) return;
  if (dirty()) {
    begin_save(switch_round_ - 1);
    return;
  }
  read_again();
}

/// Reads the generation that serves the merchant from now on. The state must be saved.
void aggregator_state::read_again() {
  ready_ = false;
  env->run_io([env = env, me = me(), who = owner.merchant] {
    caf::anon_send(me, loaded_atom::value, load_merchant(*env, who, {}, {}));
  });
}

/// Asks for the id slices that events need, if any are missing. Where none is, the event at `from`
/// stays decoded for apply_decoded(), which must follow.
bool aggregator_state::want_ids(const round_item* from, const round_item* to) {
  decoded = persistence::decode_event(from->bytes, scratch);
  if (!decoded) return false;
  state.ids.missing_for(scratch, from->stamped_at, ids_wanted_);
  if (ids_wanted_.empty()) return false;
  for (const auto* item = from + 1; item != to; ++item) {
    if (!persistence::decode_event(item->bytes, scratch)) continue;
    state.ids.missing_for(scratch, item->stamped_at, ids_wanted_);
  }
  fetching_ = true;
  fetch_ids();
  return true;
}

// Ids that a snapshot is writing just now are not missed: their slices stay in memory until it is
// done, since only saved() evicts.
void aggregator_state::fetch_ids() {
  env->run_io([env = env, me = me(), who = owner, wanted = std::exchange(ids_wanted_, {})] {
    auto from = std::make_shared<loaded_ids>();
    for (const auto& range : wanted) {
      auto ids = persistence::load_ids(*env->state, who, range);
      if (!ids) {
        from->outcome = ids.error();
        break;
      }
      from->slices.emplace_back(range, std::move(*ids));
    }
    caf::anon_send(me, ids_atom::value, std::move(from));
  });
}

void aggregator_state::ids_loaded(const loaded_ids_ptr& from) {
  fetching_ = false;
  if (!from->outcome) {
    spdlog::error("merchant_isolated merchant={} reason={}", owner.merchant,
                  from->outcome.error().text());
    env->metrics.merchants_isolated += 1;
    rebuild(nullptr);
    return;
  }
  for (const auto& [range, ids] : from->slices) state.ids.load(range, ids);
  work();
}

logic_v1::applied aggregator_state::apply_decoded(const round_item& item) {
  if (!decoded) {
    // The chunk's checksum was right, so this is an event of a version that we do not know.
    spdlog::error("event_not_decoded merchant={} offset={}", owner.merchant, item.offset);
    return {logic_v1::effect::recorded};
  }
  const auto done =
      logic_v1::apply(state, scratch, {item.offset, item.stamped_at, item.bytes}, *counting_);
  auto& metrics = env->metrics;
  if (scratch.kind == event_kind::rejected) {
    if (done.what == logic_v1::effect::recorded) metrics.events_rejected += scratch.count;
  } else if (item.from != nullptr) {
    const auto what = outcome_of(done.what);
    (what == outcome::duplicate  ? metrics.events_duplicate
     : what == outcome::rejected ? metrics.events_rejected
                                 : metrics.events_accepted) += 1;
  }
  if (done.late) metrics.events_late += 1;
  if (feed_ && done.what == logic_v1::effect::accepted && scratch.kind == event_kind::data)
    feed_->add(scratch, counting_->kind_of(scratch.name) == counts_as::page_view, item.offset);
  return done;
}

void aggregator_state::watch(const live_feed_ptr& feed) {
  feed_ = feed;
  if (feed_) feed_->follow(meter);
}

void aggregator_state::work_on_requests() {
  if (++measure_in_ >= measure_every_parts) measure();
  if (switch_round_ != 0) return work_on_switch();
  if (blocked() || tail_ || parts_next_ < parts_.size()) return;
  for (const auto& job : std::exchange(questions_, {})) hand_to_worker(job);
  if (saving_) return;
  const bool much = state.unsaved_events >= save_after_events &&
                    state.unsaved_bytes >= meter->bytes.load(std::memory_order_relaxed);
  const bool look_needs_save = std::any_of(
      looks_.begin(), looks_.end(), [](const auto& l) { return l->save_first || l->rebuild; });
  if (dirty() && (much || save_wanted_ || sleep_wanted_ || look_needs_save)) {
    save_wanted_ = false;
    begin_save(last_round_);
    return;
  }
  if (save_wanted_) {
    save_wanted_ = false;
    caf::anon_send(lane, saved_atom::value, owner.merchant, last_round_);
  }
  while (!looks_.empty()) {
    const auto what = looks_.front();
    looks_.erase(looks_.begin());
    if (what->rebuild && state.applied > 0) {
      rebuild(what);
      return;
    }
    what->generation = owner.generation;
    if (what->rebuild) {
      what->rebuilt(unknown());
    } else if (state.applied > 0) {
      what->looker(&state, saved_round_);
    } else {
      what->looker(unknown(), saved_round_);
    }
  }
  if (sleep_wanted_) {
    sleep_wanted_ = false;
    caf::anon_send(lane, asleep_atom::value, owner.merchant, received_);
  }
}

/// Saves all that is applied: every event of the rounds up to `upto`.
void aggregator_state::begin_save(persistence::round_number upto) {
  batch_ = std::make_shared<persistence::state_store::batch>();
  saving_rows_ = std::make_unique<delta_rows>();
  saving_offset_ = state.applied;
  snapshot =
      persistence::write_snapshot(state, owner, snapshot, *counting_, *batch_, saving_rows_.get());
  saving_ = true;
  saved_round_ = upto;
  env->metrics.snapshots += 1;
  saving_bytes_ = batch_->bytes();
  env->metrics.snapshot_bytes += saving_bytes_;
  env->metrics.snapshot_queue_bytes += static_cast<std::int64_t>(saving_bytes_);
  write();
}

void aggregator_state::write() {
  env->run_write([env = env, me = me(), b = batch_] {
    env->crash.pass(crash_point::snapshot_before_write);
    const auto written = env->state->write(std::move(*b));
    env->crash.pass(crash_point::snapshot_after_write);
    if (!written) spdlog::warn("snapshot_not_written reason={}", written.error().text());
    caf::anon_send(me, saved_atom::value, written.ok());
  });
}

void aggregator_state::saved(bool good) {
  if (!good) {
    if (++write_failures_ > write_failures_max) {
      env->on_broken("the state database takes no writes");
      return;
    }
    caf::delayed_anon_send(me(), write_retry, write_atom::value);
    return;
  }
  write_failures_ = 0;
  batch_.reset();
  saving_rows_.reset();
  saving_offset_ = 0;
  env->metrics.snapshot_queue_bytes -= static_cast<std::int64_t>(saving_bytes_);
  saving_ = false;
  caf::anon_send(lane, saved_atom::value, owner.merchant, saved_round_);
  const auto over = env->metrics.id_bytes.load(std::memory_order_relaxed) -
                    static_cast<std::int64_t>(env->limits.ids_bytes_max);
  const auto own = state.ids.heap_bytes();
  state.ids.evict(over > 0 && !fetching_ ? own / 2 : own);
  measure();
  work();
}

void aggregator_state::look(const inspection_ptr& what) {
  ++received_;
  looks_.push_back(what);
  work();
}

void aggregator_state::save() {
  save_wanted_ = true;
  work();
}

void aggregator_state::sleep() {
  sleep_wanted_ = true;
  work();
}

/// Computes the state from the journal alone. The state must be saved; nothing is applied until
/// the new one is here.
void aggregator_state::rebuild(const inspection_ptr& what) {
  rebuilding_ = true;
  ready_ = false;
  const auto upto = what ? state.applied : std::numeric_limits<std::uint64_t>::max();
  env->run_io([env = env, me = me(), who = owner, upto, what, rules = rules_,
               old = what ? std::make_shared<merchant_state>(std::move(state)) : nullptr] {
    result<std::uint64_t> before = std::uint64_t{0};
    if (old)
      before = persistence::state_hash(*old, *env->state, who, rules->rules_of(who.merchant));
    auto loaded = std::make_shared<loaded_merchant>();
    auto rebuilt = persistence::rebuild_merchant(*env->journal, *env->state, who, upto,
                                                 rules->settings_of(who.merchant),
                                                 rules->rules_of(who.merchant), env->history.get());
    if (rebuilt) {
      const auto after =
          persistence::state_hash(rebuilt->state, *env->state, who, rules->rules_of(who.merchant));
      if (what && before && after) what->rebuilt(*before == *after);
      if (what && !before) what->rebuilt(before.error());
      if (what && before && !after) what->rebuilt(after.error());
      loaded->from = std::move(*rebuilt);
      loaded->found = true;
    } else {
      loaded->outcome = rebuilt.error();
      if (what) what->rebuilt(rebuilt.error());
    }
    caf::anon_send(me, loaded_atom::value, std::move(loaded));
  });
}

void aggregator_state::measure() {
  measure_in_ = 0;
  const auto ids = static_cast<std::int64_t>(state.ids.heap_bytes());
  const auto bytes = actor_bytes + state.heap_bytes();
  env->metrics.id_bytes += ids - ids_counted_;
  env->metrics.live_bytes +=
      static_cast<std::int64_t>(bytes) - static_cast<std::int64_t>(meter->bytes.load());
  ids_counted_ = ids;
  meter->bytes.store(bytes);
}

aggregator_state::~aggregator_state() {
  if (!env) return;
  env->metrics.live_merchants -= 1;
  env->metrics.live_bytes -= static_cast<std::int64_t>(meter->bytes.exchange(0));
}

}  // namespace tally::actors

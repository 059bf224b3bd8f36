#include <algorithm>

#include "actors/lane.hpp"
#include "actors/replication.hpp"
#include "persistence/event_codec.hpp"
#include "persistence/record_list.hpp"
#include "persistence/shard_copy.hpp"

/// The part of a lane that deals with rounds once they are, or are not, committed.
namespace tally::actors {
namespace {

constexpr std::chrono::milliseconds clear_pause{20};

/// Records as every copy of the shard gets them: each puts them beside its log.
std::string registry_event(std::string_view merchant,
                           const std::vector<persistence::record>& records, event_time now) {
  const auto raw = persistence::encode_records(records);
  event e;
  e.kind = event_kind::registry;
  e.merchant = merchant;
  e.name = "registry";
  e.raw = raw;
  e.at = e.received_at = now;
  std::string bytes;
  persistence::encode_event(e, bytes);
  return bytes;
}

persistence::round_number first_number(const lane_round& round) {
  auto first = round.numbers.empty() ? round.number : 0;
  for (const auto number : round.numbers)
    if (number != 0 && (first == 0 || number < first)) first = number;
  return first;
}

}  // namespace

/// Of items in the order of their chunks.
void lane_state::give_offsets(lane_round& round) {
  std::uint32_t chunk = 0;
  std::uint64_t in_chunk = 0;
  for (auto& item : round.items) {
    if (std::exchange(chunk, item.chunk) != item.chunk) in_chunk = 0;
    const auto& header = round.chunks[chunk]->header;
    item.offset = header.base + in_chunk++;
    item.stamped_at = header.stamped_at;
    if (item.from != nullptr) item.from->events[item.position].offset = item.offset;
  }
}

void lane_state::refuse_item(const round_item& item) {
  --item.slot->gathered;
  if (item.from == nullptr) return;
  item.slot->meter->queued -= item.bytes.size();
  env->metrics.queue_bytes -= static_cast<std::int64_t>(item.bytes.size());
  env->metrics.events_unavailable += 1;
  item.from->events[item.position].set(outcome::unavailable);
}

/// What was not committed of a round that was: its shard is led by another node now.
void lane_state::refuse_some(lane_round& round) {
  const auto is_refused = [&](std::size_t chunk) {
    return !round.numbers.empty() && round.numbers[chunk] == 0;
  };
  for (std::size_t i = 0; i < round.chunks.size(); ++i) {
    if (!is_refused(i)) continue;
    std::erase_if(round.waiting, [&](const waiting_change& w) {
      if (w.shard != round.chunks[i]->header.shard) return false;
      env->copies->change(w.what);
      return true;
    });
  }
  std::vector<submission*> refused;
  std::erase_if(round.items, [&](const round_item& item) {
    if (!is_refused(item.chunk)) return false;
    refuse_item(item);
    if (item.from != nullptr) refused.push_back(item.from);
    return true;
  });
  for (auto* from : refused) from->settle(1);
}

void lane_state::take_role(std::uint16_t shard, bool leads) {
  logs_[index_in_lane(shard)].led = leads;
}

caf::result<bool> lane_state::clear(std::uint16_t shard, std::uint64_t offset,
                                    std::int64_t stamped_at_ms) {
  auto promise = self->make_response_promise<bool>();
  clearing_.push_back({shard, {offset, stamped_at_ms}, promise});
  if (!clear_scheduled_) {
    clear_scheduled_ = true;
    self->send(self, clear_atom::value);
  }
  return promise;
}

void lane_state::clear_more() {
  clear_scheduled_ = false;
  const auto belongs = [](std::uint64_t hash) {
    return [hash](const clearing& c) { return c.shard == shard_of(hash); };
  };
  std::erase_if(tail_, [&](const auto& behind) {
    return std::ranges::any_of(clearing_, belongs(merchant_hash(behind.first)));
  });
  if (tail_.empty()) tail_events_.reset();
  std::set<std::uint16_t> awake;
  auto& slots = slots_.by_use();
  for (auto i = slots.begin(); i != slots.end();) {
    auto& slot = *i++;
    if (std::ranges::none_of(clearing_, belongs(slot.hash))) continue;
    if (slot.gathered == 0 && !slot.aggregator) {
      slots_.erase(slot);
      continue;
    }
    awake.insert(shard_of(slot.hash));
    if (slot.gathered == 0 && !slot.sleeping) put_to_sleep(slot);
  }
  std::erase_if(clearing_, [&](clearing& c) {
    if (awake.contains(c.shard)) return false;
    handed_out_[index_in_lane(c.shard)] = c.end;
    c.done.deliver(true);
    return true;
  });
  clear_scheduled_ = !clearing_.empty();
  if (clear_scheduled_) self->delayed_send(self, clear_pause, clear_atom::value);
}

/// Items of what another node led: this one counts it too, so that it can lead at once.
void lane_state::follow(const lane_round_ptr& round) {
  const auto now = std::chrono::steady_clock::now();
  for (std::uint32_t i = 0; i < round->chunks.size(); ++i) {
    const auto& c = *round->chunks[i];
    persistence::for_each_event(
        c.payload, c.header.count, [&](std::uint32_t nth, std::string_view bytes) {
          round_item item;
          item.merchant = persistence::peek_merchant(bytes);
          item.bytes = bytes;
          item.hash = merchant_hash(item.merchant);
          item.offset = c.header.base + nth;
          item.stamped_at = c.header.stamped_at;
          item.chunk = i;
          item.slot = &slot_of(item.merchant, item.hash, now);
          ++item.slot->gathered;
          item.slot->meter->queued += bytes.size();
          env->metrics.queue_bytes += static_cast<std::int64_t>(bytes.size());
          round->items.push_back(item);
        });
  }
  round->is_followed = true;
  hand_out(round);
}

void lane_state::refuse(const lane_round_ptr& round, errc code) {
  for (const auto& w : round->waiting)
    w.what->then(failure{code, "the journal refused the change"});
  for (const auto& item : round->items) refuse_item(item);
  for (const auto& share : round->shares) {
    share.from->settle(share.count);
    if (share.from->commit(share.count)) watch(share.from);
  }
}

void lane_state::change(const registry_change_ptr& what) {
  if (env->draining || env->disk_full || env->is_broken) {
    what->then(failure{errc::unavailable, "the node takes no changes now"});
    return;
  }
  const auto is_foreign = [](const persistence::record& r) {
    return !persistence::is_platform_key(r.key);
  };
  if (what->merchant.empty() && env->copies != nullptr &&
      std::ranges::any_of(what->records, is_foreign)) {
    what->then(failure{errc::unsupported, "not in a cluster yet"});
    return;
  }
  const auto& merchant = what->merchant.empty() ? std::string{platform_merchant} : what->merchant;
  const auto hash = merchant_hash(merchant);
  if (!logs_[index_in_lane(shard_of(hash))].led) return env->copies->change(what);
  begin_round();
  gathering_.round->waiting.push_back({shard_of(hash), what});
  const auto write = [&](std::string_view event) {
    round_item item;
    item.hash = hash;
    item.slot = &slot_of(merchant, hash, std::chrono::steady_clock::now());
    gather(event, item);
  };
  if (!what->event.empty()) write(what->event);
  if (env->copies == nullptr) {
    auto& records = gathering_.round->records;
    records.insert(records.end(), what->records.begin(), what->records.end());
  } else if (!what->records.empty()) {
    write(registry_event(merchant, what->records, env->now()));
  }
  schedule_flush();
}

std::uint64_t lane_state::oldest_dirty() const {
  std::uint64_t oldest = dirty_.empty() ? 0 : dirty_.begin()->first;
  if (!tail_.empty() && (oldest == 0 || tail_floor_ < oldest)) oldest = tail_floor_;
  // What is committed and not handed out yet is in no merchant's state.
  for (const auto& c : committed_) {
    const auto first = first_number(*c.round);
    if (first != 0 && (oldest == 0 || first < oldest)) oldest = first;
  }
  return oldest;
}

}  // namespace tally::actors

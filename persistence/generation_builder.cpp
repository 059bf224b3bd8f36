#include "persistence/generation_builder.hpp"

#include <algorithm>

#include "domain/bytes.hpp"
#include "domain/shard.hpp"
#include "persistence/event_codec.hpp"
#include "persistence/state_codec.hpp"

namespace tally::persistence {
namespace {

constexpr std::size_t open_merchants_max = 20'000;  // then all are saved and forgotten
constexpr std::size_t open_bytes_max = 256u << 20;
constexpr std::uint64_t save_every_events = 500'000;
constexpr std::uint64_t measure_every_events = 20'000;
constexpr std::uint8_t progress_part = 10;

}  // namespace

// Under a name that no merchant can have. Page: the place; value: varint of the first round that
// was not read.
state_owner generation_builder::progress_owner(std::uint32_t number) {
  return {0, number, "\x01progress"};
}

generation_builder::generation_builder(const journal& log, state_store& store, std::uint32_t number,
                                       std::uint32_t place, chooser choose, id_use ids,
                                       const history* past)
    : log_{log},
      store_{store},
      number_{number},
      place_{place},
      choose_{std::move(choose)},
      ids_{ids},
      past_{past} {}

status generation_builder::note(state_store& store, std::uint32_t number, std::uint32_t place,
                                round_number next) {
  std::string bytes;
  byte_writer{bytes}.varint(next);
  state_store::batch b;
  b.put_page(progress_owner(number), progress_part, place, bytes);
  return store.write(std::move(b));
}

status generation_builder::note_rollback(state_store& store, std::uint32_t number,
                                         round_number next) {
  const auto there = store.read_page(progress_owner(number), progress_part, rollback_place);
  if (there) return done{};
  if (there.error().code != errc::not_found) return there.error();
  return note(store, number, rollback_place, next);
}

status generation_builder::resume() {
  const auto bytes = store_.read_page(progress_owner(number_), progress_part, place_);
  if (!bytes && bytes.error().code != errc::not_found) return bytes.error();
  next_ = bytes ? byte_reader{*bytes}.varint() : 1;
  if (past_ == nullptr) next_ = std::max(next_, log_.first_round());
  return done{};
}

generation_builder::open_merchant& generation_builder::opened(std::uint16_t shard,
                                                              std::string_view merchant) {
  name_ = merchant;
  if (const auto found = open_.find(name_); found != open_.end()) return found->second;
  auto& made = open_[name_];
  made.rules = choose_(merchant);
  if (!made.rules) return made;
  made.state = std::make_unique<replayed_merchant>(
      store_, state_owner{shard, made.rules->number, name_}, made.rules->settings_of(name_),
      made.rules->rules_of(name_), ids_);
  if (auto resumed = made.state->resume(); !resumed) failed_ = resumed.error();
  return made;
}

status generation_builder::add(const round_entry& entry, std::uint64_t& events) {
  const auto& header = entry.header;
  const bool whole =
      for_each_event(entry.payload, header.count, [&](std::uint32_t i, std::string_view bytes) {
        if (failed_) return;
        ++events;
        auto& merchant = opened(header.shard, peek_merchant(bytes));
        if (failed_ || !merchant.state) return;
        ++unsaved_;
        if (auto good = merchant.state->apply(bytes, header.base + i, header.stamped_at); !good)
          failed_ = good.error();
      });
  if (failed_) return *failed_;
  if (!whole) return failure{errc::corrupt_record, "shard " + std::to_string(header.shard)};
  return done{};
}

result<std::uint64_t> generation_builder::read_past(std::uint16_t shard,
                                                    const std::string& merchant,
                                                    std::uint64_t events_max) {
  std::uint64_t events = 0;
  auto& at = *past_place_;
  auto& built = opened(shard, merchant);
  if (failed_) return *failed_;
  if (!built.state) return events;
  const auto from = std::max(at.offset, built.state->state().applied + 1);
  const auto read = past_->for_each_event(
      shard, merchant, from,
      [&](std::uint64_t offset, event_time stamped_at, std::string_view bytes) {
        ++events;
        ++unsaved_;
        at.offset = offset + 1;
        if (auto good = built.state->apply(bytes, offset, stamped_at); !good)
          failed_ = good.error();
        return !failed_ && events < events_max;
      },
      at.seen);
  if (!read) return read.error();
  if (failed_) return *failed_;
  return events;
}

result<std::uint64_t> generation_builder::step_past(std::uint64_t events_max) {
  if (!past_place_) {
    past_place_ = std::make_unique<past_place>();
    past_place_->seen = past_->look();
  }
  auto& at = *past_place_;
  std::uint64_t events = 0;
  while (at.shard < shard_count && events < events_max) {
    const auto shard = static_cast<std::uint16_t>(at.shard);
    const auto next = past_->list_merchants(shard, at.merchant, 1, at.seen);
    if (!next) return next.error();
    if (next->empty()) {
      ++at.shard;
      at.merchant.clear();
      continue;
    }
    const auto read = read_past(shard, next->front(), events_max - events);
    if (!read) return read.error();
    events += *read;
    if (events < events_max) {
      at.merchant = next->front();
      at.offset = 0;
    }
    if (auto saved = save_if_full(); !saved) return saved.error();
  }
  if (at.shard < shard_count) return events;
  const auto sealed = history::sealed(at.seen).round;
  past_place_.reset();
  if (sealed + 1 <= next_)
    return failure{errc::corrupt_record, "the log begins with round " +
                                             std::to_string(log_.first_round()) +
                                             ", history ends with " + std::to_string(sealed)};
  next_ = sealed + 1;
  return events;
}

round_number generation_builder::reached() const {
  if (!past_place_) return next_;
  const auto sealed = history::sealed(past_place_->seen).round;
  return std::max(next_, sealed * past_place_->shard / shard_count);
}

result<std::uint64_t> generation_builder::step_log(round_number end, std::uint64_t events_max) {
  std::uint64_t events = 0;
  status outcome = done{};
  const auto scanned =
      log_.scan(next_, end - 1, [&](round_number round, const std::vector<round_entry>& entries) {
        // Dropped since it was asked for: history has it.
        if (past_ != nullptr && round != next_) return false;
        for (const auto& entry : entries)
          if (outcome = add(entry, events); !outcome) return false;
        next_ = round + 1;
        return events < events_max;
      });
  if (!scanned) return scanned.error();
  if (!outcome) return outcome.error();
  return events;
}

result<std::uint64_t> generation_builder::step(round_number end, std::uint64_t events_max) {
  if (failed_) return *failed_;
  if (next_ >= end) return std::uint64_t{0};
  const bool from_past = past_ != nullptr && next_ < log_.first_round();
  auto events = from_past ? step_past(events_max) : step_log(end, events_max);
  if (!events) return events;
  if (auto saved = save_if_full(); !saved) return saved.error();
  return events;
}

status generation_builder::save_if_full() {
  bool full = open_.size() > open_merchants_max || unsaved_ > save_every_events;
  if (!full && unsaved_ > measure_every_events) {
    std::size_t bytes = 0;
    for (const auto& [name, merchant] : open_)
      if (merchant.state) bytes += merchant.state->state().heap_bytes();
    full = bytes > open_bytes_max;
  }
  return full ? save() : status{done{}};
}

status generation_builder::save() {
  for (auto& [name, merchant] : open_) {
    if (!merchant.state || merchant.state->state().unsaved_events == 0) continue;
    if (auto saved = merchant.state->save(); !saved) return saved;
  }
  open_.clear();
  unsaved_ = 0;
  if (noted_ == next_ || place_ == rollback_place) return done{};
  auto written = note(store_, number_, place_, next_);
  if (written) noted_ = next_;
  return written;
}

}  // namespace tally::persistence

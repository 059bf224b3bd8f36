#include "persistence/generation_builder.hpp"

#include <algorithm>

#include "domain/bytes.hpp"
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
                                       std::uint32_t place, chooser choose, id_use ids)
    : log_{log},
      store_{store},
      number_{number},
      place_{place},
      choose_{std::move(choose)},
      ids_{ids} {}

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
  next_ = std::max(next_, log_.first_round());
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

result<std::uint64_t> generation_builder::step(round_number end, std::uint64_t events_max) {
  std::uint64_t events = 0;
  if (next_ >= end || failed_) {
    if (failed_) return *failed_;
    return events;
  }
  status outcome = done{};
  const auto scanned =
      log_.scan(next_, end - 1, [&](round_number round, const std::vector<round_entry>& entries) {
        for (const auto& entry : entries)
          if (outcome = add(entry, events); !outcome) return false;
        next_ = round + 1;
        return events < events_max;
      });
  if (!scanned) return scanned.error();
  if (!outcome) return outcome.error();
  bool full = open_.size() > open_merchants_max || unsaved_ > save_every_events;
  if (!full && unsaved_ > measure_every_events) {
    std::size_t bytes = 0;
    for (const auto& [name, merchant] : open_)
      if (merchant.state) bytes += merchant.state->state().heap_bytes();
    full = bytes > open_bytes_max;
  }
  if (full)
    if (auto saved = save(); !saved) return saved.error();
  return events;
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

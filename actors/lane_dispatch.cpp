#include <algorithm>

#include "actors/aggregator.hpp"
#include "actors/lane.hpp"

/// The part of a lane that hands committed events to their merchants.
namespace tally::actors {
namespace {

// The scheduler runs actors in the order in which they got something to do, so a lane that hands
// out a large round at once puts all its merchants before whoever asks a question meanwhile. After
// so many of them it goes to the end of the line itself.
constexpr std::size_t parts_per_turn = 128;

}  // namespace

void lane_state::hand_out(const lane_round_ptr& round) {
  // Events of one merchant side by side, in the order of their offsets.
  std::stable_sort(round->items.begin(), round->items.end(),
                   [](const round_item& a, const round_item& b) {
                     return a.hash != b.hash ? a.hash < b.hash : a.merchant < b.merchant;
                   });
  committed_.push_back({round, 0});
  if (committed_.size() == 1) hand_out_more();
}

void lane_state::hand_out_more() {
  for (std::size_t parts = 0; !committed_.empty(); ++parts) {
    auto& [round, begin] = committed_.front();
    const auto& items = round->items;
    if (begin == items.size()) {
      handed_out(*round);
      committed_.pop_front();
      continue;
    }
    if (parts >= parts_per_turn) {
      self->send(self, next_atom::value);
      return;
    }
    auto end = begin + 1;
    while (end < items.size() && items[end].slot == items[begin].slot) ++end;
    send_part(round, begin, end);
    begin = end;
  }
  if (!parked_.empty()) release_questions();
  check_drained();
}

void lane_state::send_part(const lane_round_ptr& round, std::uint32_t begin, std::uint32_t end) {
  auto& slot = *round->items[begin].slot;
  const auto in = round->number_of(round->items[begin]);
  slot.gathered -= end - begin;
  wake(slot);
  if (slot.dirty_since == 0) set_dirty(slot, in);
  trace_.note(slot.hash, in);
  slot.last_sent_round = in;
  ++slot.sent;
  self->send(slot.aggregator, apply_atom::value, merchant_part{round, begin, end});
  if (!draining_.empty()) ask_to_save();
}

void lane_state::handed_out(const lane_round& round) {
  for (std::size_t i = 0; i < round.chunks.size(); ++i) {
    if (!round.numbers.empty() && round.numbers[i] == 0) continue;
    const auto& header = round.chunks[i]->header;
    handed_out_[index_in_lane(header.shard)] = {header.last(), to_ms(header.stamped_at)};
  }
}

}  // namespace tally::actors

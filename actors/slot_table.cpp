#include "actors/slot_table.hpp"

#include <algorithm>
#include <iterator>

namespace tally::actors {
namespace {

constexpr std::chrono::seconds order_step{1};

}  // namespace

// The lowest bits of a hash name its shard: they are few in one lane.
std::size_t slot_table::home(std::uint64_t hash) const {
  return static_cast<std::size_t>(hash >> 16U) & (places_.size() - 1);
}

merchant_slot* slot_table::find(std::string_view merchant, std::uint64_t hash) {
  if (places_.empty()) return nullptr;
  const auto mask = places_.size() - 1;
  for (auto i = home(hash); places_[i].slot != nullptr; i = (i + 1) & mask)
    if (places_[i].hash == hash && places_[i].slot->merchant == merchant) return places_[i].slot;
  return nullptr;
}

void slot_table::put(place p) {
  const auto mask = places_.size() - 1;
  auto i = home(p.hash);
  while (places_[i].slot != nullptr) i = (i + 1) & mask;
  places_[i] = p;
}

merchant_slot& slot_table::insert(std::string_view merchant, std::uint64_t hash) {
  if ((slots_.size() + 1) * 2 > places_.size()) {
    places_.assign(std::max<std::size_t>(64, places_.size() * 2), {});
    for (auto& s : slots_) put({s.hash, &s});
  }
  auto& slot = slots_.emplace_back();
  slot.merchant = merchant;
  slot.hash = hash;
  slot.self_ = std::prev(slots_.end());
  put({hash, &slot});
  return slot;
}

// Linear probing without tombstones: what follows the hole moves up where its home allows.
void slot_table::erase(merchant_slot& slot) {
  const auto mask = places_.size() - 1;
  auto hole = home(slot.hash);
  while (places_[hole].slot != &slot) hole = (hole + 1) & mask;
  for (auto i = (hole + 1) & mask; places_[i].slot != nullptr; i = (i + 1) & mask) {
    if (((i - home(places_[i].hash)) & mask) < ((i - hole) & mask)) continue;
    places_[hole] = places_[i];
    hole = i;
  }
  places_[hole] = {};
  slots_.erase(slot.self_);
}

void slot_table::touch(merchant_slot& slot, std::chrono::steady_clock::time_point now) {
  slot.used = now;
  if (now - slot.moved_ < order_step) return;
  slot.moved_ = now;
  slots_.splice(slots_.end(), slots_, slot.self_);
}

}  // namespace tally::actors

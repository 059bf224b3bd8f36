#include "domain/visits.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "domain/ensure.hpp"
#include "domain/gentle_growth.hpp"

namespace tally {

visit_table::neighbours visit_table::find(std::uint64_t visitor, std::int64_t at_ms,
                                          std::int64_t timeout_ms) {
  neighbours found;
  const auto look = [&](visit& v) {
    if (v.visitor != visitor) return;
    if (at_ms < v.begin_ms - timeout_ms || at_ms > v.end_ms + timeout_ms) return;
    (v.begin_ms <= at_ms ? found.before : found.after) = &v;
  };
  if (is_list()) {
    for (auto& v : slots_) look(v);
    return found;
  }
  const auto mask = slots_.size() - 1;
  for (auto i = home(visitor); slots_[i].visitor != 0; i = (i + 1) & mask) look(slots_[i]);
  return found;
}

void visit_table::insert(const visit& v) {
  ensure(v.visitor != 0, "a visit without a visitor");
  if (is_list() && size_ < list_max) {
    grow_gently(slots_);
    slots_.push_back(v);
    ++size_;
    return;
  }
  if (full()) rehash(std::max(table_min, slots_.size() * 2));
  const auto mask = slots_.size() - 1;
  auto i = home(v.visitor);
  while (slots_[i].visitor != 0) i = (i + 1) & mask;
  slots_[i] = v;
  ++size_;
}

// Linear probing without tombstones: what follows the hole moves up where its home allows.
void visit_table::erase(visit* v) {
  if (is_list()) {
    *v = slots_.back();
    slots_.pop_back();
    --size_;
    return;
  }
  const auto mask = slots_.size() - 1;
  auto hole = static_cast<std::size_t>(v - slots_.data());
  for (auto i = (hole + 1) & mask; slots_[i].visitor != 0; i = (i + 1) & mask) {
    const auto distance_from_home = (i - home(slots_[i].visitor)) & mask;
    const auto distance_from_hole = (i - hole) & mask;
    if (distance_from_home < distance_from_hole) continue;
    slots_[hole] = slots_[i];
    hole = i;
  }
  slots_[hole] = visit{};
  --size_;
}

void visit_table::expire(std::int64_t end_ms) {
  const auto old = std::exchange(slots_, {});
  const auto kept =
      static_cast<std::size_t>(std::count_if(old.begin(), old.end(), [&](const visit& v) {
        return v.visitor != 0 && v.end_ms >= end_ms;
      }));
  size_ = 0;
  if (kept > list_max) {
    auto capacity = table_min;
    while ((kept + 1) * 4 > capacity * 3) capacity *= 2;
    slots_.assign(capacity, visit{});
  } else {
    slots_.reserve(kept);
  }
  for (const auto& v : old)
    if (v.visitor != 0 && v.end_ms >= end_ms) insert(v);
}

std::vector<visit> visit_table::sorted() const {
  std::vector<visit> all;
  all.reserve(size_);
  for (const auto& v : slots_)
    if (v.visitor != 0) all.push_back(v);
  std::sort(all.begin(), all.end(), [](const visit& a, const visit& b) {
    return std::tie(a.visitor, a.begin_ms) < std::tie(b.visitor, b.begin_ms);
  });
  return all;
}

void visit_table::forget_touched() {
  touched_ = size_ < noted_min ? nullptr : std::make_unique<std::bitset<groups>>();
}

bool visit_table::touched(std::size_t first, std::size_t last) const {
  if (!touched_) return true;
  for (auto group = first; group <= last; ++group)
    if (touched_->test(group)) return true;
  return false;
}

void visit_table::rehash(std::size_t capacity) {
  const auto old = std::exchange(slots_, std::vector<visit>(capacity));
  size_ = 0;
  for (const auto& v : old)
    if (v.visitor != 0) insert(v);
}

}  // namespace tally

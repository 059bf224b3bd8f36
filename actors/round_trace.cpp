#include "actors/round_trace.hpp"

#include <algorithm>
#include <limits>

namespace tally::actors {
namespace {

constexpr std::uint32_t upper_half(std::uint64_t hash) {
  return static_cast<std::uint32_t>(hash >> 32);
}

}  // namespace

void round_trace::note(std::uint64_t hash, persistence::round_number round) {
  const auto fits = [&](const chunk& c) {
    return c.size.load(std::memory_order_relaxed) < c.entries.size() && round >= c.first &&
           round - c.first <= std::numeric_limits<std::uint32_t>::max();
  };
  if (chunks_->empty() || !fits(*chunks_->back())) {
    auto longer = std::make_shared<chunk_list>(*chunks_);
    longer->push_back(std::make_shared<chunk>());
    longer->back()->first = longer->back()->last = round;
    chunks_ = std::move(longer);
  }
  auto& c = *chunks_->back();
  const auto size = c.size.load(std::memory_order_relaxed);
  c.entries[size] = {upper_half(hash), static_cast<std::uint32_t>(round - c.first)};
  c.last = std::max(c.last, round);
  c.size.store(size + 1, std::memory_order_release);
}

void round_trace::forget_before(persistence::round_number round) {
  const auto old = [&](const auto& c) { return c->last < round; };
  if (std::ranges::none_of(*chunks_, old)) return;
  auto left = std::make_shared<chunk_list>(*chunks_);
  std::erase_if(*left, old);
  chunks_ = std::move(left);
}

round_trace::picture round_trace::look() const {
  picture p;
  p.chunks_ = chunks_;
  if (!chunks_->empty()) p.last_size_ = chunks_->back()->size.load(std::memory_order_relaxed);
  return p;
}

std::vector<persistence::round_number> round_trace::picture::rounds_of(
    std::uint64_t hash, persistence::round_number from) const {
  std::vector<persistence::round_number> rounds;
  if (chunks_ == nullptr) return rounds;
  const auto wanted = upper_half(hash);
  for (const auto& c : *chunks_) {
    const auto size = c == chunks_->back() ? last_size_ : c->size.load(std::memory_order_acquire);
    for (std::uint32_t i = 0; i < size; ++i) {
      const auto& e = c->entries[i];
      if (e.merchant == wanted && c->first + e.round >= from) rounds.push_back(c->first + e.round);
    }
  }
  std::ranges::sort(rounds);
  rounds.erase(std::unique(rounds.begin(), rounds.end()), rounds.end());
  return rounds;
}

}  // namespace tally::actors

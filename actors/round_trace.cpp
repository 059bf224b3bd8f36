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
  if (chunks_.empty() || !fits(*chunks_.back())) {
    chunks_.push_back(std::make_shared<chunk>());
    chunks_.back()->first = chunks_.back()->last = round;
  }
  auto& c = *chunks_.back();
  const auto size = c.size.load(std::memory_order_relaxed);
  c.entries[size] = {upper_half(hash), static_cast<std::uint32_t>(round - c.first)};
  c.last = std::max(c.last, round);
  c.size.store(size + 1, std::memory_order_release);
}

void round_trace::forget_before(persistence::round_number round) {
  std::erase_if(chunks_, [&](const auto& c) { return c->last < round; });
}

round_trace::picture round_trace::look() const {
  picture p;
  p.chunks_.reserve(chunks_.size());
  for (const auto& c : chunks_) p.chunks_.emplace_back(c, c->size.load(std::memory_order_relaxed));
  return p;
}

std::vector<persistence::round_number> round_trace::picture::rounds_of(
    std::uint64_t hash, persistence::round_number from) const {
  std::vector<persistence::round_number> rounds;
  const auto wanted = upper_half(hash);
  for (const auto& [c, size] : chunks_)
    for (std::uint32_t i = 0; i < size; ++i) {
      const auto& e = c->entries[i];
      if (e.merchant == wanted && c->first + e.round >= from) rounds.push_back(c->first + e.round);
    }
  std::ranges::sort(rounds);
  rounds.erase(std::unique(rounds.begin(), rounds.end()), rounds.end());
  return rounds;
}

}  // namespace tally::actors

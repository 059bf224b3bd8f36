#include "domain/lag_histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "domain/gentle_growth.hpp"

namespace tally {
namespace {

constexpr std::int64_t longest_ms = std::int64_t{1} << 40;
constexpr unsigned step_bits = 6;
constexpr std::uint32_t steps = 1U << step_bits;

// Below 64 ms a step is 1 ms wide. Above, `doublings` counts how often its width has doubled.
std::uint32_t index_of(std::int64_t ms) {
  const auto v = static_cast<std::uint64_t>(std::clamp<std::int64_t>(ms, 0, longest_ms));
  if (v < steps) return static_cast<std::uint32_t>(v);
  const auto doublings = static_cast<unsigned>(std::bit_width(v)) - 1 - step_bits;
  return doublings * steps + static_cast<std::uint32_t>(v >> doublings);
}

std::int64_t middle_of(std::uint32_t index) {
  if (index < steps) return index;
  const auto doublings = index / steps - 1;
  const auto begin = std::int64_t{index % steps + steps} << doublings;
  return std::min(begin + (std::int64_t{1} << doublings) / 2, longest_ms);
}

// Sums stop at the largest number: unlike wrapping, that never gives a count of zero.
std::uint64_t saturating_add(std::uint64_t a, std::uint64_t b) {
  return a > std::numeric_limits<std::uint64_t>::max() - b
             ? std::numeric_limits<std::uint64_t>::max()
             : a + b;
}

}  // namespace

void lag_histogram::add(std::int64_t ms, std::uint64_t count) {
  if (count == 0) return;
  const auto index = index_of(ms);
  const auto at = std::lower_bound(counts_.begin(), counts_.end(), index,
                                   [](const step& s, std::uint32_t i) { return s.index < i; });
  if (at != counts_.end() && at->index == index) {
    at->count = saturating_add(at->count, count);
  } else {
    const auto place = at - counts_.begin();
    grow_gently(counts_);
    counts_.insert(counts_.begin() + place, {index, count});
  }
}

void lag_histogram::merge(const lag_histogram& other) {
  if (other.counts_.empty()) return;
  std::vector<step> merged;
  merged.reserve(counts_.size() + other.counts_.size());
  auto a = counts_.begin();
  auto b = other.counts_.begin();
  while (a != counts_.end() && b != other.counts_.end()) {
    if (a->index == b->index) {
      merged.push_back({a->index, saturating_add(a->count, b->count)});
      ++a, ++b;
    } else {
      merged.push_back(a->index < b->index ? *a++ : *b++);
    }
  }
  merged.insert(merged.end(), a, counts_.end());
  merged.insert(merged.end(), b, other.counts_.end());
  counts_ = std::move(merged);
}

std::uint64_t lag_histogram::count() const {
  std::uint64_t sum = 0;
  for (const auto& s : counts_) sum = saturating_add(sum, s.count);
  return sum;
}

std::int64_t lag_histogram::quantile(double q) const {
  if (counts_.empty()) return 0;
  const auto rank = std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(count()));
  std::uint64_t seen = 0;
  for (const auto& s : counts_) {
    seen = saturating_add(seen, s.count);
    if (static_cast<double>(seen) >= rank) return middle_of(s.index);
  }
  return middle_of(counts_.back().index);
}

void lag_histogram::encode(byte_writer& out) const {
  out.varint(counts_.size());
  std::uint32_t previous = 0;
  for (const auto& s : counts_) {
    out.varint(s.index - previous);
    out.varint(s.count);
    previous = s.index;
  }
}

lag_histogram lag_histogram::decode(byte_reader& in) {
  lag_histogram h;
  const auto size = in.varint();
  if (size > in.rest().size() / 2) in.fail();  // a step takes two bytes or more
  if (!in.ok()) return {};
  h.counts_.reserve(size);
  const auto largest = index_of(longest_ms);
  std::uint64_t index = 0;
  for (std::uint64_t i = 0; i < size; ++i) {
    const auto ahead = in.varint();
    const auto count = in.varint();
    if (ahead > largest || (ahead == 0 && i > 0) || count == 0) in.fail();
    index += ahead;
    if (index > largest) in.fail();
    if (!in.ok()) return {};
    h.counts_.push_back({static_cast<std::uint32_t>(index), count});
  }
  return h;
}

}  // namespace tally

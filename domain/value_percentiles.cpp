#include "domain/value_percentiles.hpp"

#include <algorithm>
#include <bit>
#include <limits>

namespace tally {
namespace {

// Below 128 a step is 1 wide; above there are 128 equal steps between two powers of two.
constexpr unsigned step_bits = 7;
constexpr std::uint64_t steps_each = 1U << step_bits;

std::int32_t step_of(std::int64_t value) {
  const bool negative = value < 0;
  const auto v = negative ? -static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  auto step = static_cast<std::int32_t>(v);
  if (v >= steps_each) {
    const auto doublings = static_cast<unsigned>(std::bit_width(v)) - 1 - step_bits;
    step = static_cast<std::int32_t>(doublings * steps_each + (v >> doublings));
  }
  return negative ? -step : step;
}

std::int64_t middle_of(std::int32_t step) {
  const auto s = static_cast<std::uint64_t>(step < 0 ? -step : step);
  if (s < steps_each) return step;
  const auto doublings = s / steps_each - 1;
  const auto width = std::uint64_t{1} << doublings;
  const auto middle = (s % steps_each + steps_each) * width + width / 2;
  const auto v = static_cast<std::int64_t>(
      std::min<std::uint64_t>(middle, std::numeric_limits<std::int64_t>::max()));
  return step < 0 ? -v : v;
}

}  // namespace

void value_percentiles::add(money_sum value) {
  constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();
  const auto v = static_cast<std::int64_t>(std::clamp<money_sum>(value, -largest, largest));
  if (!steps_.empty()) {
    ++steps_[step_of(v)];
    return;
  }
  exact_.push_back(v);
  if (exact_.size() > exact_max) count_instead();
}

void value_percentiles::merge(const value_percentiles& other) {
  exact_.insert(exact_.end(), other.exact_.begin(), other.exact_.end());
  const bool count = !steps_.empty() || !other.steps_.empty() || exact_.size() > exact_max;
  for (const auto& [step, values] : other.steps_) steps_[step] += values;
  if (count) count_instead();
}

void value_percentiles::count_instead() {
  for (const auto v : exact_) ++steps_[step_of(v)];
  exact_ = {};
}

std::int64_t value_percentiles::at(unsigned percent) const {
  const auto rank_of = [&](std::uint64_t count) {
    return std::max<std::uint64_t>(1, (count * percent + 99) / 100);
  };
  if (steps_.empty()) {
    if (exact_.empty()) return 0;
    auto sorted = exact_;
    const auto nth = sorted.begin() + static_cast<std::ptrdiff_t>(rank_of(sorted.size()) - 1);
    std::nth_element(sorted.begin(), nth, sorted.end());
    return *nth;
  }
  std::uint64_t all = 0, seen = 0;
  for (const auto& [step, values] : steps_) all += values;
  const auto rank = rank_of(all);
  for (const auto& [step, values] : steps_) {
    seen += values;
    if (seen >= rank) return middle_of(step);
  }
  return middle_of(steps_.rbegin()->first);
}

std::size_t value_percentiles::heap_bytes() const {
  constexpr std::size_t node_bytes = 64;
  return exact_.capacity() * sizeof(std::int64_t) + steps_.size() * node_bytes;
}

}  // namespace tally

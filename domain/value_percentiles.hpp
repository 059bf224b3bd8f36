#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "domain/money.hpp"

namespace tally {

/// Percentiles of many values: exact up to `exact_max` of them, then from a histogram with a
/// relative error of at most `sketch_error`. The same values in any order and grouping are the same
/// percentiles.
class value_percentiles {
 public:
  static constexpr std::size_t exact_max = 512;
  static constexpr double sketch_error = 1.0 / 256;

  void add(money_sum value);
  void merge(const value_percentiles& other);
  [[nodiscard]] bool empty() const { return exact_.empty() && steps_.empty(); }
  /// The smallest value that at least `percent` of all are not greater than; 0 where empty.
  [[nodiscard]] std::int64_t at(unsigned percent) const;
  [[nodiscard]] double error() const { return steps_.empty() ? 0 : sketch_error; }
  [[nodiscard]] std::size_t heap_bytes() const;

 private:
  void count_instead();

  std::vector<std::int64_t> exact_;              // while there are few
  std::map<std::int32_t, std::uint64_t> steps_;  // then: how many values are in each step
};

}  // namespace tally

#pragma once

#include <cstdint>
#include <vector>

#include "domain/bytes.hpp"

namespace tally {

/// Mergeable histogram of durations in milliseconds with a relative error of at most 1/64: bounds
/// are 64 equal steps between powers of two, found with integer arithmetic only, so every machine
/// counts alike (the scheme of HdrHistogram). Negative values count as 0, values over 2^40 as
/// 2^40. Not thread-safe.
class lag_histogram {
 public:
  void add(std::int64_t ms, std::uint64_t count = 1);
  void merge(const lag_histogram& other);
  [[nodiscard]] std::uint64_t count() const;
  /// Value at quantile q of 0..1, the middle of its step; 0 where empty.
  [[nodiscard]] std::int64_t quantile(double q) const;
  [[nodiscard]] bool empty() const { return counts_.empty(); }
  /// Byte form: number of steps, then per step, ascending, the distance of its index to the one
  /// before (the first: to 0) and its count, all varints. Step v is v ms below 64; above, step
  /// 64 * d + m with 64 <= m < 128 begins at m * 2^d ms.
  void encode(byte_writer& out) const;
  /// Fails the reader on bytes that encode() cannot have written.
  static lag_histogram decode(byte_reader& in);
  bool operator==(const lag_histogram&) const = default;
  [[nodiscard]] std::size_t heap_bytes() const { return counts_.capacity() * sizeof(step); }

 private:
  struct step {
    std::uint32_t index;
    std::uint64_t count;
    bool operator==(const step&) const = default;
  };
  std::vector<step> counts_;  // sorted by index, no zero counts
};

}  // namespace tally

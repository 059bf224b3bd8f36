#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "domain/bytes.hpp"
#include "domain/result.hpp"

namespace tally {

/// Counts distinct 64-bit hashes: exact up to 512, then HyperLogLog++ (sparse with 25 index bits,
/// then dense with 14). Heule, Nunkesser, Hall, "HyperLogLog in Practice" (2013); the dense
/// estimate is Ertl's bias-free one, "New cardinality estimation algorithms for HyperLogLog
/// sketches" (2017), so no bias tables are needed.
///
/// The form depends only on the set of hashes added, never on order or grouping, so equal sets
/// have equal bytes. 16 bytes when it holds at most one hash. Not thread-safe.
class unique_set {
 public:
  unique_set() = default;
  unique_set(const unique_set& other);
  unique_set(unique_set&& other) noexcept;
  unique_set& operator=(unique_set other) noexcept;
  ~unique_set();

  /// Hashes must be well mixed (xxh3); 0 is allowed.
  void add(std::uint64_t hash);
  void merge(const unique_set& other);

  [[nodiscard]] bool empty() const;
  /// Distinct hashes: exact, or estimated and rounded to the nearest integer.
  [[nodiscard]] std::uint64_t estimate() const;
  [[nodiscard]] bool exact() const;
  /// Standard error of estimate() as a fraction: 0 where exact.
  [[nodiscard]] double relative_error() const;

  /// Bytes held outside the object.
  [[nodiscard]] std::size_t heap_bytes() const;
  void encode(byte_writer& out) const;
  /// Fails the reader on bytes that encode() cannot have written.
  static unique_set decode(byte_reader& in);
  bool operator==(const unique_set& other) const;

 private:
  // Helpers and the tagged representation are the implementer's choice.
  struct block;
  std::uint64_t word_ = 0;  // the only hash, or a pointer to the block
  std::uint32_t size_ = 0;  // hashes or sparse entries held
  std::uint32_t form_ = 0;  // 0 one or none, 1 exact, 2 sparse, 3 dense
};

}  // namespace tally

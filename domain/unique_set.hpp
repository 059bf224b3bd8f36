#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "domain/bytes.hpp"

namespace tally {

/// Counts distinct 64-bit hashes: exact up to 512, then HyperLogLog++ (sparse while no more than
/// 3,072 indexes of 25 bits are seen, then dense with 14 bits). Heule, Nunkesser, Hall,
/// "HyperLogLog in Practice" (2013); the dense estimate is Ertl's bias-free one, "New cardinality
/// estimation algorithms for HyperLogLog sketches" (2017), so no bias tables are needed.
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
  /// Standard error of estimate() as a fraction: 0 where exact, 0.00012 sparse, 0.0082 dense.
  [[nodiscard]] double relative_error() const;

  /// Bytes held outside the object.
  [[nodiscard]] std::size_t heap_bytes() const;
  /// Byte form, integers of fixed width big endian:
  ///   varint n, 0 to 512: exact, then n hashes of 8 bytes, ascending
  ///   varint 513: sparse, then a varint count and the entries as varints, ascending, each as the
  ///     difference to the one before (the first: to 0). An entry is index << 6 | rank, the index
  ///     the upper 25 bits of the hash, the rank one more than the zero bits that follow them
  ///   varint 514: dense, then 2^14 registers of 6 bits, 4 in 3 bytes, first register highest;
  ///     index the upper 14 bits of the hash, rank as above
  void encode(byte_writer& out) const;
  /// Fails the reader on bytes that encode() cannot have written.
  static unique_set decode(byte_reader& in);
  bool operator==(const unique_set& other) const;

 private:
  enum class form : std::uint8_t { one = 0, exact = 1, sparse = 2, dense = 3 };  // one or none

  [[nodiscard]] std::span<const std::uint64_t> hashes() const;  // one or exact
  [[nodiscard]] std::size_t capacity() const { return std::size_t{1} << capacity_log2_; }
  [[nodiscard]] std::size_t used_bytes() const;
  void take_block(form f, std::size_t capacity);
  void drop_block();

  void assign_hashes(const std::vector<std::uint64_t>& sorted);
  void assign_entries(const std::vector<std::uint32_t>& sorted);
  [[nodiscard]] std::vector<std::uint32_t> sorted_entries() const;  // not of dense
  void raise_registers(const std::vector<std::uint32_t>& entries);

  void add_exact(std::uint64_t hash);
  void add_sparse(std::uint32_t entry);
  void merge_exact(const unique_set& other);
  void merge_sparse(const unique_set& other);
  void merge_dense(const unique_set& other);
  void read_exact(byte_reader& in, std::uint64_t size);
  void read_sparse(byte_reader& in);
  void read_dense(byte_reader& in);
  /// This set without a tail: itself, or a copy made in `scratch`.
  [[nodiscard]] const unique_set& settled(unique_set& scratch) const;

  union content {
    std::uint64_t hash;  // the only one
    void* block;  // 2^capacity_log2_ hashes (exact, sorted), sparse entries or dense registers
  };
  content content_{0};
  std::uint32_t size_ = 0;  // hashes, or sparse entries that are sorted and of different indexes
  std::uint16_t tail_ = 0;  // sparse entries after those, in order of arrival, to be sorted in
  form form_ = form::one;
  std::uint8_t capacity_log2_ = 0;
};

static_assert(sizeof(unique_set) == 16);

}  // namespace tally

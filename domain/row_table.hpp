#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "domain/bucket.hpp"

namespace tally {

/// Rows by (begin, width, tag), few or many: a vector, with an index once it is long. References
/// are valid until the next `at`. Not thread-safe.
template <class Row>
class row_table {
 public:
  struct entry {
    bucket_time begin{};
    std::uint16_t tag = 0;  // number of a currency or an event name, 0 where there is none
    granularity width = granularity::day;
    Row row;
  };

  Row& at(bucket_time begin, granularity width, std::uint16_t tag) {
    if (entries_.size() <= linear_max) {
      for (auto i = entries_.size(); i-- > 0;)
        if (matches(entries_[i], begin, width, tag)) return entries_[i].row;
    } else if (const auto i = find(begin, width, tag); i != none) {
      return entries_[i].row;
    }
    entries_.push_back({begin, tag, width, Row{}});
    if (entries_.size() > linear_max) index_last();
    return entries_.back().row;
  }

  [[nodiscard]] const std::vector<entry>& entries() const { return entries_; }
  [[nodiscard]] bool empty() const { return entries_.empty(); }
  void clear() {
    entries_ = {};
    index_ = {};
  }
  /// Bytes of the table itself; what rows hold elsewhere is not in it.
  [[nodiscard]] std::size_t heap_bytes() const {
    return entries_.capacity() * sizeof(entry) + index_.capacity() * sizeof(std::uint32_t);
  }

 private:
  static constexpr std::size_t linear_max = 12;
  static constexpr std::uint32_t none = ~std::uint32_t{0};

  static bool matches(const entry& e, bucket_time begin, granularity width, std::uint16_t tag) {
    return e.begin == begin && e.width == width && e.tag == tag;
  }
  static std::size_t mix(bucket_time begin, granularity width, std::uint16_t tag) {
    const auto key = static_cast<std::uint64_t>(to_s(begin)) * 0x9e3779b97f4a7c15u +
                     static_cast<std::uint64_t>(width) * 0xc2b2ae3d27d4eb4fu +
                     tag * 0x165667b19e3779f9u;
    return static_cast<std::size_t>(key ^ (key >> 29));
  }
  std::uint32_t find(bucket_time begin, granularity width, std::uint16_t tag) const {
    const auto mask = index_.size() - 1;
    for (auto i = mix(begin, width, tag) & mask; index_[i] != none; i = (i + 1) & mask)
      if (matches(entries_[index_[i]], begin, width, tag)) return index_[i];
    return none;
  }
  void index_last() {
    if (entries_.size() * 2 > index_.size()) {
      std::size_t capacity = 64;
      while (capacity < entries_.size() * 4) capacity *= 2;
      index_.assign(capacity, none);
      for (std::uint32_t i = 0; i < entries_.size(); ++i) place(i);
    } else {
      place(static_cast<std::uint32_t>(entries_.size() - 1));
    }
  }
  void place(std::uint32_t number) {
    const auto& e = entries_[number];
    const auto mask = index_.size() - 1;
    auto i = mix(e.begin, e.width, e.tag) & mask;
    while (index_[i] != none) i = (i + 1) & mask;
    index_[i] = number;
  }

  std::vector<entry> entries_;
  std::vector<std::uint32_t> index_;  // open addressing, empty while entries are few
};

}  // namespace tally

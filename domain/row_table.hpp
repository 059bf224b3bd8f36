#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "domain/bucket.hpp"
#include "domain/gentle_growth.hpp"

namespace tally {

/// Rows by (begin, width, tag), few or many: a vector, with an index once it is long. A row whose
/// type has full() and which is full gets another of the same place behind it. References are valid
/// until the next `at`. Not thread-safe.
template <class Row>
class row_table {
 public:
  class entry {
   public:
    entry() = default;
    entry(bucket_time begin, granularity width, std::uint16_t tag)
        : place_{place_of(begin, width, tag)} {}
    [[nodiscard]] bucket_time begin() const {
      return bucket_time{std::chrono::seconds{static_cast<std::int64_t>(place_) >> 20U}};
    }
    [[nodiscard]] granularity width() const {
      return static_cast<granularity>((place_ >> 16U) & 0xfU);
    }
    /// Number of a currency or an event name, 0 where there is none.
    [[nodiscard]] std::uint16_t tag() const { return static_cast<std::uint16_t>(place_); }

   private:
    friend class row_table;
    std::uint64_t place_ = 0;

   public:
    Row row;
  };

  Row& at(bucket_time begin, granularity width, std::uint16_t tag) {
    const auto place = place_of(begin, width, tag);
    if (!index_) {
      for (auto i = entries_.size(); i-- > 0;)
        if (entries_[i].place_ == place && !is_full(entries_[i].row)) return entries_[i].row;
    } else if (const auto i = find(place); i != none) {
      return entries_[i].row;
    }
    grow_gently(entries_);
    entries_.emplace_back(begin, width, tag);
    if (entries_.size() > linear_max) index_last();
    return entries_.back().row;
  }

  [[nodiscard]] const std::vector<entry>& entries() const { return entries_; }
  [[nodiscard]] bool empty() const { return entries_.empty(); }
  /// Bytes of the table itself; what rows hold elsewhere is not in it.
  [[nodiscard]] std::size_t heap_bytes() const {
    return entries_.capacity() * sizeof(entry) +
           (index_ ? index_->capacity() * sizeof(std::uint32_t) : 0);
  }

 private:
  using numbers = std::vector<std::uint32_t>;
  static constexpr std::size_t linear_max = 12;
  static constexpr std::uint32_t none = ~std::uint32_t{0};

  // Years 1 to 9999 in seconds take 40 bits, widths 3.
  static std::uint64_t place_of(bucket_time begin, granularity width, std::uint16_t tag) {
    return static_cast<std::uint64_t>(to_s(begin)) << 20U |
           static_cast<std::uint64_t>(width) << 16U | tag;
  }
  static bool is_full(const Row& row) {
    if constexpr (requires { row.full(); }) return row.full();
    return false;
  }
  static std::size_t mix(std::uint64_t place) {
    const auto key = (place ^ (place >> 32U)) * 0x9e3779b97f4a7c15U;
    return static_cast<std::size_t>(key ^ (key >> 29U));
  }
  [[nodiscard]] std::uint32_t find(std::uint64_t place) const {
    const auto& index = *index_;
    const auto mask = index.size() - 1;
    for (auto i = mix(place) & mask; index[i] != none; i = (i + 1) & mask)
      if (entries_[index[i]].place_ == place && !is_full(entries_[index[i]].row)) return index[i];
    return none;
  }
  void index_last() {
    if (!index_) index_ = std::make_unique<numbers>();
    if (entries_.size() * 2 > index_->size()) {
      std::size_t capacity = 64;
      while (capacity < entries_.size() * 4) capacity *= 2;
      index_->assign(capacity, none);
      for (std::uint32_t i = 0; i < entries_.size(); ++i) put(i);
    } else {
      put(static_cast<std::uint32_t>(entries_.size() - 1));
    }
  }
  void put(std::uint32_t number) {
    auto& index = *index_;
    const auto mask = index.size() - 1;
    auto i = mix(entries_[number].place_) & mask;
    while (index[i] != none) i = (i + 1) & mask;
    index[i] = number;
  }

  std::vector<entry> entries_;
  std::unique_ptr<numbers> index_;  // open addressing; none while entries are few
};

}  // namespace tally

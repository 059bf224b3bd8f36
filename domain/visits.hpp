#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "domain/time.hpp"

namespace tally {

/// One visit: a stretch of a visitor's timely events without a gap over the timeout.
struct visit {
  std::uint64_t visitor = 0;  // hash of the visitor, never 0
  std::int64_t begin_ms = 0, end_ms = 0;
  std::uint32_t pageviews = 0;
  bool interactive = false, cart = false, checkout = false, purchase = false;

  [[nodiscard]] bool bounced() const { return pageviews == 1 && !interactive; }
  bool operator==(const visit&) const = default;
};

/// Open visits of a merchant by visitor: a list while they are few, then an open addressing table,
/// so that a million of them cost 40 bytes each and a look-up one or two cache lines. Pointers are
/// valid until the next insert or erase. Not thread-safe.
class visit_table {
 public:
  struct neighbours {
    visit* before = nullptr;  // the visit that holds `at` or ends at most `timeout` before it
    visit* after = nullptr;   // another one that begins at most `timeout` after it
  };
  /// The visits that an event at `at_ms` touches. Only one of them is set unless it joins two.
  [[nodiscard]] neighbours find(std::uint64_t visitor, std::int64_t at_ms, std::int64_t timeout_ms);
  void insert(const visit& v);
  /// `v` must point into this table.
  void erase(visit* v);
  /// Forgets visits that ended before `end_ms`.
  void expire(std::int64_t end_ms);

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t heap_bytes() const { return slots_.capacity() * sizeof(visit); }
  /// Sorted by visitor, then begin: the canonical order.
  [[nodiscard]] std::vector<visit> sorted() const;
  /// Groups of visitors by the first bits of their hash: a snapshot writes those that changed.
  static constexpr std::size_t groups = 256;
  [[nodiscard]] static std::size_t group_of(std::uint64_t visitor) { return visitor >> 56; }
  /// Notes that this visitor's visits changed.
  void touch(std::uint64_t visitor) {
    if (touched_) touched_->set(group_of(visitor));
  }
  /// From here on changes are noted, where there are so many visits that it matters.
  void forget_touched();
  /// Whether a visitor of the groups first..last may have changed.
  [[nodiscard]] bool touched(std::size_t first, std::size_t last) const;
  /// When the next insert has to grow the table, the owner may expire first.
  [[nodiscard]] bool full() const {
    return is_list() ? size_ == list_max : (size_ + 1) * 4 > slots_.size() * 3;
  }

 private:
  [[nodiscard]] std::size_t home(std::uint64_t visitor) const {
    return static_cast<std::size_t>(visitor) & (slots_.size() - 1);
  }
  void rehash(std::size_t capacity);
  [[nodiscard]] bool is_list() const { return slots_.size() <= list_max; }

  static constexpr std::size_t list_max = 6;
  static constexpr std::size_t table_min = 16;
  static constexpr std::size_t noted_min = 512;  // changes among fewer visits are not noted

  std::vector<visit> slots_;  // a list has no free ones
  std::size_t size_ = 0;
  std::unique_ptr<std::bitset<groups>> touched_;  // none: all may have changed
};

}  // namespace tally

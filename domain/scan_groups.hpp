#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "domain/rows.hpp"
#include "domain/ruleset.hpp"
#include "domain/scan_metrics.hpp"
#include "domain/scan_plan.hpp"
#include "domain/value_percentiles.hpp"
#include "domain/visits.hpp"

namespace tally {

/// Numbers of the different values of a field. 0 is the absent one.
class value_ids {
 public:
  value_ids() { id({}); }
  value_ids(value_ids&&) = default;
  value_ids& operator=(value_ids&&) = default;
  std::uint32_t id(std::string_view text);
  [[nodiscard]] std::string_view text(std::uint32_t id) const { return texts_[id]; }
  [[nodiscard]] std::size_t size() const { return texts_.size(); }
  [[nodiscard]] std::size_t heap_bytes() const;

 private:
  std::deque<std::string> texts_;
  std::unordered_map<std::string_view, std::uint32_t> ids_;
  std::size_t bytes_ = 0;
};

/// What an order or a refund, or one line of it, is worth.
struct scan_sale {
  std::uint64_t customer = 0;
  bool refund = false, has_customer = false;
  bool of_answer = false;  // in the currency of the answer, perhaps converted
  bool first = false;      // the customer's first order
  std::uint32_t currency = 0;
  std::int64_t gap_ms = -1;  // since the customer's order before
  std::uint64_t order = 0;   // where needs.order_days: hash of its id; 0: it has none
  std::optional<std::int64_t> counts_at_ms;  // of a refund: the time of its order
  std::int64_t known_ms = 0;                 // where needs.rates: as of when rates are known for it
  money_sum units = 0, gross = 0, discounts = 0, tax = 0, shipping = 0, refunds = 0;
};

/// Turns the amounts of a sale of another currency into those of the answer's, by the rates of the
/// day of `at_ms`. It stays as it is where there are none, or where an amount has no place.
void convert(scan_sale& s, std::string_view from, const scan_plan& p, std::int64_t at_ms);

/// One event, or one line of its order, on its way into a group.
struct scan_unit {
  std::int64_t at_ms = 0;
  std::uint64_t offset = 0;
  std::uint64_t person = 0;  // 0: nobody
  counts_as kind = counts_as::custom;
  const scan_sale* sale = nullptr;
};

/// One row of an answer while it is added up.
struct scan_group {
  struct commerce_pair {
    commerce_row money, all;
  };
  traffic_row traffic;
  std::unique_ptr<commerce_pair> commerce;
  std::unique_ptr<scan_extra> extra;
  std::unique_ptr<value_percentiles> order_values;
  // So that each counts once:
  std::uint64_t last_event = 0, last_person = 0, last_visit = 0, last_moved = 0;

  /// True for the first unit of an event.
  bool count(const scan_unit& u);
  /// Of all lines of an order, or of the first unit of an event that reaches several goals.
  void count_sale(const scan_sale& s, bool first_unit);
  /// Notes what an order is worth, for percentiles.
  void add_order_value(const scan_sale& s);
  void count_visit(const visit& v);
  scan_extra& extras();
  void merge(const scan_group& other);
  /// Moves what metrics are computed from into `rows`, or back.
  void swap(scan_rows& rows);
  [[nodiscard]] std::size_t heap_bytes() const;
};

/// Groups by the values of the dimensions.
class scan_groups {
 public:
  explicit scan_groups(std::size_t dimensions) : dimensions_{dimensions} {}
  /// The group of a key, made where there is none. Valid until the next at().
  scan_group& at(std::span<const std::uint32_t> key);
  [[nodiscard]] const std::size_t* find(std::span<const std::uint32_t> key) const;
  [[nodiscard]] std::size_t size() const { return groups_.size(); }
  /// Number of the group that at() gave last.
  [[nodiscard]] std::size_t last() const { return last_; }
  [[nodiscard]] std::span<const std::uint32_t> key(std::size_t group) const {
    return {keys_.data() + group * dimensions_, dimensions_};
  }
  scan_group& operator[](std::size_t group) { return groups_[group]; }
  [[nodiscard]] const scan_group& operator[](std::size_t group) const { return groups_[group]; }
  [[nodiscard]] std::size_t heap_bytes() const;

 private:
  [[nodiscard]] std::size_t slot_of(std::span<const std::uint32_t> key) const;
  void grow();

  std::size_t dimensions_;
  std::vector<std::uint32_t> keys_;
  std::vector<scan_group> groups_;
  std::vector<std::size_t> slots_;  // open addressing
  std::size_t last_ = 0;            // the group of the latest at()
};

/// One of the two ranges of a question with its groups.
class scan_span {
 public:
  scan_span(const scan_plan& p, const std::vector<bucket_time>& edges, event_time from,
            event_time to);
  [[nodiscard]] bool holds(std::int64_t at_ms) const { return at_ms >= from_ms && at_ms < to_ms; }
  /// Number of the bucket of an instant of this range.
  [[nodiscard]] std::uint32_t bucket_of(std::int64_t at_ms);

  std::int64_t from_ms, to_ms;
  scan_groups groups;
  scan_group total;

 private:
  std::vector<std::int64_t> edges_ms_;
  std::size_t last_ = 0;
};

/// Hour and day of the week of instants in a zone. Keeps the last answer.
class wall_clock {
 public:
  explicit wall_clock(const zone& z) : zone_{&z} {}
  [[nodiscard]] std::uint32_t hour_of_day(std::int64_t at_ms);  // 0 to 23
  [[nodiscard]] std::uint32_t day_of_week(std::int64_t at_ms);  // 0, Monday, to 6

 private:
  std::int64_t local_s(std::int64_t at_ms);
  const zone* zone_;
  zone::period period_{};
};

}  // namespace tally

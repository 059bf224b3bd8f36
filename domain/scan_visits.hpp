#pragma once

#include <cstddef>
#include <cstdint>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "domain/scan_work.hpp"

namespace tally {

/// A visit with its place in a `visit_order`.
struct found_visit {
  visit v;
  std::size_t begin = 0, end = 0;     // positions; late events may lie among them
  std::uint32_t entry = 0, exit = 0;  // numbers of pages
};

/// Events of one visitor, or one event of nobody: positions, the end exclusive.
struct visitor_run {
  std::size_t begin = 0, end = 0;
};

/// Brings the kept units into the order of visitor and time; a position is an index in `kept_units`
/// from then on. Cuts them into visits, one visitor after another.
class visit_order {
 public:
  static constexpr std::uint32_t no_visit = ~std::uint32_t{0};

  explicit visit_order(scan_frame& frame);

  [[nodiscard]] std::size_t size() const { return kept_.units.size(); }
  [[nodiscard]] const kept_unit& unit(std::size_t position) const { return kept_.units[position]; }
  /// Whether a unit is the first of its event.
  [[nodiscard]] bool is_first(std::size_t position) const {
    return position == 0 || unit(position - 1).offset != unit(position).offset;
  }
  /// Calls f(run) for every visitor, and for every event of nobody.
  template <class F>
  void for_each_run(F&& f) {
    visitor_run run;
    while (run.end < size()) {
      run.begin = run.end;
      const auto& first = unit(run.begin);
      while (run.end < size() && unit(run.end).person == first.person &&
             (first.person != 0 || unit(run.end).offset == first.offset))
        ++run.end;
      enter(run);
      f(run);
    }
  }

  /// Visits of the run that f was called with.
  [[nodiscard]] const std::vector<found_visit>& visits() const { return visits_; }
  /// Index among them of the visit that a unit of the run belongs to.
  [[nodiscard]] std::uint32_t visit_of(std::size_t position) const {
    return visit_of_.empty() ? no_visit : visit_of_[position - run_begin_];
  }
  /// What a visit has of a kept field: the number that its earliest event with a value has.
  [[nodiscard]] std::uint32_t visit_value(std::uint32_t visit, std::size_t slot) const {
    return values_[visit * slots_ + slot];
  }
  /// Number of a visit among those of all runs, from 1.
  [[nodiscard]] std::uint64_t visit_number(std::size_t visit) const {
    return visits_before_ + visit + 1;
  }

 private:
  void sort();
  void enter(const visitor_run& run);
  void add(std::size_t position);
  void find_values(const visitor_run& run);
  [[nodiscard]] bool late(std::size_t position) const;

  scan_frame& frame_;
  kept_units& kept_;
  std::size_t slots_;
  // Of the run:
  std::size_t run_begin_ = 0;
  std::uint64_t visits_before_ = 0;
  std::vector<found_visit> visits_;
  std::vector<std::uint32_t> visit_of_;  // empty where nobody asks for visits
  std::vector<std::uint32_t> values_;    // slots_ per visit
};

/// Finds the orders of refunds: sets scan_sale::counts_at_ms, and converts their amounts.
void find_order_days(scan_frame& frame);
/// What each customer has brought until the end of each span, for scan_frame::to_date.
void find_worths(scan_frame& frame);

/// The first order of every customer, and which order came after which.
class order_history {
 public:
  explicit order_history(scan_frame& frame);
  /// Number of "new" or "returning" in the dictionary of `field`, by the customer of a unit.
  [[nodiscard]] std::uint32_t customer_type(std::size_t field, std::size_t unit) const;
  /// Number of the month of the customer's first order.
  [[nodiscard]] std::uint32_t cohort(std::size_t field, std::size_t unit) const;

 private:
  struct place {
    std::int64_t at_ms = 0;
    std::uint64_t offset = 0;
    bool operator==(const place&) const = default;
    bool operator<(const place& other) const {
      return std::tie(at_ms, offset) < std::tie(other.at_ms, other.offset);
    }
  };
  scan_frame& frame_;
  std::unordered_map<std::uint64_t, place> first_;  // by customer
};

/// Fields and filters of units.
class unit_reader {
 public:
  unit_reader(scan_frame& frame, const visit_order& order);
  /// Finds what the visitor of a run has done within a range: before holds().
  void enter(const scan_span& span, const visitor_run& run);
  [[nodiscard]] bool holds(const scan_filter& f, std::size_t position);
  /// Number of a field's value in its dictionary.
  [[nodiscard]] std::uint32_t value(std::size_t field, std::size_t position) const;

 private:
  bool compare(const scan_filter& f, std::size_t position);

  scan_frame& frame_;
  const scan_plan& plan_;
  const visit_order& order_;
  order_history history_;
  std::vector<const scan_filter*> behaviours_;  // what must have been done, by number
  std::vector<bool> done_;                      // by the visitor that was entered
  std::vector<std::vector<std::int8_t>> memo_;  // of late comparisons by value: -1 not known
};

}  // namespace tally

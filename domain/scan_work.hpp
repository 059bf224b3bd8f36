#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "domain/scan.hpp"
#include "domain/scan_block.hpp"
#include "domain/scan_groups.hpp"

namespace tally {

/// A unit that waits until its visitor's others are known.
struct kept_unit {
  std::uint64_t person = 0, offset = 0;
  std::int64_t at_ms = 0;
  std::uint32_t sale = 0;  // in kept_units::sales, counted from 1; 0: none
  counts_as kind = counts_as::custom;
  bool late = false;
};

/// All units that wait, in the order of their offsets until they are sorted.
struct kept_units {
  std::vector<kept_unit> units;
  std::vector<std::uint64_t> bits;   // parts of filters that are of_event; empty without a filter
  std::vector<std::uint32_t> ids;    // scan_frame::slots for each
  std::vector<std::uint32_t> pages;  // where needs.pages
  std::vector<std::uint64_t> customers;  // where needs.first_orders; 0: nobody
  std::vector<std::int8_t> scrolls;      // where needs.scrolls: percent, -1: none
  std::vector<std::int64_t> newest;      // where needs.own_newest: the newest event time so far
  std::vector<scan_sale> sales;
  [[nodiscard]] std::size_t heap_bytes() const;
  /// Makes room for the units of a block.
  void reserve(std::size_t more, std::size_t slots);
  /// The unit at order[i] comes to i; each has `slots` ids.
  void reorder(const std::vector<std::uint32_t>& order, std::size_t slots);
};

/// What all parts of a scan share.
struct scan_frame {
  explicit scan_frame(std::shared_ptr<const scan_plan> p);

  /// The dictionary that numbers of a field refer to.
  [[nodiscard]] const value_ids& dictionary(std::size_t field) const;
  [[nodiscard]] value_ids& dictionary(std::size_t field);
  [[nodiscard]] std::size_t heap_bytes() const;
  void note_currency(const scan_sale& sale);
  /// Adds what was found in later blocks.
  void merge(const scan_frame& later);

  static constexpr std::size_t no_slot = ~std::size_t{0};

  std::shared_ptr<const scan_plan> plan;
  std::vector<value_ids> values;  // by field
  value_ids pages, currencies;
  // By number of the currency, of sales in the asked range: 1, some are not in the answer; 2, some
  // are; 3, both.
  std::vector<std::uint8_t> sold;
  std::vector<scan_span> spans;  // the asked range, then the one to compare with
  wall_clock clock;
  std::vector<std::size_t> slots;    // fields that are kept with units
  std::vector<std::size_t> slot_of;  // by field; no_slot
  kept_units kept;
  bool wants_to_date = false;       // a metric needs what customers have brought so far
  bool wants_order_values = false;  // or what each order is worth
  using worths = std::unordered_map<std::uint64_t, money_sum>;
  std::vector<worths> to_date;  // where it is wanted: of customers at the end of each span
  // Where needs.identity: the user that a visitor was seen with last, until join_people().
  std::unordered_map<std::uint64_t, std::uint64_t> users;
  std::int64_t newest_ms = std::numeric_limits<std::int64_t>::min();
  std::uint64_t rows = 0;

 private:
  void append_kept(const scan_frame& later, const std::vector<std::uint32_t>& page_ids,
                   const std::vector<std::uint32_t>& currency_ids);
};

/// Makes visitors the users that they were seen with, once all blocks are there.
void join_people(scan_frame& frame);

/// Puts units that waited into visits and counts them.
class visit_pass {
 public:
  explicit visit_pass(scan_frame& frame);
  ~visit_pass();
  [[nodiscard]] std::optional<scan_range> wider() const;
  void count();

 private:
  struct state;
  std::unique_ptr<state> state_;
};

/// Writes down what was counted.
result<answer> answer_of(scan_frame& frame);

/// A block as the plan's rules make it: rows that they leave out are no longer `fresh`.
event_columns judged_columns(const scan_plan& p, const event_columns& block);

}  // namespace tally

#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "domain/event_columns.hpp"
#include "domain/scan_groups.hpp"
#include "domain/scan_plan.hpp"

namespace tally {

/// The values of one field in a block: a number per unit, and what the numbers stand for. Different
/// numbers may stand for the same text.
struct field_column {
  const std::vector<std::uint32_t>* codes = nullptr;
  std::vector<std::string_view> words;
  std::vector<std::uint32_t> own_codes;  // where the block has none like them
  std::deque<std::string> own_words;
};

/// One block as a plan sees it. A unit is a row or, where lines of orders are counted, a line or a
/// row without lines or, where goals are, a row and a goal that it reaches, or a row that reaches
/// none. Everything is made once, when it is first asked for.
class scan_block {
 public:
  static constexpr std::uint32_t no_line = ~std::uint32_t{0};

  scan_block(const scan_plan& p, const event_columns& block);

  [[nodiscard]] std::size_t units() const { return cut_ ? unit_rows_.size() : block_.rows; }
  [[nodiscard]] std::size_t row_of(std::size_t unit) const {
    return cut_ ? unit_rows_[unit] : unit;
  }
  /// Whether a row is counted at all: a new data event that no rule leaves out.
  [[nodiscard]] bool counted(std::size_t row) const {
    return outcome_[row] == fresh && kinds_[names_.codes[row]] != counts_as::ignore;
  }
  [[nodiscard]] counts_as kind(std::size_t row) const { return kinds_[names_.codes[row]]; }
  [[nodiscard]] std::int64_t at_ms(std::size_t row) const { return at_[row]; }
  [[nodiscard]] std::uint64_t offset(std::size_t row) const {
    return static_cast<std::uint64_t>(offset_[row]);
  }
  /// Hash of the row's visitor, else user; 0 where there is neither.
  [[nodiscard]] std::uint64_t person(std::size_t row);
  /// Stands for the person within this block; below person_codes().
  [[nodiscard]] std::size_t person_code(std::size_t row) const {
    const auto code = visitors_.codes[row];
    return visitors_.words[code].empty() ? visitors_.words.size() + users_.codes[row] : code;
  }
  [[nodiscard]] std::size_t person_codes() const {
    return visitors_.words.size() + users_.words.size();
  }
  /// Hash of the row's user, else visitor.
  [[nodiscard]] std::optional<std::uint64_t> customer(std::size_t row);

  /// The visitor and the user that a row names together: of data events, and of what identifies.
  [[nodiscard]] std::optional<std::pair<std::uint64_t, std::uint64_t>> link(std::size_t row);

  /// A field that single events tell.
  const field_column& column(std::size_t field);
  /// 1 for units that fulfil a filter of_event.
  [[nodiscard]] std::vector<std::uint8_t> mask(const scan_filter& filter);
  /// What a unit is worth: nothing but for purchases and refunds.
  [[nodiscard]] std::optional<scan_sale> sale(std::size_t unit, value_ids& currencies);
  /// The pages of all units.
  const field_column& page_column();
  /// How much of a page an engagement event saw, in percent; -1 where it does not say.
  [[nodiscard]] std::int8_t scroll(std::size_t row) const;

 private:
  static constexpr std::int64_t fresh = static_cast<std::int64_t>(row_outcome::fresh);

  void cut_into_lines();
  void cut_into_goals();
  void make_goal_column(field_column& c) const;
  void make_column(const scan_field& f, field_column& c);
  void make_product_column(field_column& c) const;
  void make_item_column(const scan_field& f, field_column& c);
  void make_currency_column(field_column& c) const;
  void make_traffic();
  void spread(field_column& c) const;
  [[nodiscard]] std::vector<std::uint8_t> compare(const scan_filter& filter);
  [[nodiscard]] std::vector<std::uint8_t> compare_items(const scan_filter& filter);
  [[nodiscard]] std::int64_t amount(number_field f, std::size_t row) const;
  [[nodiscard]] money_sum lines(std::size_t row, money_sum& units) const;
  [[nodiscard]] money_sum worth(std::size_t unit, money_sum& units) const;
  void set_amounts(std::size_t unit, scan_sale& s) const;

  const scan_plan& plan_;
  const event_columns& block_;
  const text_column &names_, &visitors_, &users_;
  const std::vector<std::int64_t>&outcome_, &at_, &offset_;
  bool items_;
  bool cut_ = false;              // units are not rows
  std::vector<counts_as> kinds_;  // by code of the name
  std::vector<std::uint32_t> unit_rows_, unit_lines_, unit_goals_;
  std::vector<std::uint64_t> visitor_hashes_, user_hashes_;  // by code
  std::vector<std::optional<field_column>> columns_;
  std::optional<field_column> pages_;
  std::vector<std::uint32_t> traffic_codes_;
  std::deque<std::array<std::string, traffic_parts>> traffic_;
};

}  // namespace tally

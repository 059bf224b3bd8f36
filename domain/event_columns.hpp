#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace tally {

/// Texts of an event. Numbers rest on disk: append only.
enum class text_field : std::uint8_t {
  id = 0,
  sent_text = 1,  // client_time::text
  name = 2,
  visitor = 3,
  user = 4,
  session = 5,
  url = 6,
  referrer = 7,
  title = 8,
  language = 9,
  screen = 10,
  country = 11,
  device = 12,
  browser = 13,
  os = 14,
  agent = 15,
  network = 16,
  props = 17,  // a MessagePack map
  extra = 18,  // a MessagePack map
  raw = 19,
  order_id = 20,
  order_currency = 21,
  coupon = 22,
  payment_method = 23,
  sales_channel = 24,
};
constexpr std::size_t text_fields = 25;

/// Numbers of an event. Numbers rest on disk: append only.
enum class number_field : std::uint8_t {
  offset = 0,
  stamped_at = 1,  // ms since 1970, as all times here
  at = 2,
  received_at = 3,
  sent_at = 4,
  sent_form = 5,  // time_form
  kind = 6,       // event_kind
  origin = 7,     // id_origin
  count = 8,
  has_order = 9,  // 0 or 1
  discount = 10,  // money in millionths, no_number where absent, as all money here
  tax = 11,
  shipping = 12,
  total = 13,
  subtotal = 14,
  amount = 15,
  outcome = 16,  // row_outcome
};
constexpr std::size_t number_fields = 17;
constexpr std::int64_t no_number = std::numeric_limits<std::int64_t>::min();

/// Texts of a line of an order. Numbers rest on disk: append only.
enum class item_field : std::uint8_t {
  id = 0,
  sku = 1,
  name = 2,
  category = 3,
  brand = 4,
  variant = 5
};
constexpr std::size_t item_fields = 6;

/// What counting made of an event before any ruleset: alike in all generations. Numbers rest on
/// disk: append only.
enum class row_outcome : std::uint8_t {
  fresh = 0,      // a data event that is counted, unless a ruleset leaves it out
  duplicate = 1,  // its id was there before
  rejected = 2,   // over a limit of names or properties
  control = 3,    // no data event: settings, identify, promotion, a refused event
};

/// One text per row, by its number in `words`. A column that was not asked for has no codes.
struct text_column {
  std::vector<std::string_view> words;  // each once; into memory that event_columns::keep holds
  std::vector<std::uint32_t> codes;     // one per row
  [[nodiscard]] std::string_view at(std::size_t row) const { return words[codes[row]]; }
};

/// The lines of all orders, one after another.
struct item_columns {
  std::vector<std::uint32_t> begins;  // rows + 1 of them: those of row r are begins[r]..begins[r+1]
  std::array<text_column, item_fields> texts;
  std::vector<std::int64_t> quantity, price;  // millionths
};

/// Which columns a reader wants. `offset` is always there.
struct column_wish {
  std::set<text_field> texts;
  std::set<number_field> numbers;
  bool items = false;
  std::set<std::string> properties;  // keys of `props`
};

/// Some events of one merchant in the order of their offsets, column by column.
struct event_columns {
  std::size_t rows = 0;
  /// The newest event time of the merchant's fresh events before the first row: time_none if none.
  std::int64_t newest_before_ms = std::numeric_limits<std::int64_t>::min();
  std::array<text_column, text_fields> texts;
  std::array<std::vector<std::int64_t>, number_fields> numbers;
  item_columns items;
  /// Values of properties by key as text: a number as JSON writes it, true, false; lists and maps
  /// as JSON. Absent and null are an empty text.
  std::map<std::string, text_column, std::less<>> properties;
  std::shared_ptr<const void> keep;

  [[nodiscard]] const text_column& text(text_field f) const {
    return texts[static_cast<std::size_t>(f)];
  }
  [[nodiscard]] const std::vector<std::int64_t>& number(number_field f) const {
    return numbers[static_cast<std::size_t>(f)];
  }
};

}  // namespace tally

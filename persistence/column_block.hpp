#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "domain/event.hpp"
#include "domain/event_columns.hpp"
#include "domain/result.hpp"
#include "persistence/column_codec.hpp"

namespace tally::persistence {

/// An event as the log has it, with what counting makes of it.
struct tail_row {
  std::uint64_t offset = 0;
  event_time stamped_at{};
  std::string_view bytes;  // encoded
  row_outcome outcome = row_outcome::fresh;
};

/// All of some events of one merchant. `original` has the encoded bytes of those that encode_event
/// would not give again (a later version wrote fields that this one does not know), else nothing.
struct whole_columns {
  event_columns events;
  text_column original;
};

/// Turns events into columns. Texts of events must live as long as the columns.
class column_builder {
 public:
  void add(std::uint64_t offset, event_time stamped_at, row_outcome outcome, const event& e,
           std::string_view original);
  /// The same from encoded bytes: decodes, and keeps the bytes where they would not come out again.
  void add(const tail_row& row);
  /// A row of other columns of the same merchant.
  void add(const whole_columns& from, std::size_t row);

  [[nodiscard]] std::size_t rows() const { return rows_; }
  /// Gives the columns and begins anew. events.keep is not set.
  [[nodiscard]] whole_columns take();

 private:
  void add_number(number_field f, std::int64_t v);
  void add_text(text_field f, std::string_view v);
  void add_items(const std::vector<order_item>& items);

  std::size_t rows_ = 0;
  whole_columns columns_;
  std::array<word_table, text_fields> texts_;
  std::array<word_table, item_fields> item_texts_;
  word_table originals_;
  event scratch_;
  std::string again_;
};

/// The event of a row; its texts live as long as the columns. `property_keys` stays empty.
void event_at(const event_columns& from, std::string_view merchant, std::size_t row, event& into);
/// Appends the bytes of a row's event, exactly as they were journaled. `scratch` is only kept for
/// its memory.
void append_event(const whole_columns& from, std::string_view merchant, std::size_t row,
                  event& scratch, std::string& out);

/// The columns of events that are not sealed yet, in the form of a block. Copies their bytes.
/// corrupt_record where one does not decode.
result<event_columns> columns_of(const std::vector<tail_row>& rows, const column_wish& wish);

/// Numbers of columns on disk: a text is its text_field, a number 32 + number_field; 64 lines of
/// each order as a list of numbers, 65 + item_field, 71 quantity, 72 price; 73 original bytes.
enum class column_number : std::uint8_t {
  first_number = 32,
  item_counts = 64,
  first_item_text = 65,
  quantity = 71,
  price = 72,
  original = 73,
};
constexpr std::size_t column_numbers = 74;

/// One column as it is before packing. Columns in which nothing is there (no text, numbers 0,
/// amounts absent, count 1, quantity one) are left out.
struct encoded_column {
  std::uint8_t number = 0;
  std::string bytes;
};
/// In the order of their numbers.
[[nodiscard]] std::vector<encoded_column> encode_columns(const whole_columns& columns);

/// Which columns must be decoded for a wish.
[[nodiscard]] std::vector<bool> columns_for(const column_wish& wish);
/// All of them, the original bytes included.
[[nodiscard]] std::vector<bool> all_columns();

/// Decodes columns of `rows` events, of which those with a number in `wanted` are filled; those
/// that are not given get what absence means. Texts point into the given bytes. False where the
/// bytes are damaged. A column after which others are asked for (stamped_at for received_at) is
/// used where given.
[[nodiscard]] bool decode_columns(
    std::size_t rows, const std::vector<std::pair<std::uint8_t, std::string_view>>& given,
    const std::vector<bool>& wanted, whole_columns& into);

/// Fills `properties` from the column of `props`, which must be there.
void add_properties(event_columns& columns, const std::set<std::string>& keys);

}  // namespace tally::persistence

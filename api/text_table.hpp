#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tally::api {

/// Rows for a person to read. Cells are UTF-8.
struct text_table {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;  // short rows are filled with empty cells
};

/// Columns of a terminal that a UTF-8 text takes: 2 for wide characters, 0 for combining ones.
/// Bytes that are no UTF-8 count 1 each.
[[nodiscard]] std::size_t display_width(std::string_view text);

/// Aligned columns, two spaces apart; columns whose cells are all numbers are set to the right.
/// Control characters are shown as '?', so that data cannot steer the terminal.
[[nodiscard]] std::string render(const text_table& table);

/// Appends a field of CSV, in quotes where it needs them (RFC 4180).
void append_csv_field(std::string& out, std::string_view text);
/// RFC 4180 with \n line ends.
[[nodiscard]] std::string render_csv(const text_table& table);

/// One horizontal bar per row, scaled to `width` columns in all: the first column is the label,
/// the first one after it that holds only numbers the value, drawn in eighths of a column.
/// Negative values are drawn to the left of a common zero. Without a number column: render().
[[nodiscard]] std::string render_chart(const text_table& table, std::size_t width);

}  // namespace tally::api

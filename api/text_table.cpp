#include "api/text_table.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

namespace tally::api {

namespace {

struct code_point {
  char32_t value = 0;
  std::size_t bytes = 1;
};

/// The first code point of a text; a wrong byte stands for itself.
code_point first_of(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto lead = byte(0);
  const std::size_t length = lead < 0x80   ? 1
                             : lead < 0xc2 ? 0
                             : lead < 0xe0 ? 2
                             : lead < 0xf0 ? 3
                             : lead < 0xf5 ? 4
                                           : 0;
  if (length == 0 || length > text.size()) return {0xfffd, 1};
  if (length == 1) return {lead, 1};
  char32_t value = lead & (0xffU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0U) != 0x80) return {0xfffd, 1};
    value = value << 6U | (byte(i) & 0x3fU);
  }
  return {value, length};
}

using range = std::pair<char32_t, char32_t>;

// wcwidth() depends on the locale of the process, which a pipe often lacks; these ranges do not.
constexpr std::array<range, 11> combining{
    range{0x0300, 0x036f}, range{0x0483, 0x0489}, range{0x0591, 0x05bd}, range{0x0610, 0x061a},
    range{0x064b, 0x065f}, range{0x0900, 0x0902}, range{0x0e34, 0x0e3a}, range{0x1ab0, 0x1aff},
    range{0x200b, 0x200f}, range{0x20d0, 0x20ff}, range{0xfe00, 0xfe0f}};
constexpr std::array<range, 9> wide{
    range{0x1100, 0x115f}, range{0x2e80, 0x303e},   range{0x3041, 0xa4cf},
    range{0xac00, 0xd7a3}, range{0xf900, 0xfaff},   range{0xfe30, 0xfe6f},
    range{0xff00, 0xff60}, range{0x1f300, 0x1faff}, range{0x20000, 0x3fffd}};

template <std::size_t N>
bool within(const std::array<range, N>& ranges, char32_t c) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [c](const range& r) { return c >= r.first && c <= r.second; });
}

std::string shown(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto c = first_of(text);
    const bool control = c.value < 0x20 || (c.value >= 0x7f && c.value < 0xa0);
    const bool broken = c.value == 0xfffd && c.bytes == 1;
    out += control || broken ? "?" : std::string{text.substr(0, c.bytes)};
    text.remove_prefix(c.bytes);
  }
  return out;
}

std::optional<double> number_in(std::string_view text) {
  if (text.ends_with('%')) text.remove_suffix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_blank(const std::string& cell) {
  return cell.empty() || cell == "-";
}

const std::string& cell(const std::vector<std::string>& row, std::size_t column) {
  static const std::string none;
  return column < row.size() ? row[column] : none;
}

bool is_numeric(const text_table& table, std::size_t column) {
  bool any = false;
  for (const auto& row : table.rows) {
    const auto& text = cell(row, column);
    if (is_blank(text)) continue;
    if (!number_in(text)) return false;
    any = true;
  }
  return any;
}

std::string padded(const std::string& text, std::size_t width, bool right) {
  const auto taken = display_width(text);
  const std::string space(width > taken ? width - taken : 0, ' ');
  return right ? space + text : text + space;
}

std::string line_of(const std::vector<std::string>& row, const std::vector<std::size_t>& widths,
                    const std::vector<bool>& right) {
  std::string out;
  for (std::size_t i = 0; i < widths.size(); ++i) {
    out += (i == 0 ? "" : "  ") + padded(shown(cell(row, i)), widths[i], right[i]);
  }
  while (out.ends_with(' ')) out.pop_back();
  return out + "\n";
}

/// A bar of `eighths` of a column.
std::string bar(std::size_t eighths) {
  static constexpr std::array<std::string_view, 8> parts{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  std::string out;
  for (std::size_t i = 0; i < eighths / 8; ++i) out += "█";
  return out + std::string{parts[eighths % 8]};
}

}  // namespace

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    const auto c = first_of(text);
    width += within(combining, c.value) ? 0 : within(wide, c.value) ? 2 : 1;
    text.remove_prefix(c.bytes);
  }
  return width;
}

std::string render(const text_table& table) {
  std::vector<std::size_t> widths;
  std::vector<bool> right;
  for (std::size_t i = 0; i < table.header.size(); ++i) {
    auto widest = display_width(table.header[i]);
    for (const auto& row : table.rows) {
      widest = std::max(widest, display_width(shown(cell(row, i))));
    }
    widths.push_back(widest);
    right.push_back(is_numeric(table, i));
  }
  auto out = line_of(table.header, widths, right);
  for (const auto& row : table.rows) out += line_of(row, widths, right);
  return out;
}

void append_csv_field(std::string& out, std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) {
    out += text;
    return;
  }
  out += '"';
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

std::string render_csv(const text_table& table) {
  std::string out;
  const auto add = [&](const std::vector<std::string>& row) {
    for (std::size_t i = 0; i < table.header.size(); ++i) {
      out += i == 0 ? "" : ",";
      append_csv_field(out, cell(row, i));
    }
    out += "\n";
  };
  add(table.header);
  for (const auto& row : table.rows) add(row);
  return out;
}

std::string render_chart(const text_table& table, std::size_t width) {
  std::size_t column = 1;
  while (column < table.header.size() && !is_numeric(table, column)) ++column;
  if (column >= table.header.size()) return render(table);
  std::size_t label_width = display_width(table.header[0]), value_width = 0;
  double highest = 0, lowest = 0;
  for (const auto& row : table.rows) {
    label_width = std::max(label_width, display_width(shown(cell(row, 0))));
    value_width = std::max(value_width, display_width(cell(row, column)));
    const auto value = number_in(cell(row, column)).value_or(0);
    highest = std::max(highest, value);
    lowest = std::min(lowest, value);
  }
  const auto taken = label_width + value_width + 4;
  const double room = static_cast<double>(width > taken + 10 ? width - taken : 10);
  const double span = highest - lowest;
  const auto columns_of = [&](double value) { return span > 0 ? value / span * room : 0; };
  const auto left = static_cast<std::size_t>(std::ceil(columns_of(-lowest)));
  std::string out = padded(shown(table.header[0]), label_width, false) + "  " +
                    shown(table.header[column]) + "\n";
  for (const auto& row : table.rows) {
    const auto& text = cell(row, column);
    const auto value = number_in(text).value_or(0);
    out += padded(shown(cell(row, 0)), label_width, false) + "  " +
           padded(text, value_width, true) + "  ";
    if (value < 0) {
      const auto length = std::min(left, static_cast<std::size_t>(std::lround(columns_of(-value))));
      out += std::string(left - length, ' ') + bar(length * 8);
    } else {
      out += std::string(left, ' ') + bar(static_cast<std::size_t>(columns_of(value) * 8));
    }
    while (out.ends_with(' ')) out.pop_back();
    out += "\n";
  }
  return out;
}

}  // namespace tally::api

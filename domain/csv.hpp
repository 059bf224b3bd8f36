#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tally {

/// Why a row is refused; `none` where it was read.
enum class csv_fault : std::uint8_t {
  none,
  torn_line,  // the file ends inside quotes
  bad_quote,  // text between a closing quote and the separator
  too_long,   // more than csv_row_bytes_max
};
[[nodiscard]] std::string_view to_string(csv_fault fault);

constexpr std::size_t csv_row_bytes_max = 1U << 20;

struct csv_row {
  std::vector<std::string> fields;
  std::string text;        // as it stands in the file, without its line end
  std::uint64_t line = 0;  // of its first character, from 1
  csv_fault fault = csv_fault::none;
};

/// Cuts a stream of bytes into rows by RFC 4180: quoted fields may hold separators, line ends and
/// doubled quotes; lines end with \n or \r\n. A quote inside an unquoted field is a character like
/// any other. Empty lines and a UTF-8 byte order mark at the start are skipped. Holds at most one
/// row and one piece. A row with open quotes that grows too long is refused up to its first line
/// end, and reading goes on behind it.
class csv_parser {
 public:
  explicit csv_parser(char separator = ',') : separator_{separator} {}

  /// Adds the next bytes of the file.
  void feed(std::string_view bytes);
  /// Says that no more bytes come.
  void finish() { finished_ = true; }
  /// The next row, good or refused; false where it takes more bytes or all were read.
  [[nodiscard]] bool next(csv_row& row);

 private:
  enum class place : std::uint8_t { field_start, plain, quoted, after_quote };

  [[nodiscard]] bool find_end(std::size_t& end);
  void take(std::size_t end, csv_row& row);
  void split(csv_row& row) const;
  void step(char c);

  char separator_;
  std::string buffer_;
  std::size_t begin_ = 0;              // of the row to come
  std::size_t scanned_ = 0;            // where the search for its end goes on
  place place_ = place::field_start;   // at scanned_
  csv_fault fault_ = csv_fault::none;  // of the row to come
  bool started_ = false, finished_ = false;
  std::uint64_t line_ = 1;
};

}  // namespace tally

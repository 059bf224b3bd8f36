#include "domain/csv.hpp"

#include <gtest/gtest.h>

#include <random>

namespace tally {
namespace {

using fields = std::vector<std::string>;

std::vector<csv_row> rows_of(std::string_view text, std::size_t piece = 1U << 20) {
  csv_parser parser;
  std::vector<csv_row> rows;
  csv_row row;
  while (!text.empty()) {
    const auto taken = text.substr(0, piece);
    text.remove_prefix(taken.size());
    parser.feed(taken);
    while (parser.next(row)) rows.push_back(row);
  }
  parser.finish();
  while (parser.next(row)) rows.push_back(row);
  return rows;
}

TEST(csv, plain_fields_are_cut_at_separators_and_empty_ones_kept) {
  const auto rows = rows_of("a,b,c\n,,\n");
  ASSERT_EQ(rows.size(), 2);
  EXPECT_EQ(rows[0].fields, (fields{"a", "b", "c"}));
  EXPECT_EQ(rows[1].fields, (fields{"", "", ""}));
}

TEST(csv, quoted_fields_hold_separators_doubled_quotes_and_line_ends) {
  const auto rows = rows_of("\"a,b\",\"7\"\" plate\",\"two\nlines\"\nx,\"\",y\n");
  ASSERT_EQ(rows.size(), 2);
  EXPECT_EQ(rows[0].fields, (fields{"a,b", "7\" plate", "two\nlines"}));
  EXPECT_EQ(rows[1].fields, (fields{"x", "", "y"}));
  EXPECT_EQ(rows[1].line, 3);
}

TEST(csv, windows_line_ends_a_byte_order_mark_and_a_missing_last_line_end_are_taken) {
  const auto rows = rows_of(
      "\xef\xbb\xbf"
      "a,\"b\"\r\n\r\nc,d");
  ASSERT_EQ(rows.size(), 2);
  EXPECT_EQ(rows[0].fields, (fields{"a", "b"}));
  EXPECT_EQ(rows[1].fields, (fields{"c", "d"}));
  EXPECT_EQ(rows[1].line, 3);
}

TEST(csv, a_quote_inside_an_unquoted_field_is_a_character) {
  EXPECT_EQ(rows_of("6\" x,y\n")[0].fields, (fields{"6\" x", "y"}));
}

TEST(csv, text_behind_a_closing_quote_refuses_the_row_and_the_next_is_read) {
  const auto rows = rows_of("\"a\"b,c\nd,e\n");
  ASSERT_EQ(rows.size(), 2);
  EXPECT_EQ(rows[0].fault, csv_fault::bad_quote);
  EXPECT_EQ(rows[0].text, "\"a\"b,c");
  EXPECT_EQ(rows[1].fields, (fields{"d", "e"}));
}

TEST(csv, a_file_that_ends_inside_quotes_is_torn) {
  const auto rows = rows_of("a,b\nc,\"d");
  ASSERT_EQ(rows.size(), 2);
  EXPECT_EQ(rows[1].fault, csv_fault::torn_line);
  EXPECT_EQ(rows[1].line, 2);
}

TEST(csv, an_open_quote_that_never_closes_costs_one_line_not_the_file) {
  std::string text = "a,\"open\n";
  while (text.size() < 2 * csv_row_bytes_max) text += "x,y\n";
  const auto rows = rows_of(text, 64 * 1024);
  ASSERT_GT(rows.size(), 2);
  EXPECT_EQ(rows[0].fault, csv_fault::too_long);
  EXPECT_EQ(rows[0].text, "a,\"open");
  EXPECT_EQ(rows[1].fields, (fields{"x", "y"}));
  EXPECT_EQ(rows[1].line, 2);
  EXPECT_EQ(rows.size(), 1 + (text.size() - 8) / 4);
}

TEST(csv, the_size_of_the_pieces_changes_nothing) {
  std::mt19937 random{7};
  constexpr std::string_view alphabet = "ab,\"\r\n";
  for (int round = 0; round < 300; ++round) {
    std::string text;
    for (int i = 0; i < 60; ++i) text += alphabet[random() % alphabet.size()];
    const auto whole = rows_of(text);
    for (const std::size_t piece : {1, 2, 3, 7}) {
      const auto pieces = rows_of(text, piece);
      ASSERT_EQ(pieces.size(), whole.size()) << text;
      for (std::size_t i = 0; i < whole.size(); ++i) {
        EXPECT_EQ(pieces[i].fields, whole[i].fields) << text;
        EXPECT_EQ(pieces[i].text, whole[i].text) << text;
        EXPECT_EQ(pieces[i].line, whole[i].line) << text;
        EXPECT_EQ(pieces[i].fault, whole[i].fault) << text;
      }
    }
  }
}

}  // namespace
}  // namespace tally

#include "api/text_table.hpp"

#include <gtest/gtest.h>

namespace tally::api {
namespace {

TEST(text_table, numbers_go_right_and_text_goes_left) {
  EXPECT_EQ(render({{"name", "n"}, {{"a", "1"}, {"long", "23"}}}),
            "name   n\n"
            "a      1\n"
            "long  23\n");
}

TEST(text_table, wide_and_combining_characters_keep_columns_aligned) {
  EXPECT_EQ(display_width("日本"), 4);
  EXPECT_EQ(display_width("e\xcc\x81"), 1);
  EXPECT_EQ(display_width("\xff\xfe"), 2);
  EXPECT_EQ(render({{"w", "x"}, {{"日本", "a"}, {"abc", "b"}}}),
            "w     x\n"
            "日本  a\n"
            "abc   b\n");
}

TEST(text_table, control_characters_cannot_reach_the_terminal) {
  EXPECT_EQ(render({{"a"}, {{"x\x1b[31m\n"}}}), "a\nx?[31m?\n");
}

TEST(text_table, short_rows_are_filled_and_an_empty_table_is_its_header) {
  EXPECT_EQ(render({{"a", "b"}, {{"x"}}}), "a  b\nx\n");
  EXPECT_EQ(render({{"a", "b"}, {}}), "a  b\n");
}

TEST(text_table, csv_quotes_what_needs_it) {
  EXPECT_EQ(render_csv({{"a", "b"}, {{"x,y", "say \"hi\""}, {"l1\nl2", ""}}}),
            "a,b\n\"x,y\",\"say \"\"hi\"\"\"\n\"l1\nl2\",\n");
}

TEST(text_chart, bars_are_scaled_to_the_longest) {
  EXPECT_EQ(render_chart({{"day", "orders"}, {{"1", "10"}, {"2", "5"}, {"3", "0"}}}, 19),
            "day  orders\n"
            "1    10  ██████████\n"
            "2     5  █████\n"
            "3     0\n");
}

TEST(text_chart, an_eighth_of_a_column_is_seen) {
  EXPECT_EQ(render_chart({{"d", "n"}, {{"1", "80"}, {"2", "9"}}}, 17),
            "d  n\n"
            "1  80  ██████████\n"
            "2   9  █▏\n");
}

TEST(text_chart, negative_values_go_left_of_a_common_zero) {
  EXPECT_EQ(render_chart({{"d", "n"}, {{"1", "5"}, {"2", "-5"}}}, 17),
            "d  n\n"
            "1   5       █████\n"
            "2  -5  █████\n");
}

TEST(text_chart, without_a_number_column_it_is_a_table) {
  EXPECT_EQ(render_chart({{"d", "n"}, {{"1", "x"}}}, 40), render({{"d", "n"}, {{"1", "x"}}}));
}

}  // namespace
}  // namespace tally::api

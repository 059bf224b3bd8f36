#include "persistence/column_block.hpp"

#include <gtest/gtest.h>

#include <random>

#include "persistence/event_codec.hpp"
#include "tests/golden.hpp"
#include "tests/support/random_events.hpp"

namespace tally::persistence {
namespace {

std::string text_of_numbers(const std::vector<std::int64_t>& values,
                            const std::vector<std::int64_t>* base = nullptr) {
  std::string out;
  encode_numbers(out, values, base);
  return out;
}

void expect_numbers_again(const std::vector<std::int64_t>& values,
                          const std::vector<std::int64_t>* base = nullptr) {
  const auto bytes = text_of_numbers(values, base);
  std::vector<std::int64_t> again;
  byte_reader in{bytes};
  ASSERT_TRUE(decode_numbers(in, values.size(), again, base));
  EXPECT_TRUE(in.at_end());
  EXPECT_EQ(again, values);
}

TEST(column_codec, any_numbers_come_back) {
  std::mt19937_64 random{1};
  std::vector<std::int64_t> edges{0, 1, -1, no_number, no_number + 1, INT64_MAX};
  expect_numbers_again({});
  expect_numbers_again({no_number});
  expect_numbers_again(edges);
  for (int i = 0; i < 300; ++i) {
    std::vector<std::int64_t> values(1 + random() % 50), base;
    const auto bits = random() % 64;
    for (auto& v : values) {
      v = static_cast<std::int64_t>(random() >> bits);
      if (random() % 5 == 0) v = edges[random() % edges.size()];
      base.push_back(random() % 3 == 0 ? v : static_cast<std::int64_t>(random() >> bits));
    }
    expect_numbers_again(values);
    expect_numbers_again(values, &base);
  }
}

TEST(column_codec, rising_and_equal_numbers_need_a_byte_each_at_most) {
  std::vector<std::int64_t> rising, near;
  for (std::int64_t i = 0; i < 1'000; ++i) rising.push_back(1'700'000'000'000 + i * 60);
  for (std::int64_t i = 0; i < 1'000; ++i)
    near.push_back(rising[static_cast<std::size_t>(i)] + i % 7);
  EXPECT_LT(text_of_numbers(std::vector<std::int64_t>(1'000, 5)).size(), 4u);
  EXPECT_LT(text_of_numbers(near, &rising).size(), 1'010u);
}

TEST(column_codec, any_texts_come_back) {
  std::mt19937 random{2};
  for (int i = 0; i < 200; ++i) {
    const auto rows = random() % 400;
    const auto words = 1 + random() % 400;
    std::vector<std::string> held(words);
    for (auto& w : held) w.assign(random() % 9, static_cast<char>(random() % 256));
    word_table table;
    text_column column;
    for (std::size_t row = 0; row < rows; ++row)
      column.codes.push_back(table.code_of(held[random() % words]));
    column.words = table.words();
    std::string bytes;
    encode_texts(bytes, column);
    text_column again;
    byte_reader in{bytes};
    ASSERT_TRUE(decode_texts(in, rows, again));
    EXPECT_TRUE(in.at_end());
    EXPECT_EQ(again.codes, column.codes);
    EXPECT_EQ(again.words, column.words);
  }
}

TEST(column_codec, a_value_with_any_flipped_bit_is_refused) {
  for (const auto& plain : {std::string{"short"}, std::string(3'000, 'a')}) {
    const auto value = pack_value(plain);
    ASSERT_EQ(unpack_value(value), plain);
    for (std::size_t bit = 0; bit < value.size() * 8; ++bit) {
      auto damaged = value;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
      ASSERT_FALSE(unpack_value(damaged)) << bit;
    }
  }
}

std::vector<tail_row> rows_of(const std::vector<testing::placed_event>& events) {
  std::vector<tail_row> rows;
  for (const auto& e : events)
    rows.push_back({e.offset, e.stamped_at, e.bytes, static_cast<row_outcome>(e.offset % 4)});
  return rows;
}

/// The columns as they come back from disk; `kept` holds their bytes.
whole_columns stored_and_read(const whole_columns& columns, std::vector<encoded_column>& kept) {
  kept = encode_columns(columns);
  std::vector<std::pair<std::uint8_t, std::string_view>> given;
  for (const auto& c : kept) given.emplace_back(c.number, c.bytes);
  whole_columns again;
  EXPECT_TRUE(decode_columns(columns.events.rows, given, all_columns(), again));
  return again;
}

void expect_rows(const whole_columns& columns, const std::vector<tail_row>& rows) {
  ASSERT_EQ(columns.events.rows, rows.size());
  event scratch;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::string bytes;
    append_event(columns, "shop", i, scratch, bytes);
    ASSERT_EQ(bytes, rows[i].bytes) << i;
    EXPECT_EQ(columns.events.number(number_field::offset)[i],
              static_cast<std::int64_t>(rows[i].offset));
    EXPECT_EQ(columns.events.number(number_field::stamped_at)[i], to_ms(rows[i].stamped_at));
    EXPECT_EQ(columns.events.number(number_field::outcome)[i],
              static_cast<std::int64_t>(rows[i].outcome));
  }
}

TEST(column_block, events_come_back_to_the_byte) {
  for (std::uint32_t seed = 1; seed < 20; ++seed) {
    const auto events = testing::random_events(seed, seed * 20);
    const auto rows = rows_of(events);
    column_builder builder;
    for (const auto& row : rows) builder.add(row);
    const auto columns = builder.take();
    expect_rows(columns, rows);
    std::vector<encoded_column> kept;
    const auto again = stored_and_read(columns, kept);
    expect_rows(again, rows);
    column_builder merged;  // columns of columns
    for (std::size_t i = 0; i < rows.size(); ++i) merged.add(again, i);
    expect_rows(merged.take(), rows);
  }
}

/// One event in which everything is set.
std::string full_event() {
  event e;
  e.merchant = "shop";
  e.kind = event_kind::identify;
  e.id = "id";
  e.origin = id_origin::minted;
  e.sent = {time_form::other_text, time_from_ms(1'700'000'000'123),
            "2023-11-14T22:13:20.123+00:00"};
  e.at = time_from_ms(1'700'000'000'456);
  e.received_at = time_from_ms(1'700'000'000'789);
  e.name = "purchase";
  e.visitor = "v";
  e.user = "u";
  e.session = "s";
  e.url = "https://shop.example/?a=b";
  e.referrer = "https://search.example/";
  e.title = "t";
  e.language = "en";
  e.screen = "1x1";
  e.country = "GB";
  e.device = "desktop";
  e.browser = "firefox";
  e.os = "linux";
  e.agent = "agent";
  e.network = "10.0.0";
  e.props = std::string_view{"\x81\xa1k\x01", 4};
  e.extra = std::string_view{"\x81\xa1x\xc0", 4};
  e.raw = "raw";
  e.count = 7;
  e.has_order = true;
  e.order = {"o",      "GBP",     "c",      "card",   "web",    money{1},
             money{0}, money{-3}, money{4}, money{5}, money{6}, {}};
  e.order.items.push_back({"i", "s", "n", "c", "b", "v", money{2'000'000}, money{2'550'000}});
  e.order.items.push_back({"j", {}, {}, {}, {}, {}, money{0}, money{0}});
  std::string bytes;
  encode_event(e, bytes);
  return bytes;
}

/// Events with what their encoder would not write today.
std::vector<std::string> strange_events() {
  const std::string_view with_unknown_key{
      "\x83\x00\xa4shop\x09\xa3"
      "foo\x63\x05",
      14};
  const std::string_view name_as_text{"\x82\x00\xa4shop\x09\xa8purchase", 16};
  const std::string_view empty_order{"\x82\x00\xa4shop\x18\x1c\x80", 10};
  const std::string_view of_a_later_kind{"\x82\x00\xa4shop\x01\x70", 9};
  return {std::string{with_unknown_key}, std::string{name_as_text}, std::string{empty_order},
          std::string{of_a_later_kind}, full_event()};
}

TEST(column_block, events_of_a_later_version_come_back_to_the_byte) {
  const auto events = strange_events();
  std::vector<tail_row> rows;
  for (const auto& bytes : events)
    rows.push_back({rows.size() + 1, time_from_ms(9), bytes, row_outcome::fresh});
  column_builder builder;
  for (const auto& row : rows) builder.add(row);
  const auto columns = builder.take();
  expect_rows(columns, rows);
  EXPECT_EQ(columns.original.at(0), events[0]);
  EXPECT_EQ(columns.original.at(1), events[1]);
  EXPECT_EQ(columns.original.at(4), "");
  std::vector<encoded_column> kept;
  expect_rows(stored_and_read(columns, kept), rows);
}

TEST(column_block, only_what_is_wished_is_decoded) {
  const auto events = testing::random_events(3, 50);
  const auto rows = rows_of(events);
  column_builder builder;
  for (const auto& row : rows) builder.add(row);
  const auto columns = builder.take();
  const auto stored = encode_columns(columns);
  std::vector<std::pair<std::uint8_t, std::string_view>> given;
  for (const auto& c : stored) given.emplace_back(c.number, c.bytes);
  column_wish wish;
  wish.texts = {text_field::name, text_field::coupon};
  wish.numbers = {number_field::received_at};
  whole_columns some;
  ASSERT_TRUE(decode_columns(rows.size(), given, columns_for(wish), some));
  EXPECT_EQ(some.events.number(number_field::received_at),
            columns.events.number(number_field::received_at));
  EXPECT_EQ(some.events.text(text_field::name).at(7), columns.events.text(text_field::name).at(7));
  EXPECT_EQ(some.events.text(text_field::coupon).at(49), "");
  EXPECT_TRUE(some.events.text(text_field::id).codes.empty());
  EXPECT_TRUE(some.events.items.begins.empty());
  EXPECT_EQ(some.events.number(number_field::offset).size(), rows.size());
}

TEST(column_block, properties_are_texts_as_json_writes_them) {
  using namespace std::string_view_literals;
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"\x81\xa1k\x01"sv, "1"},
      {"\x81\xa1k\xff"sv, "-1"},
      {"\x81\xa1k\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a"sv, "0.1"},
      {"\x81\xa1k\xca\x3e\x80\x00\x00"sv, "0.25"},
      {"\x81\xa1k\xcf\xff\xff\xff\xff\xff\xff\xff\xff"sv, "18446744073709551615"},
      {"\x81\xa1k\xc3"sv, "true"},
      {"\x81\xa1k\xc2"sv, "false"},
      {"\x81\xa1k\xc0"sv, ""},
      {"\x81\xa1k\xa2hi"sv, "hi"},
      {"\x81\xa1k\x92\x01\xa1\""sv, "[1,\"\\\"\"]"},
      {"\x81\xa1k\x82\xa1"
       "a\xc0\xa1"
       "b\x81\xa1"
       "c\xc3"sv,
       "{\"a\":null,\"b\":{\"c\":true}}"},
      {"\x81\xa1x\x01"sv, ""},
      {""sv, ""},
      {"\x82\x01\x02\xa1k\xa1v"sv, "v"},
  };
  std::vector<std::string> bytes;
  for (const auto& [props, text] : cases) {
    event e;
    e.merchant = "shop";
    e.name = "n";
    e.props = props;
    encode_event(e, bytes.emplace_back());
  }
  std::vector<tail_row> rows;
  for (const auto& b : bytes) rows.push_back({rows.size() + 1, {}, b, row_outcome::fresh});
  column_wish wish;
  wish.properties = {"k", "nowhere"};
  const auto columns = columns_of(rows, wish);
  ASSERT_TRUE(columns) << columns.error().text();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(columns->properties.at("k").at(i), cases[i].second) << i;
    EXPECT_EQ(columns->properties.at("nowhere").at(i), "") << i;
  }
}

TEST(column_block, damaged_columns_are_refused_or_harmless) {
  const auto events = testing::random_events(5, 40);
  column_builder builder;
  for (const auto& row : rows_of(events)) builder.add(row);
  const auto columns = builder.take();
  const auto stored = encode_columns(columns);
  std::mt19937 random{4};
  for (int i = 0; i < 3'000; ++i) {
    auto damaged = stored;
    auto& bytes = damaged[random() % damaged.size()].bytes;
    auto& at = bytes[random() % bytes.size()];
    if (random() % 4 == 0)
      bytes.resize(random() % bytes.size());
    else
      at = static_cast<char>(random());
    std::vector<std::pair<std::uint8_t, std::string_view>> given;
    for (const auto& c : damaged) given.emplace_back(c.number, c.bytes);
    whole_columns again;
    if (!decode_columns(columns.events.rows, given, all_columns(), again)) continue;
    event scratch;
    std::string out;
    for (std::size_t row = 0; row < again.events.rows; ++row)
      append_event(again, "shop", row, scratch, out);
  }
}

TEST(column_block, bytes_of_version_1_stay_readable) {
  auto events = testing::random_events(8, 30);
  for (const auto& strange : strange_events())
    events.push_back({strange, events.back().offset + 1, events.back().stamped_at});
  const auto rows = rows_of(events);
  column_builder builder;
  for (const auto& row : rows) builder.add(row);
  std::string today;
  byte_writer out{today};
  for (const auto& c : encode_columns(builder.take())) {
    out.u8(c.number);
    out.text(c.bytes);
  }
  EXPECT_EQ(testing::golden("persistence/golden/columns_v1.bin", today), today);
  const auto packed =
      testing::golden("persistence/golden/columns_v1_packed.bin", pack_value(today));
  EXPECT_EQ(unpack_value(packed), today);
}

}  // namespace
}  // namespace tally::persistence

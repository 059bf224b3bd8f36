#include "domain/rows.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>

#include "tests/golden.hpp"

namespace tally {
namespace {

constexpr auto lowest = std::numeric_limits<std::int64_t>::min();
constexpr auto highest = std::numeric_limits<std::int64_t>::max();

template <class Row>
struct kind_of;
template <>
struct kind_of<traffic_row> {
  static constexpr auto value = row_kind::traffic;
};
template <>
struct kind_of<commerce_row> {
  static constexpr auto value = row_kind::commerce;
};
template <>
struct kind_of<name_row> {
  static constexpr auto value = row_kind::name;
};
template <>
struct kind_of<operations_row> {
  static constexpr auto value = row_kind::operations;
};

template <class Row>
std::string encoded(const Row& row) {
  std::string bytes;
  byte_writer out{bytes};
  encode(out, row);
  return bytes;
}

template <class Row>
bool decodes(std::string_view bytes) {
  byte_reader in{bytes};
  Row row;
  decode(in, row);
  return in.ok() && in.at_end();
}

using generator = std::mt19937_64;

std::int64_t any_count(generator& random) {
  return static_cast<std::int64_t>(random() >> (1 + random() % 60)) - 100;
}

unique_set any_set(generator& random) {
  unique_set set;
  for (auto left = random() % (random() % 8 == 0 ? 2'000 : 4); left > 0; --left) set.add(random());
  return set;
}

void fill(traffic_row& row, generator& random) {
  for (auto field :
       {&traffic_row::events, &traffic_row::pageviews, &traffic_row::visits, &traffic_row::bounces,
        &traffic_row::visit_pageviews, &traffic_row::visit_ms, &traffic_row::with_cart,
        &traffic_row::with_checkout, &traffic_row::with_purchase, &traffic_row::cart_then_checkout,
        &traffic_row::completed, &traffic_row::abandoned}) {
    row.*field = any_count(random);
  }
  row.visitors = any_set(random);
}

void fill(commerce_row& row, generator& random) {
  row.orders = any_count(random);
  row.refund_events = any_count(random);
  for (auto field : {&commerce_row::units, &commerce_row::gross_sales, &commerce_row::discounts,
                     &commerce_row::refunds, &commerce_row::tax, &commerce_row::shipping}) {
    row.*field = static_cast<money_sum>(any_count(random)) * any_count(random);
  }
  row.customers = any_set(random);
}

void fill(name_row& row, generator& random) {
  row.events = any_count(random);
  row.visitors = any_set(random);
}

void fill(operations_row& row, generator& random) {
  row.accepted = any_count(random);
  row.duplicate = any_count(random);
  row.late = any_count(random);
  for (auto left = random() % 4; left > 0; --left) {
    row.rejected["code" + std::to_string(random() % 6)] = any_count(random);
    row.filtered[std::string(random() % 3, 'x')] = any_count(random);
    row.lag.add(any_count(random), random() % 9);
  }
}

template <class Row>
Row any_row(generator& random) {
  Row row;
  fill(row, random);
  return row;
}

template <class Row>
class rows : public ::testing::Test {};
using kinds = ::testing::Types<traffic_row, commerce_row, name_row, operations_row>;
TYPED_TEST_SUITE(rows, kinds);

TYPED_TEST(rows, come_back_from_their_bytes) {
  generator random{1};
  for (int round = 0; round < 200; ++round) {
    const auto row = round == 0 ? TypeParam{} : any_row<TypeParam>(random);
    const auto bytes = encoded(row) + "more";
    byte_reader in{bytes};
    auto back = any_row<TypeParam>(random);
    decode(in, back);
    ASSERT_TRUE(in.ok());
    EXPECT_EQ(in.rest(), "more");
    EXPECT_EQ(back, row);
  }
}

TYPED_TEST(rows, merge_in_any_order_and_grouping) {
  generator random{2};
  for (int round = 0; round < 100; ++round) {
    const auto a = any_row<TypeParam>(random);
    const auto b = any_row<TypeParam>(random);
    const auto c = any_row<TypeParam>(random);
    auto left = a;
    merge(left, b);
    merge(left, c);
    auto right = c;
    merge(right, b);
    auto other = a;
    merge(other, right);
    EXPECT_EQ(left, other);
    EXPECT_EQ(encoded(left), encoded(other));
    auto with_nothing = a;
    merge(with_nothing, TypeParam{});
    EXPECT_EQ(with_nothing, a);
  }
}

TYPED_TEST(rows, merge_as_bytes_like_they_merge_as_rows) {
  generator random{3};
  for (int round = 0; round < 100; ++round) {
    auto a = any_row<TypeParam>(random);
    const auto b = any_row<TypeParam>(random);
    auto bytes = encoded(a);
    EXPECT_TRUE(merge_encoded(kind_of<TypeParam>::value, bytes, encoded(b)));
    merge(a, b);
    EXPECT_EQ(bytes, encoded(a));
    EXPECT_TRUE(merge_encoded(kind_of<TypeParam>::value, bytes, ""));
    EXPECT_EQ(bytes, encoded(a));
    std::string nothing;
    EXPECT_TRUE(merge_encoded(kind_of<TypeParam>::value, nothing, bytes));
    EXPECT_EQ(nothing, bytes);
  }
}

TYPED_TEST(rows, every_cut_of_their_bytes_fails) {
  generator random{4};
  for (int round = 0; round < 20; ++round) {
    const auto bytes = encoded(any_row<TypeParam>(random));
    for (std::size_t size = 0; size < std::min<std::size_t>(bytes.size(), 300); ++size) {
      EXPECT_FALSE(decodes<TypeParam>(std::string_view{bytes}.substr(0, size)));
    }
  }
}

TYPED_TEST(rows, a_merge_with_damaged_bytes_changes_nothing) {
  generator random{5};
  const auto whole = encoded(any_row<TypeParam>(random));
  const auto kind = kind_of<TypeParam>::value;
  for (const auto& damaged : {whole.substr(0, whole.size() - 1), whole + "x", "\2" + whole}) {
    auto into = whole;
    EXPECT_FALSE(merge_encoded(kind, into, damaged));
    EXPECT_EQ(into, whole);
    into = damaged;
    EXPECT_FALSE(merge_encoded(kind, into, whole));
    EXPECT_EQ(into, damaged);
  }
}

TYPED_TEST(rows, random_damage_is_refused_or_decodes_to_something_that_merges) {
  generator random{6};
  int readable = 0;
  for (int round = 0; round < 5'000; ++round) {
    auto bytes = encoded(any_row<TypeParam>(random));
    for (int i = 0; i < 2; ++i) bytes[random() % bytes.size()] = static_cast<char>(random());
    auto into = bytes;
    readable += merge_encoded(kind_of<TypeParam>::value, into, bytes);
  }
  EXPECT_GT(readable, 0);
}

TEST(rows_of_an_unknown_kind, do_not_merge) {
  std::string into;
  EXPECT_FALSE(merge_encoded(row_kind{9}, into, ""));
}

TEST(traffic_row, counters_at_their_ends_come_back_and_a_wider_one_fails) {
  traffic_row row;
  row.events = lowest;
  row.pageviews = highest;
  const auto bytes = encoded(row);
  byte_reader in{bytes};
  traffic_row back;
  decode(in, back);
  EXPECT_TRUE(in.ok());
  EXPECT_EQ(back, row);

  std::string wide;
  byte_writer out{wide};
  out.u8(1);
  out.zigzag(static_cast<int128>(highest) + 1);
  EXPECT_FALSE(decodes<traffic_row>(wide + bytes.substr(11)));
}

TEST(commerce_row, sums_may_exceed_64_bits) {
  commerce_row row;
  row.gross_sales = highest;
  for (int i = 0; i < 10; ++i) merge(row, commerce_row{row});
  EXPECT_TRUE(row.gross_sales == static_cast<int128>(highest) * 1'024);
  const auto bytes = encoded(row);
  byte_reader in{bytes};
  commerce_row back;
  decode(in, back);
  EXPECT_EQ(back, row);
}

TEST(operations_row, names_that_do_not_ascend_fail) {
  operations_row row;
  row.rejected = {{"aa", 1}, {"bb", 2}};
  auto bytes = encoded(row);
  EXPECT_TRUE(decodes<operations_row>(bytes));
  const auto second = bytes.find("bb");
  bytes.replace(second, 2, "aa");
  EXPECT_FALSE(decodes<operations_row>(bytes));
}

TEST(operations_row, a_map_that_claims_too_many_names_fails) {
  EXPECT_FALSE(decodes<operations_row>({"\1\0\0\0\xff\xff\xff\xff\xff\xff\1\0\0\0\0\0", 16}));
}

TEST(rows_of_the_first_release, stay_readable) {
  traffic_row traffic{12, 7, 3, 1, 7, 91'000, 2, 1, 1, 1, 1, -1, {}};
  commerce_row commerce{2, 1, 7'000'000, highest, -3, 4, 5, 6, {}};
  commerce.gross_sales *= 5;
  name_row name{1'000, {}};
  operations_row operations{100, 3, 2, {{"bad_amount", 2}, {"over_quota", 1}}, {{"bot", 9}}, {}};
  for (const auto ms : {0, 180, 86'400'000}) operations.lag.add(ms, 5);
  generator random{7};
  while (traffic.visitors.estimate() < 3) traffic.visitors.add(random());
  while (commerce.customers.exact()) commerce.customers.add(random());
  while (name.visitors.relative_error() < 0.001) name.visitors.add(random());

  std::string today;
  byte_writer out{today};
  encode(out, traffic);
  encode(out, commerce);
  encode(out, name);
  encode(out, operations);
  const auto kept = testing::golden("domain/golden/rows_v1.bin", today);
  EXPECT_EQ(kept, today);
  byte_reader in{kept};
  traffic_row old_traffic;
  commerce_row old_commerce;
  name_row old_name;
  operations_row old_operations;
  decode(in, old_traffic);
  decode(in, old_commerce);
  decode(in, old_name);
  decode(in, old_operations);
  EXPECT_TRUE(in.ok() && in.at_end());
  EXPECT_EQ(old_traffic, traffic);
  EXPECT_EQ(old_commerce, commerce);
  EXPECT_EQ(old_name, name);
  EXPECT_EQ(old_operations, operations);
}

}  // namespace
}  // namespace tally

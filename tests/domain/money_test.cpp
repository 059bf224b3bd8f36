#include "domain/money.hpp"

#include <gtest/gtest.h>

#include <random>

using namespace tally;

namespace {

std::optional<std::int64_t> parsed(std::string_view text) {
  const auto m = parse_decimal(text);
  return m ? std::optional{m->millionths} : std::nullopt;
}

/// value / 10^places, rounded half to even, by schoolbook steps on decimal text.
int128 half_even(int128 value, int places) {
  int128 scale = 1;
  for (int i = 0; i < places; ++i) scale *= 10;
  int128 low = value / scale;
  if (low * scale > value) --low;
  const int128 above = value - low * scale;
  if (above * 2 < scale) return low;
  if (above * 2 > scale) return low + 1;
  return low % 2 == 0 ? low : low + 1;
}

std::string decimal_text(std::int64_t value, int places) {
  auto digits = std::to_string(value < 0 ? -value : value);
  const auto wanted = static_cast<std::size_t>(places) + 1;
  if (digits.size() < wanted) digits.insert(0, wanted - digits.size(), '0');
  digits.insert(digits.size() - static_cast<std::size_t>(places), ".");
  return (value < 0 ? "-" : "") + digits;
}

}  // namespace

TEST(money, reads_plain_decimals) {
  EXPECT_EQ(parsed("12.50"), 12'500'000);
  EXPECT_EQ(parsed("-3"), -3'000'000);
  EXPECT_EQ(parsed("+3"), 3'000'000);
  EXPECT_EQ(parsed(".5"), 500'000);
  EXPECT_EQ(parsed("5."), 5'000'000);
  EXPECT_EQ(parsed("0"), 0);
  EXPECT_EQ(parsed("-0.0"), 0);
  EXPECT_EQ(parsed("000012.5"), 12'500'000);
  EXPECT_EQ(parsed("0.000001"), 1);
}

TEST(money, reads_exponents_exactly) {
  EXPECT_EQ(parsed("1e-2"), 10'000);
  EXPECT_EQ(parsed("25e2"), 2'500'000'000);
  EXPECT_EQ(parsed("25E+2"), 2'500'000'000);
  EXPECT_EQ(parsed("1e-6"), 1);
  EXPECT_EQ(parsed("1e-7"), 0);
  EXPECT_EQ(parsed("6e-7"), 1);
  EXPECT_EQ(parsed("1e-999999999999999999999"), 0);
  EXPECT_EQ(parsed("0e999999999999999999999"), 0);
  EXPECT_EQ(parsed("0.00000000000000000000001e23"), 1'000'000);
  EXPECT_EQ(parsed("100000000000000000000000e-23"), 1'000'000);
}

TEST(money, rounds_half_to_even_at_the_sixth_place) {
  EXPECT_EQ(parsed("0.0000005"), 0);
  EXPECT_EQ(parsed("0.0000015"), 2);
  EXPECT_EQ(parsed("0.0000025"), 2);
  EXPECT_EQ(parsed("0.00000250000000000000000000000001"), 3);
  EXPECT_EQ(parsed("-0.0000015"), -2);
  EXPECT_EQ(parsed("-0.0000025"), -2);
  EXPECT_EQ(parsed("0.00000005"), 0);
  EXPECT_EQ(parsed("0.9999995"), 1'000'000);
}

TEST(money, refuses_what_is_no_decimal) {
  for (const auto* text : {"",      "-",     "+",   ".",   "-.",    "2,55",  "1e",       "1e+",
                           "e5",    ".e5",   "0x1", "1 ",  " 1",    "--1",   "+-1",      "1.2.3",
                           "1e2.5", "1e2e3", "NaN", "inf", "1_000", "1'000", "\xd9\xa1", "1e-"})
    EXPECT_EQ(parsed(text), std::nullopt) << text;
  EXPECT_EQ(parsed(std::string_view{"1\0", 2}), std::nullopt);
}

TEST(money, keeps_the_limit_of_nine_million_millions) {
  EXPECT_EQ(parsed("9e12"), amount_millionths_max);
  EXPECT_EQ(parsed("-9000000000000"), -amount_millionths_max);
  EXPECT_EQ(parsed("9000000000000.0000005"), amount_millionths_max);
  EXPECT_EQ(parsed("9000000000000.0000006"), std::nullopt);
  EXPECT_EQ(parsed("-9000000000000.000001"), std::nullopt);
  EXPECT_EQ(parsed("9999999999999.999999"), std::nullopt);
  EXPECT_EQ(parsed("1e13"), std::nullopt);
  EXPECT_EQ(parsed("1e999999999"), std::nullopt);
  EXPECT_EQ(parsed("1e99999999999999999999"), std::nullopt);
  EXPECT_EQ(parsed(std::string(100'000, '9')), std::nullopt);
}

TEST(money, parsing_agrees_with_integer_arithmetic) {
  std::mt19937_64 random{1};
  for (int i = 0; i < 200'000; ++i) {
    const auto value = static_cast<std::int64_t>(random()) >> (random() % 60 + 2);
    const int places = static_cast<int>(random() % 15);
    const int shift = static_cast<int>(random() % 7) - 3;
    const auto text = decimal_text(value, places) + "e" + std::to_string(shift);
    const int surplus = places - shift - 6;
    int128 expected = value;
    if (surplus > 0) expected = half_even(expected, surplus);
    for (int n = surplus; n < 0; ++n) expected *= 10;
    const bool fits = expected <= amount_millionths_max && expected >= -amount_millionths_max;
    const auto read = parsed(text);
    ASSERT_EQ(read.has_value(), fits) << text;
    if (fits) {
      ASSERT_EQ(*read, static_cast<std::int64_t>(expected)) << text;
    }
  }
}

TEST(money, multiplying_agrees_with_wide_integers) {
  std::mt19937_64 random{2};
  for (int i = 0; i < 200'000; ++i) {
    const money a{static_cast<std::int64_t>(random()) >> (random() % 63)};
    const money b{static_cast<std::int64_t>(random()) >> (random() % 63)};
    const auto expected = half_even(int128{a.millionths} * b.millionths, 6);
    const bool fits = expected <= amount_millionths_max && expected >= -amount_millionths_max;
    const auto product = multiply(a, b);
    ASSERT_EQ(product.has_value(), fits) << a.millionths << " x " << b.millionths;
    if (fits) {
      ASSERT_EQ(product->millionths, static_cast<std::int64_t>(expected));
    }
  }
  EXPECT_EQ(multiply({6'000'000}, {2'550'000})->millionths, 15'300'000);
}

TEST(money, multiplying_rounds_half_to_even) {
  EXPECT_EQ(multiply({1}, {500'000})->millionths, 0);
  EXPECT_EQ(multiply({3}, {500'000})->millionths, 2);
  EXPECT_EQ(multiply({5}, {500'000})->millionths, 2);
  EXPECT_EQ(multiply({-3}, {500'000})->millionths, -2);
}

TEST(money, adding_stops_at_the_limit) {
  EXPECT_EQ(checked_add({1}, {-3})->millionths, -2);
  EXPECT_EQ(checked_add({amount_millionths_max}, {0})->millionths, amount_millionths_max);
  EXPECT_FALSE(checked_add({amount_millionths_max}, {1}));
  EXPECT_FALSE(checked_add({-amount_millionths_max}, {-amount_millionths_max}));
}

TEST(money, is_written_with_as_many_places_as_needed) {
  EXPECT_EQ(format_decimal(12'500'000, 2), "12.50");
  EXPECT_EQ(format_decimal(125'000, 2), "0.125");
  EXPECT_EQ(format_decimal(-125'000, 2), "-0.125");
  EXPECT_EQ(format_decimal(1, 2), "0.000001");
  EXPECT_EQ(format_decimal(0, 0), "0");
  EXPECT_EQ(format_decimal(0, 2), "0.00");
  EXPECT_EQ(format_decimal(12'000'000, 0), "12");
  EXPECT_EQ(format_decimal(12'300'000, 0), "12.3");
  EXPECT_EQ(format_decimal(100'000'000, 0), "100");
  EXPECT_EQ(format_decimal(1'000'000, 8), "1.00000000");
  const auto least = static_cast<int128>(uint128{1} << 127);
  EXPECT_EQ(format_decimal(least, 2), "-170141183460469231731687303715884.105728");
}

TEST(money, reads_what_it_writes) {
  std::mt19937_64 random{3};
  for (int i = 0; i < 100'000; ++i) {
    const auto value = static_cast<std::int64_t>(random()) >> (random() % 62 + 1);
    const auto text = format_decimal(value, static_cast<unsigned>(random() % 7));
    ASSERT_EQ(parsed(text), value) << text;
  }
}

TEST(money, dividing_rounds_half_to_even) {
  EXPECT_EQ(divide(10'000'000, 4), 2'500'000);
  EXPECT_EQ(divide(5, 2), 2);
  EXPECT_EQ(divide(7, 2), 4);
  EXPECT_EQ(divide(-5, 2), -2);
  EXPECT_EQ(divide(-7, 2), -4);
  EXPECT_EQ(divide(7, -2), -4);
  EXPECT_EQ(divide(10, 3), 3);
  EXPECT_EQ(divide(11, 3), 4);
  EXPECT_EQ(divide(0, 3), 0);
  const auto most = static_cast<int128>((uint128{1} << 127) - 1);
  EXPECT_EQ(divide(most, most), 1);
  EXPECT_EQ(divide(most - 1, most), 1);
  EXPECT_EQ(divide(most / 2, most), 0);
}

TEST(money, currencies_are_three_capitals_with_their_places) {
  EXPECT_TRUE(is_currency("EUR"));
  EXPECT_TRUE(is_currency("QQQ"));
  for (const auto* code : {"", "EU", "EURO", "eur", "EU1", "EU "}) EXPECT_FALSE(is_currency(code));
  EXPECT_EQ(currency_places("EUR"), 2U);
  EXPECT_EQ(currency_places("JPY"), 0U);
  EXPECT_EQ(currency_places("KWD"), 3U);
  EXPECT_EQ(currency_places("CLF"), 4U);
  EXPECT_EQ(currency_places("QQQ"), 2U);
}

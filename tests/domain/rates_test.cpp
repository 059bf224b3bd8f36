#include "domain/rates.hpp"

#include <gtest/gtest.h>

#include <random>

#include "domain/query_metrics.hpp"

namespace tally {
namespace {

rate_day day(std::string_view text) {
  return *parse_rate_day(text);
}
event_time known(std::int64_t hour) {
  return event_time{std::chrono::hours{hour}};
}
std::vector<daily_rate> read(std::string_view csv) {
  auto rates = read_rates(csv);
  EXPECT_TRUE(rates) << rates.error().text();
  return rates ? *rates : std::vector<daily_rate>{};
}
std::string why_not(std::string_view csv) {
  const auto rates = read_rates(csv);
  return rates ? "" : rates.error().detail;
}
std::string text_of(const std::vector<daily_rate>& rates) {
  std::string text;
  for (const auto& r : rates) {
    const std::chrono::year_month_day date{r.day};
    text += std::to_string(static_cast<int>(date.year())) + "-" +
            std::to_string(static_cast<unsigned>(date.month())) + "-" +
            std::to_string(static_cast<unsigned>(date.day())) + " " + r.currency + " " +
            to_text(r.value) + "; ";
  }
  return text;
}

TEST(rate, is_read_and_written_exactly) {
  for (const auto* text : {"1", "1.0921", "0.000058", "17654.32", "158.04", "100", "0.5",
                           "123456789012345678", "0.123456789012345678"})
    EXPECT_EQ(to_text(*parse_rate(text)), text);
  EXPECT_EQ(to_text(*parse_rate("007.500")), "7.5");
  EXPECT_EQ(to_text(*parse_rate(".5")), "0.5");
  for (const auto* text : {"", ".", "0", "0.00", "-1", "+1", "1e3", "1,5", "1.2.3", " 1",
                           "1234567890123456789", "0.0000000000000000001"})
    EXPECT_FALSE(parse_rate(text)) << text;
}

TEST(exchange, rounds_once_and_half_to_even) {
  const auto usd = *parse_rate("1.25"), jpy = *parse_rate("160"), one = rate{};
  EXPECT_EQ(exchange(usd, one).apply(1'000'000), 800'000);
  EXPECT_EQ(exchange(one, usd).apply(-1'000'000), -1'250'000);
  EXPECT_EQ(exchange(usd, jpy).apply(1'000'000), 128'000'000);
  const exchange half{*parse_rate("2"), one};
  EXPECT_EQ(half.apply(1), 0);
  EXPECT_EQ(half.apply(3), 2);
  EXPECT_EQ(half.apply(5), 2);
  EXPECT_EQ(half.apply(-3), -2);
  EXPECT_EQ(half.apply(0), 0);
}

TEST(exchange, is_exact_for_any_numbers_or_says_that_it_cannot) {
  std::mt19937_64 random{7};
  const auto digits = [&](unsigned most) {
    return 1 + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(most));
  };
  for (int i = 0; i < 2'000; ++i) {
    const rate from{digits(1'000'000), static_cast<std::uint8_t>(random() % 6)},
        to{digits(1'000'000), static_cast<std::uint8_t>(random() % 6)};
    const auto amount = static_cast<std::int64_t>(random() >> 24) - (std::int64_t{1} << 39);
    int128 numerator = to.digits, denominator = from.digits;
    for (int n = 0; n < from.places; ++n) numerator *= 10;
    for (int n = 0; n < to.places; ++n) denominator *= 10;
    ASSERT_EQ(exchange(from, to).apply(amount),
              divide_half_even(int128{amount} * numerator, denominator));
  }
  // (9e18 x (1e18 - 1) x 1e18) / (1e18 - 1): beyond 128 bits on the way, not at the end.
  const rate nines{999'999'999'999'999'999, 0}, small{999'999'999'999'999'999, 18};
  EXPECT_EQ(exchange(nines, small).apply(amount_millionths_max), 9);
  EXPECT_EQ(exchange(small, nines).apply(7), int128{7'000'000'000} * 1'000'000'000);
  EXPECT_EQ(exchange(small, nines).apply(amount_millionths_max), std::nullopt);
}

TEST(read_rates, reads_a_plain_file_and_the_central_banks) {
  EXPECT_EQ(text_of(read("date,currency,rate\n2010-12-02,USD,1.3155\n2010-12-01,USD,1.3115\n")),
            "2010-12-1 USD 1.3115; 2010-12-2 USD 1.3155; ");
  EXPECT_EQ(text_of(read("Rate, Currency ,Date\r\n1.5,GBP,1 Dec 2010\r\n")), "2010-12-1 GBP 1.5; ");
  EXPECT_EQ(
      text_of(read("Date,USD,JPY,BGN,\n2024-01-05,1.0921,158.04,N/A,\n2024-01-04,1.1,,1.9,\n")),
      "2024-1-4 BGN 1.9; 2024-1-5 JPY 158.04; 2024-1-4 USD 1.1; 2024-1-5 USD 1.0921; ");
  EXPECT_EQ(text_of(read("Date, USD, JPY, \n05 January 2024, 1.0921, 158.04, \n")),
            "2024-1-5 JPY 158.04; 2024-1-5 USD 1.0921; ");
}

TEST(read_rates, names_what_is_wrong) {
  EXPECT_EQ(why_not(""), "there are no rates");
  EXPECT_EQ(why_not("date,currency,rate\n"), "there are no rates");
  EXPECT_EQ(why_not("date,currency\n"),
            "line 1: must name date, currency and rate, or date and currencies");
  EXPECT_EQ(why_not("date,currency,rate,USD\n"),
            "line 1: must name date, currency and rate, or date and currencies");
  EXPECT_EQ(why_not("date,dollars\n"),
            "line 1: 'dollars' is neither date, currency, rate nor a currency's code");
  EXPECT_EQ(why_not("date,date,USD\n"), "line 1: two columns 'date'");
  EXPECT_EQ(why_not("date,USD\n2010-02-30,1\n"), "line 2: date: '2010-02-30' is no date");
  EXPECT_EQ(why_not("date,currency,rate\n2010-12-01,usd,1\n"),
            "line 2: currency: 'usd' is not three capital letters");
  EXPECT_EQ(why_not("date,USD\n2010-12-01,1\n2010-12-02,-1\n"),
            "line 3: rate of USD: '-1' is no positive decimal number of at most 18 digits");
  EXPECT_EQ(why_not("date,USD\n2010-12-01,1\n2010-12-01,2\n"), "USD has two rates for one day");
}

/// What a unit of USD is worth in the base, in millionths; 0 where nobody knows.
int128 worth(const rate_book& book, std::string_view date, event_time at) {
  const auto by = book.find("USD", "EUR", day(date), at);
  return by ? *by->apply(1'000'000) : 0;
}

TEST(rate_book, takes_the_last_rate_before_the_day) {
  rate_book book{"EUR"};
  EXPECT_EQ(book.add(read("date,USD\n2010-12-01,2\n2010-12-03,4\n"), known(1)), 2u);
  EXPECT_EQ(worth(book, "2010-11-30", known(9)), 0);
  EXPECT_EQ(worth(book, "2010-12-01", known(9)), 500'000);
  EXPECT_EQ(worth(book, "2010-12-02", known(9)), 500'000);
  EXPECT_EQ(worth(book, "2010-12-31", known(9)), 250'000);
  EXPECT_FALSE(book.find("USD", "CHF", day("2010-12-01"), known(9)));
  EXPECT_TRUE(book.has("EUR") && book.has("USD") && !book.has("CHF"));
}

TEST(rate_book, what_becomes_known_later_changes_nothing_before) {
  rate_book book{"EUR"};
  book.add(read("date,USD\n2010-12-01,2\n"), known(10));
  book.add(read("date,USD\n2010-12-01,5\n2010-12-02,4\n"), known(20));
  EXPECT_EQ(worth(book, "2010-12-02", known(15)), 500'000) << "as it was known then";
  EXPECT_EQ(worth(book, "2010-12-02", known(20)), 250'000);
  EXPECT_EQ(worth(book, "2010-12-01", known(20)), 200'000) << "the later of two for one day";
  EXPECT_EQ(worth(book, "2010-12-01", known(15)), 500'000);
}

TEST(rate_book, an_order_without_a_rate_takes_the_first_that_comes) {
  rate_book book{"EUR"};
  EXPECT_EQ(worth(book, "2010-12-05", known(1)), 0);
  book.add(read("date,USD\n2010-12-02,2\n"), known(10));
  EXPECT_EQ(worth(book, "2010-12-05", known(1)), 500'000);
  book.add(read("date,USD\n2010-12-01,8\n2010-12-05,4\n"), known(20));
  EXPECT_EQ(worth(book, "2010-12-05", known(1)), 500'000) << "and keeps it";
  EXPECT_EQ(worth(book, "2010-12-01", known(1)), 125'000);
}

TEST(rate_book, counts_only_what_is_new) {
  rate_book book{"EUR"};
  EXPECT_EQ(book.add(read("date,USD,EUR\n2010-12-01,2,1\n"), known(1)), 1u);
  EXPECT_EQ(book.add(read("date,USD\n2010-12-01,2.0\n2010-12-02,2\n"), known(2)), 1u);
  EXPECT_EQ(book.add(read("date,USD\n2010-12-01,3\n"), known(3)), 1u);
  EXPECT_EQ(book.add(read("date,USD\n2010-12-01,2\n"), known(4)), 1u) << "back again";
  EXPECT_EQ(book.size(), 4u);
  EXPECT_EQ(book.newest(), known(4));
}

}  // namespace
}  // namespace tally

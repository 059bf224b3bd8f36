#include "domain/money.hpp"

#include <algorithm>
#include <array>

#include "domain/ensure.hpp"

namespace tally {
namespace {

constexpr int decimals = 6;
constexpr std::int64_t unit = 1'000'000;

constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Quotient of magnitudes, half to even.
uint128 divide_magnitudes(uint128 numerator, uint128 denominator) {
  const uint128 quotient = numerator / denominator;
  const uint128 rest = numerator % denominator;
  const uint128 missing = denominator - rest;
  const bool up = rest > missing || (rest == missing && (quotient & 1) != 0);
  return quotient + (up ? 1 : 0);
}

/// Of the most negative number too, whose positive does not exist.
constexpr uint128 magnitude(int128 v) {
  return v < 0 ? uint128{0} - static_cast<uint128>(v) : static_cast<uint128>(v);
}

std::optional<money> within_limit(int128 millionths) {
  if (magnitude(millionths) > static_cast<uint128>(amount_millionths_max)) return std::nullopt;
  return money{static_cast<std::int64_t>(millionths)};
}

/// Takes the digits from the front of `text`.
std::string_view take_digits(std::string_view& text) {
  const auto end = std::find_if_not(text.begin(), text.end(), is_digit);
  const auto digits = text.substr(0, static_cast<std::size_t>(end - text.begin()));
  text.remove_prefix(digits.size());
  return digits;
}

bool take_sign(std::string_view& text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  return negative;
}

/// Reads "e-7"; nothing where the rest of the text is no exponent. Saturates: beyond 10^12 every
/// number is 0 or too large, however many digits it has.
std::optional<std::int64_t> take_exponent(std::string_view text) {
  if (text.empty()) return 0;
  if (text.front() != 'e' && text.front() != 'E') return std::nullopt;
  text.remove_prefix(1);
  const bool negative = take_sign(text);
  const auto digits = take_digits(text);
  if (digits.empty() || !text.empty()) return std::nullopt;
  std::int64_t exponent = 0;
  for (const char c : digits)
    exponent = std::min<std::int64_t>(exponent * 10 + (c - '0'), 1'000'000'000'000);
  return negative ? -exponent : exponent;
}

/// The digits of a number without its point and leading zeros.
struct digit_string {
  std::string_view whole, fraction;

  [[nodiscard]] std::size_t size() const { return whole.size() + fraction.size(); }
  [[nodiscard]] unsigned at(std::size_t i) const {
    if (i >= size()) return 0;
    const char c = i < whole.size() ? whole[i] : fraction[i - whole.size()];
    return static_cast<unsigned>(c - '0');
  }
  [[nodiscard]] bool zero_from(std::size_t i) const {
    for (; i < size(); ++i)
      if (at(i) != 0) return false;
    return true;
  }
};

}  // namespace

std::optional<money> parse_decimal(std::string_view text) {
  const bool negative = take_sign(text);
  digit_string digits{.whole = take_digits(text), .fraction = {}};
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    digits.fraction = take_digits(text);
  }
  if (digits.size() == 0) return std::nullopt;
  const auto exponent = take_exponent(text);
  if (!exponent) return std::nullopt;

  auto point = static_cast<std::int64_t>(digits.whole.size());
  std::size_t first = 0;
  while (first < digits.size() && digits.at(first) == 0) ++first;
  if (first == digits.size()) return money{0};
  point -= static_cast<std::int64_t>(first);

  // So many of the significant digits stand before the point of the number of millionths.
  const std::int64_t kept = point + *exponent + decimals;
  if (kept > 19) return std::nullopt;
  if (kept < 0) return money{0};
  const auto cut = first + static_cast<std::size_t>(kept);
  std::uint64_t millionths = 0;
  for (std::size_t i = first; i < cut; ++i) millionths = millionths * 10 + digits.at(i);
  const unsigned next = digits.at(cut);
  const bool odd = (millionths & 1) != 0;
  if (next > 5 || (next == 5 && (odd || !digits.zero_from(cut + 1)))) ++millionths;
  return within_limit(negative ? -int128{millionths} : int128{millionths});
}

std::optional<money> multiply(money a, money b) {
  return within_limit(divide(int128{a.millionths} * b.millionths, unit));
}

std::optional<money> checked_add(money a, money b) {
  return within_limit(int128{a.millionths} + b.millionths);
}

std::string format_decimal(money_sum millionths, unsigned places) {
  uint128 rest = magnitude(millionths);
  std::string reversed;
  unsigned shown = decimals;
  for (; shown > places && rest % 10 == 0; --shown) rest /= 10;
  for (unsigned zeros = shown; zeros < places; ++zeros) reversed += '0';
  for (unsigned i = 0; i < shown; ++i, rest /= 10)
    reversed += static_cast<char>('0' + static_cast<int>(rest % 10));
  if (!reversed.empty()) reversed += '.';
  do {
    reversed += static_cast<char>('0' + static_cast<int>(rest % 10));
    rest /= 10;
  } while (rest != 0);
  if (millionths < 0) reversed += '-';
  return {reversed.rbegin(), reversed.rend()};
}

money_sum divide(money_sum numerator, int128 denominator) {
  ensure(denominator != 0, "division of a sum by 0");
  const bool negative = (numerator < 0) != (denominator < 0);
  const auto quotient = divide_magnitudes(magnitude(numerator), magnitude(denominator));
  return static_cast<int128>(negative ? uint128{0} - quotient : quotient);
}

bool is_currency(std::string_view code) {
  return code.size() == 3 &&
         std::all_of(code.begin(), code.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

unsigned currency_places(std::string_view code) {
  constexpr std::array<std::string_view, 17> none = {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY",
                                                     "KMF", "KRW", "PYG", "RWF", "UGX", "UYI",
                                                     "VND", "VUV", "XAF", "XOF", "XPF"};
  constexpr std::array<std::string_view, 7> three = {"BHD", "IQD", "JOD", "KWD",
                                                     "LYD", "OMR", "TND"};
  constexpr std::array<std::string_view, 2> four = {"CLF", "UYW"};
  const auto in = [code](const auto& list) {
    return std::find(list.begin(), list.end(), code) != list.end();
  };
  if (in(none)) return 0;
  if (in(three)) return 3;
  return in(four) ? 4 : 2;
}

}  // namespace tally

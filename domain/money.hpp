#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "domain/bytes.hpp"

namespace tally {

/// An exact decimal of at most 6 places: an amount of money, or a quantity. Never a float.
struct money {
  std::int64_t millionths = 0;
  auto operator<=>(const money&) const = default;
};

/// Largest amount of one event: 9e12 units.
constexpr std::int64_t amount_millionths_max = 9'000'000'000'000'000'000;

/// A sum over events, in millionths. 128 bits, so no number of events can overflow it.
using money_sum = int128;

/// Reads decimal text ("12.50", "-3", "+3", "1e-2", ".5", "5."), rounding half to even at the 6th
/// place.
/// Nothing where the text is no decimal number or its magnitude exceeds amount_millionths_max.
[[nodiscard]] std::optional<money> parse_decimal(std::string_view text);

/// a x b, rounded half to even to 6 places; nothing on overflow of amount_millionths_max.
[[nodiscard]] std::optional<money> multiply(money a, money b);

/// Sum; nothing on overflow of amount_millionths_max.
[[nodiscard]] std::optional<money> checked_add(money a, money b);

/// Decimal text with at least `places` places, more (up to 6) only where the value needs them:
/// format_decimal(12'500'000, 2) is "12.50", format_decimal(125'000, 2) is "0.125".
[[nodiscard]] std::string format_decimal(money_sum millionths, unsigned places);

/// A sum of millionths divided by a plain number (money per order), in millionths, rounded half to
/// even. The denominator must not be 0.
[[nodiscard]] money_sum divide(money_sum numerator, int128 denominator);

/// True for three letters A to Z. Any such code is a currency; the ISO list only sets its places.
[[nodiscard]] bool is_currency(std::string_view code);

/// Number of decimals of a currency by ISO 4217: 2 unless listed (JPY 0, KWD 3, CLF 4).
[[nodiscard]] unsigned currency_places(std::string_view code);

}  // namespace tally

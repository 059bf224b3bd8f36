#include "domain/rates.hpp"

#include <algorithm>
#include <limits>
#include <tuple>

namespace tally {
namespace {

constexpr unsigned rate_digits_max = 18;

uint128 power_of_ten(unsigned exponent) {
  uint128 power = 1;
  for (; exponent > 0; --exponent) power *= 10;
  return power;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// a x numerator / denominator and the rest, without anything beyond 128 bits but the result:
/// bit by bit, as one multiplies on paper. Nothing where the result is beyond `limit`. The
/// denominator must be below 2^126.
struct quotient {
  uint128 whole = 0, rest = 0;
};
std::optional<quotient> multiply_and_divide(uint128 a, uint128 numerator, uint128 denominator,
                                            uint128 limit) {
  const quotient one{numerator / denominator, numerator % denominator};
  quotient sum;
  for (int bit = 127; bit >= 0; --bit) {
    if (sum.whole > limit / 2) return std::nullopt;
    sum.whole *= 2;
    sum.rest *= 2;
    if ((a >> bit & 1) != 0) {
      if (one.whole > limit - sum.whole) return std::nullopt;
      sum.whole += one.whole;
      sum.rest += one.rest;
    }
    while (sum.rest >= denominator) {
      sum.rest -= denominator;
      ++sum.whole;
    }
  }
  return sum;
}

}  // namespace

std::optional<rate> parse_rate(std::string_view text) {
  rate r{0, 0};
  unsigned digits = 0, fraction = 0;
  bool point = false, any = false;
  for (const char c : text) {
    if (c == '.' && !point) {
      point = true;
      continue;
    }
    if (!is_digit(c)) return std::nullopt;
    any = true;
    fraction += point ? 1 : 0;
    if (r.digits == 0 && c == '0') continue;
    if (++digits > rate_digits_max) return std::nullopt;
    r.digits = r.digits * 10 + (c - '0');
  }
  if (!any || r.digits == 0) return std::nullopt;
  for (; fraction > 0 && r.digits % 10 == 0; --fraction) r.digits /= 10;
  if (fraction > rate_digits_max) return std::nullopt;
  r.places = static_cast<std::uint8_t>(fraction);
  return r;
}

std::string to_text(const rate& r) {
  auto text = std::to_string(r.digits);
  if (r.places == 0) return text;
  if (text.size() <= r.places) text.insert(0, r.places + 1 - text.size(), '0');
  text.insert(text.size() - r.places, 1, '.');
  return text;
}

exchange::exchange(const rate& from, const rate& to)
    : numerator_{static_cast<uint128>(to.digits)}, denominator_{static_cast<uint128>(from.digits)} {
  if (from.places > to.places) {
    numerator_ *= power_of_ten(from.places - to.places);
  } else {
    denominator_ *= power_of_ten(to.places - from.places);
  }
}

std::optional<money_sum> exchange::apply(money_sum amount) const {
  constexpr auto limit = static_cast<uint128>(1) << 100;  // room for a sum of very many
  const bool negative = amount < 0;
  const auto size =
      negative ? uint128{0} - static_cast<uint128>(amount) : static_cast<uint128>(amount);
  const auto found = multiply_and_divide(size, numerator_, denominator_, limit);
  if (!found) return std::nullopt;
  const auto missing = denominator_ - found->rest;
  const bool up = found->rest > missing || (found->rest == missing && (found->whole & 1) != 0);
  const auto whole = static_cast<money_sum>(found->whole + (up ? 1 : 0));
  return negative ? -whole : whole;
}

std::vector<daily_rate> rate_book::news_in(const std::vector<daily_rate>& rates) const {
  std::vector<daily_rate> news;
  for (const auto& r : rates) {
    if (r.currency == base_) continue;
    const auto found = rates_.find(r.currency);
    if (found != rates_.end()) {
      // The last one that became known for this day.
      const auto behind =
          std::upper_bound(found->second.begin(), found->second.end(), r.day,
                           [](rate_day day, const entry& e) { return day < e.day; });
      if (behind != found->second.begin() && std::prev(behind)->day == r.day &&
          std::prev(behind)->value == r.value)
        continue;
    }
    news.push_back(r);
  }
  return news;
}

std::size_t rate_book::add(const std::vector<daily_rate>& rates, event_time known) {
  const auto news = news_in(rates);
  std::vector<std::string> touched;
  for (const auto& r : news) {
    rates_[r.currency].push_back({r.day, to_ms(known), r.value});
    if (touched.empty() || touched.back() != r.currency) touched.push_back(r.currency);
  }
  std::ranges::sort(touched);
  touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
  for (const auto& currency : touched) {
    auto& entries = rates_[currency];
    std::ranges::stable_sort(entries, [](const entry& a, const entry& b) {
      return std::tie(a.day, a.known_ms) < std::tie(b.day, b.known_ms);
    });
    note_first(currency);
  }
  size_ += news.size();
  if (!news.empty()) newest_ = std::max(newest_, known);
  return news.size();
}

void rate_book::note_first(const std::string& currency) {
  auto& first = first_known_[currency];
  first.clear();
  auto earliest = std::numeric_limits<std::int64_t>::max();
  for (const auto& e : rates_[currency]) {
    earliest = std::min(earliest, e.known_ms);
    first.push_back(earliest);
  }
}

std::optional<rate> rate_book::find_one(std::string_view currency, rate_day day,
                                        std::int64_t known_ms) const {
  if (currency == base_) return rate{};
  const auto found = rates_.find(currency);
  if (found == rates_.end()) return std::nullopt;
  const auto& entries = found->second;
  const auto behind = std::upper_bound(entries.begin(), entries.end(), day,
                                       [](rate_day d, const entry& e) { return d < e.day; });
  if (behind == entries.begin()) return std::nullopt;
  auto at = static_cast<std::size_t>(behind - entries.begin()) - 1;
  known_ms = std::max(known_ms, first_known_.find(currency)->second[at]);
  while (entries[at].known_ms > known_ms) --at;
  return entries[at].value;
}

std::optional<exchange> rate_book::find(std::string_view from, std::string_view to, rate_day day,
                                        event_time known) const {
  const auto of_from = find_one(from, day, to_ms(known)), of_to = find_one(to, day, to_ms(known));
  if (!of_from || !of_to) return std::nullopt;
  return exchange{*of_from, *of_to};
}

}  // namespace tally

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/money.hpp"
#include "domain/result.hpp"
#include "domain/time.hpp"

namespace tally {

using rate_day = std::chrono::sys_days;

/// How many units of a currency one unit of the base buys: a positive decimal number of at most 18
/// digits, kept as it is.
struct rate {
  std::int64_t digits = 1;
  std::uint8_t places = 0;  // behind the point, at most 18
  bool operator==(const rate&) const = default;
};
/// Reads "1.0921"; nothing where the text is no such number, or 0.
[[nodiscard]] std::optional<rate> parse_rate(std::string_view text);
[[nodiscard]] std::string to_text(const rate& r);

/// What amounts of one currency are multiplied by to become those of another.
class exchange {
 public:
  exchange() = default;
  exchange(const rate& from, const rate& to);
  /// Rounded half to even to millionths, once; nothing where the result has no place in a sum.
  [[nodiscard]] std::optional<money_sum> apply(money_sum amount) const;

 private:
  uint128 numerator_ = 1, denominator_ = 1;
};

/// The rate of a currency on a day.
struct daily_rate {
  rate_day day{};
  std::string currency;
  rate value;
};

/// Daily rates against one base, and when each became known here. A rate that became known never
/// changes: one for the same day that comes later stands beside it.
class rate_book {
 public:
  /// One rate as it became known.
  struct entry {
    rate_day day{};
    std::int64_t known_ms = 0;
    rate value;
  };

  explicit rate_book(std::string base) : base_{std::move(base)} {}

  /// Adds what became known at an instant that is later than those before. Gives how many rates
  /// differ from what was known for their day; the others change nothing.
  std::size_t add(const std::vector<daily_rate>& rates, event_time known);
  /// Those of `rates` that add() would count.
  [[nodiscard]] std::vector<daily_rate> news_in(const std::vector<daily_rate>& rates) const;

  /// How amounts in `from` become amounts in `to` for something of that day: by the rates of the
  /// day, else of the last day before it that has one, as far as they were known at `known`. What
  /// then had none takes those of the import that was the first to bring one. Nothing where there
  /// is none yet.
  [[nodiscard]] std::optional<exchange> find(std::string_view from, std::string_view to,
                                             rate_day day, event_time known) const;

  [[nodiscard]] const std::string& base() const { return base_; }
  [[nodiscard]] bool has(std::string_view currency) const {
    return currency == base_ || rates_.contains(currency);
  }
  /// By currency, in the order of days, then of when they became known.
  [[nodiscard]] const std::map<std::string, std::vector<entry>, std::less<>>& all() const {
    return rates_;
  }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] event_time newest() const { return newest_; }  // when the last rates became known

 private:
  [[nodiscard]] std::optional<rate> find_one(std::string_view currency, rate_day day,
                                             std::int64_t known_ms) const;
  void note_first(const std::string& currency);

  std::string base_;
  std::map<std::string, std::vector<entry>, std::less<>> rates_;
  // When the first rate of a day up to that of the entry with the same index became known.
  std::map<std::string, std::vector<std::int64_t>, std::less<>> first_known_;
  std::size_t size_ = 0;
  event_time newest_{};
};

/// "2010-12-01" or "1 December 2010".
[[nodiscard]] std::optional<rate_day> parse_rate_day(std::string_view text);

constexpr std::size_t rates_of_file_max = 1'000'000;

/// Reads rates as CSV: columns `date`, `currency` and `rate` in any order, or as the European
/// Central Bank publishes them, a column `Date` and one for each currency. Dates are 2010-12-01 or
/// 1 December 2010. Empty rates and N/A are left out. bad_request with the line in front of the
/// detail.
result<std::vector<daily_rate>> read_rates(std::string_view csv);

}  // namespace tally

#include <algorithm>
#include <array>
#include <charconv>

#include "domain/csv.hpp"
#include "domain/rates.hpp"

namespace tally {
namespace {

constexpr std::array<std::string_view, 12> months{"january",   "february", "march",    "april",
                                                  "may",       "june",     "july",     "august",
                                                  "september", "october",  "november", "december"};

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blank = " \t";
  const auto begin = text.find_first_not_of(blank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blank) - begin + 1);
}

std::string lower(std::string_view text) {
  std::string all{text};
  for (auto& c : all)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return all;
}

std::optional<unsigned> number_in(std::string_view text) {
  unsigned n = 0;
  const auto* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, n);
  if (text.empty() || read.ec != std::errc{} || read.ptr != end) return std::nullopt;
  return n;
}

std::optional<rate_day> day_of(std::optional<unsigned> year, std::optional<unsigned> month,
                               std::optional<unsigned> day) {
  if (!year || !month || !day || *year < 1970 || *year > 9'999) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{static_cast<int>(*year)},
                                         std::chrono::month{*month}, std::chrono::day{*day}};
  if (!date.ok()) return std::nullopt;
  return rate_day{date};
}

constexpr std::size_t absent = ~std::size_t{0};

/// What the columns of a file are.
struct layout {
  std::size_t date = absent, currency = absent, value = absent;
  std::vector<std::pair<std::size_t, std::string>> wide;  // columns of one currency each
};

failure at_line(std::uint64_t line, const std::string& what) {
  return {errc::bad_request, "line " + std::to_string(line) + ": " + what};
}

result<layout> read_header(const csv_row& row) {
  layout all;
  for (std::size_t i = 0; i < row.fields.size(); ++i) {
    const auto name = trimmed(row.fields[i]);
    const auto known = lower(name);
    auto* const column = known == "date"       ? &all.date
                         : known == "currency" ? &all.currency
                         : known == "rate"     ? &all.value
                                               : nullptr;
    if (column != nullptr) {
      if (*column != absent) return at_line(row.line, "two columns '" + known + "'");
      *column = i;
    } else if (is_currency(name)) {
      all.wide.emplace_back(i, name);
    } else if (!name.empty()) {
      return at_line(row.line, "'" + std::string{name.substr(0, 64)} +
                                   "' is neither date, currency, rate nor a currency's code");
    }
  }
  const bool is_long = all.currency != absent && all.value != absent && all.wide.empty();
  const bool is_wide = all.currency == absent && all.value == absent && !all.wide.empty();
  if (all.date == absent || (!is_long && !is_wide))
    return at_line(row.line, "must name date, currency and rate, or date and currencies");
  return all;
}

class rates_reader {
 public:
  explicit rates_reader(layout columns) : columns_{std::move(columns)} {}

  status read(const csv_row& row) {
    const auto field = [&](std::size_t i) {
      return i < row.fields.size() ? trimmed(row.fields[i]) : std::string_view{};
    };
    const auto day = parse_rate_day(field(columns_.date));
    if (!day) return at_line(row.line, "date: '" + shown(field(columns_.date)) + "' is no date");
    if (columns_.wide.empty())
      return take(row, *day, std::string{field(columns_.currency)}, field(columns_.value));
    for (const auto& [column, currency] : columns_.wide)
      if (auto fine = take(row, *day, currency, field(column)); !fine) return fine;
    return done{};
  }
  [[nodiscard]] std::vector<daily_rate> finish() { return std::move(rates_); }

 private:
  static std::string shown(std::string_view text) { return std::string{text.substr(0, 64)}; }

  status take(const csv_row& row, rate_day day, std::string currency, std::string_view text) {
    if (!is_currency(currency))
      return at_line(row.line, "currency: '" + shown(currency) + "' is not three capital letters");
    if (text.empty() || text == "N/A") return done{};
    const auto value = parse_rate(text);
    if (!value)
      return at_line(row.line, "rate of " + currency + ": '" + shown(text) +
                                   "' is no positive decimal number of at most 18 digits");
    if (rates_.size() >= rates_of_file_max)
      return at_line(row.line, "more than " + std::to_string(rates_of_file_max) + " rates");
    rates_.push_back({day, std::move(currency), *value});
    return done{};
  }

  layout columns_;
  std::vector<daily_rate> rates_;
};

}  // namespace

std::optional<rate_day> parse_rate_day(std::string_view text) {
  if (text.size() == 10 && text[4] == '-' && text[7] == '-')
    return day_of(number_in(text.substr(0, 4)), number_in(text.substr(5, 2)),
                  number_in(text.substr(8, 2)));
  const auto first = text.find(' '), last = text.rfind(' ');
  if (first == std::string_view::npos || first == last) return std::nullopt;
  const auto name = lower(trimmed(text.substr(first, last - first)));
  const auto found = std::ranges::find_if(
      months, [&](std::string_view m) { return name == m || name == m.substr(0, 3); });
  if (found == months.end()) return std::nullopt;
  return day_of(number_in(text.substr(last + 1)), static_cast<unsigned>(found - months.begin()) + 1,
                number_in(text.substr(0, first)));
}

result<std::vector<daily_rate>> read_rates(std::string_view csv) {
  csv_parser rows;
  rows.feed(csv);
  rows.finish();
  csv_row row;
  std::optional<rates_reader> reader;
  while (rows.next(row)) {
    if (row.fault != csv_fault::none) return at_line(row.line, std::string{to_string(row.fault)});
    if (reader) {
      if (auto fine = reader->read(row); !fine) return fine.error();
      continue;
    }
    auto columns = read_header(row);
    if (!columns) return columns.error();
    reader.emplace(std::move(*columns));
  }
  if (!reader) return failure{errc::bad_request, "there are no rates"};
  auto all = reader->finish();
  if (all.empty()) return failure{errc::bad_request, "there are no rates"};
  std::ranges::stable_sort(all, [](const daily_rate& a, const daily_rate& b) {
    return std::tie(a.currency, a.day) < std::tie(b.currency, b.day);
  });
  const auto twice = std::ranges::adjacent_find(all, [](const daily_rate& a, const daily_rate& b) {
    return a.currency == b.currency && a.day == b.day && a.value != b.value;
  });
  if (twice != all.end())
    return failure{errc::bad_request, twice->currency + " has two rates for one day"};
  return all;
}

}  // namespace tally

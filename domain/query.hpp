#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "domain/bucket.hpp"
#include "domain/event_filter.hpp"
#include "domain/named_filters.hpp"
#include "domain/rates.hpp"
#include "domain/result.hpp"
#include "domain/rows.hpp"

namespace tally {

enum class comparison : std::uint8_t { none, previous_period, year_over_year, custom };

/// A question about one merchant, checked for form but not yet against what the merchant has.
struct question {
  std::string merchant;
  std::vector<std::string> metrics;            // names as in docs/reference/metrics-of-merchants.md
  std::vector<std::string> dimensions;         // as written: "time:day", "event:name"
  std::string date_range = "all";              // "7d", "month", ...; "custom" with from and to
  std::string from, to;                        // dates or RFC 3339 times, both included
  std::string timezone, currency;              // empty: the merchant's
  std::vector<std::string> names;              // filter ["is", "event:name", [...]]; empty: all
  std::vector<event_filter> filters;           // all must hold; compiled; totals cannot answer them
  std::shared_ptr<const named_filters> named;  // null: the merchant has none
  comparison compare = comparison::none;
  std::string compare_from, compare_to;
  bool match_day_of_week = false;
  bool refunds_on_order_day = false;  // a refund's money counts when its order was placed
  bool converts = true;               // amounts of other currencies, where there are rates
  std::vector<std::pair<std::string, bool>> order_by;  // metric or dimension; true: descending
  std::uint32_t limit = 0, offset = 0;  // limit 0: 10,000, but every bucket where all is time
  std::uint32_t generation = 0;         // 0: the one that serves; another is refused
  bool include_totals = false, include_time_labels = false, include_total_rows = false,
       include_exactness = false;
};

/// What the planner must know of a merchant.
struct merchant_facts {
  const zone* reporting_zone = nullptr;
  std::string zone_name;  // as it was given: "UTC", where the zone calls itself "Etc/UTC"
  std::string currency;
  std::vector<std::string> names;          // event names with rows of their own
  std::vector<std::string> currencies;     // currencies with commerce rows
  bool any = false;                        // false: no event yet, the times below mean nothing
  event_time newest{}, oldest{};           // event times; rows kept are counted back from newest
  std::shared_ptr<const rate_book> rates;  // null: there are none
  event_time rates_known{};  // what was counted before is converted as if it came then
};

/// Whether a question's answer has amounts of other currencies converted into this one.
[[nodiscard]] inline bool converts_into(std::string_view currency, const question& q,
                                        const merchant_facts& facts) {
  return q.converts && facts.rates != nullptr && facts.rates->has(currency);
}

/// The zone of an answer by the name that the question or the merchant gave it.
[[nodiscard]] inline std::string zone_as_given(const question& q, const merchant_facts& facts) {
  if (!q.timezone.empty()) return q.timezone;
  return facts.zone_name.empty() ? std::string{facts.reporting_zone->name()} : facts.zone_name;
}

/// Rows of one kind, width and tag (currency or event name) with from <= begin < to.
struct row_range {
  row_kind kind = row_kind::traffic;
  granularity width = granularity::day;
  std::string tag;
  bucket_time from{}, to{};
};

/// Merged rows by (width, tag, begin): what a source hands to evaluate().
struct row_set {
  using address = std::pair<std::pair<granularity, std::string>, bucket_time>;
  std::map<address, traffic_row> traffic;
  std::map<address, commerce_row> commerce;
  std::map<address, name_row> names;
  std::map<address, operations_row> operations;
};

/// How to answer: which rows to fetch, and what evaluate() makes of them.
struct plan {
  question asked;
  merchant_facts facts;
  std::vector<row_range> ranges;                      // no two of one kind, width and tag overlap
  const zone* asked_zone = nullptr;                   // never null in a plan that was made
  std::string currency;                               // of the answer's money
  std::optional<granularity> step;                    // of the time dimension
  bool by_name = false;                               // from name rows: event:name is used
  std::vector<bucket_time> buckets, compare_buckets;  // begins, plus the end of the last one
  bucket_time current_from{}, current_to{};           // of current_visitors
  event_time from{}, to{};                            // resolved range, to exclusive
  event_time compare_from{}, compare_to{};
  granularity row_width = granularity::day;  // of the rows that cover the range
};

/// One value of an answer.
struct metric_value {
  enum class form : std::uint8_t { null, integer, decimal, percent } is = form::null;
  int128 number = 0;  // integer; millionths of money (decimal); tenths of a percent (percent)
  double error = 0;   // relative standard error where estimated, else 0
  bool operator==(const metric_value&) const = default;
};

struct answer_row {
  std::vector<std::string> dimensions;
  std::vector<metric_value> metrics;
  std::vector<metric_value> compared;        // empty without comparison
  std::vector<std::string> compared_labels;  // dimensions of the compared bucket
};

struct answer {
  std::vector<answer_row> rows;
  std::optional<answer_row> totals;
  std::vector<std::string> time_labels;
  std::uint64_t total_rows = 0;
  bool exact = true;
  double error = 0;                               // largest relative standard error in it
  std::string zone, currency, from, to;           // as resolved; RFC 3339 with offset
  std::vector<std::string> other_currencies;      // with sales in range that are not in the answer
  std::vector<std::string> converted_currencies;  // with sales in range that were converted
};

/// Notes the largest error of all values, and whether there is none.
void note_errors(answer& a);

/// Most buckets of one answer.
constexpr std::size_t buckets_max = 100'000;
/// Most pairs of bucket and event name of one answer.
constexpr std::size_t named_buckets_max = 1'000'000;
/// Rows of an answer where the question gives no limit.
constexpr std::uint32_t answer_rows_default = 10'000;

/// Resolves dates in the merchant's zone (`now` for "7d" and the like), checks metrics and
/// dimensions, and chooses the rows. bad_request with a JSON pointer in front of the detail
/// ("/metrics/0: ..."); unsupported with a code in front of it: "too_fine: ..." where rows that
/// fine are not kept, "not_yet: /metrics/0: ..." where rows do not hold the answer,
/// "too_many_buckets: ...".
result<plan> make_plan(const question& q, const merchant_facts& facts, event_time now);

/// Pure: the same rows give the same answer.
answer evaluate(const plan& p, const row_set& rows);

}  // namespace tally

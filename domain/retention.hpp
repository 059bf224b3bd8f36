#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "domain/query.hpp"
#include "domain/ruleset.hpp"
#include "domain/scan.hpp"

namespace tally {

/// Most periods of a question: an answer has half the square of that many cells.
constexpr std::size_t retention_periods_max = 400;

/// Who comes back, by the period in which they came first.
struct retention_question {
  question asked;                          // its range, zone, currency and filters
  granularity period = granularity::week;  // day, week or month
  bool of_orders = false;  // customers by their first order, else visitors by their first event
};

struct retention_cell {
  std::int64_t people = 0;  // of the cohort, with an event (an order) in this period
  money_sum revenue = 0;    // their gross sales less discounts and refunds, in millionths
};

struct retention_row {
  std::string cohort;     // label of its period
  std::int64_t size = 0;  // people who came first in it
  std::vector<retention_cell>
      cells;  // the period itself, then those after it up to the range's end
};

struct retention_answer {
  std::vector<retention_row> rows;  // a row for every period of the range
  std::string zone, currency, from, to;
};

/// For a scan that ends with finish_retention(). Only events that fulfil the filters are there, for
/// what came first too, which is looked for in the whole history.
result<scan_plan> make_retention_plan(const retention_question& q, const merchant_facts& facts,
                                      event_time now, const ruleset& rules);

/// What the scan found. The plan of the scan must be of this question.
result<retention_answer> finish_retention(scan& s, const retention_question& q);

}  // namespace tally

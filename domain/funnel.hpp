#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "domain/query.hpp"
#include "domain/ruleset.hpp"
#include "domain/scan.hpp"

namespace tally {

constexpr std::size_t funnel_steps_min = 2, funnel_steps_max = 10;
constexpr std::chrono::hours funnel_window_max{24 * 366};

/// How far visitors come through steps that follow each other.
struct funnel_question {
  /// Its range, zone, filters (events that do not fulfil them are not there), limit and offset, and
  /// at most one dimension, of events or visits: the value of the event that began the way.
  question asked;
  std::vector<event_filter> steps;
  std::vector<std::string> labels;               // of the steps
  std::chrono::seconds window{24 * 14 * 3'600};  // from the first step to the last
  bool strict = false;  // each step is the visitor's very next event but for engagement events
};

struct funnel_step {
  std::int64_t visitors = 0;   // who came at least here
  metric_value conversion;     // percent of the first step
  metric_value from_previous;  // percent of the step before
  std::int64_t drop_off = 0;   // who came to the step before, and not here
};

struct funnel_row {
  std::string value;  // of the dimension
  std::vector<funnel_step> steps;
};

struct funnel_answer {
  std::vector<funnel_step> steps;
  std::vector<funnel_row> rows;  // by the dimension, most visitors first
  std::uint64_t total_rows = 0;
  std::string zone, from, to;
};

/// For a scan that ends with finish_funnel(). Fails as make_scan_plan does, and with "/steps" and
/// "/window" in front of the detail.
result<scan_plan> make_funnel_plan(const funnel_question& q, const merchant_facts& facts,
                                   event_time now, const ruleset& rules);

/// What the scan found. The plan of the scan must be of this question.
result<funnel_answer> finish_funnel(scan& s, const funnel_question& q);

}  // namespace tally

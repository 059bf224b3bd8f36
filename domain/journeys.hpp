#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "domain/query.hpp"
#include "domain/ruleset.hpp"
#include "domain/scan.hpp"

namespace tally {

constexpr std::uint32_t journey_steps_max = 10, journey_top_max = 1'000;
constexpr std::chrono::hours journey_window_max{24 * 366};

/// What visitors did after something, or before it.
struct journeys_question {
  /// Its range, zone and filters (events that do not fulfil them are not there).
  question asked;
  event_filter anchor;
  bool backwards = false;                   // the steps lead to the anchor, the nearest one first
  std::string by = "event:page";            // or event:name: what a step is called
  std::uint32_t steps = 5, top = 10;        // steps looked at; values and ways shown of each
  std::chrono::seconds window{24 * 3'600};  // from the anchor to the last step
  std::vector<std::string> through;         // only ways whose first steps are these
  bool identity = false;  // a visitor that a user was ever seen with is that user, in the past too
};

struct journey_value {
  std::string value;
  std::int64_t visitors = 0;
  metric_value share;  // percent of all whose way is counted
};

/// One step away from the anchor, two steps, and so on.
struct journey_step {
  std::int64_t visitors = 0;          // whose way is so long
  std::int64_t drop_off = 0;          // whose way ended one step nearer to the anchor
  std::vector<journey_value> values;  // most visitors first
  std::int64_t others = 0;            // visitors whose value is not among them
};

struct journey_way {
  std::vector<std::string> values;  // none: nothing came
  std::int64_t visitors = 0;
};

struct journeys_answer {
  std::int64_t visitors = 0;  // with the anchor, and through the steps that were asked for
  std::vector<journey_step> steps;
  std::vector<journey_way> ways;  // whole ones, most visitors first
  std::uint64_t total_ways = 0;
  std::string zone, from, to;
};

/// For a scan that ends with finish_journeys(). Fails as make_scan_plan does, with "/start" or
/// "/end", "/by", "/steps", "/top", "/window_seconds" and "/through" in front of the detail.
result<scan_plan> make_journeys_plan(const journeys_question& q, const merchant_facts& facts,
                                     event_time now, const ruleset& rules);

/// What the scan found. The plan of the scan must be of this question.
result<journeys_answer> finish_journeys(scan& s, const journeys_question& q);

}  // namespace tally

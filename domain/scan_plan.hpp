#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/event_columns.hpp"
#include "domain/event_field.hpp"
#include "domain/event_filter.hpp"
#include "domain/query.hpp"
#include "domain/ruleset.hpp"

namespace tally {

/// Most groups (rows of an answer before its page is cut, both ranges of a comparison) of a scan.
constexpr std::size_t scan_groups_max = 1'000'000;
/// Memory of one scan.
constexpr std::size_t scan_bytes_default = 1u << 30;
/// A property of engagement events: how much of the page was seen, 0 to 100.
constexpr std::string_view scroll_property = "scroll_depth";
/// Most different fields in the dimensions and filters of a question.
constexpr std::size_t scan_fields_max = 64;

/// Event times of the rows that a scan needs. A block without such a row may be left out, unless
/// `all` says that every block is needed: for what came first, or where rules move events.
struct scan_range {
  bool all = false;
  event_time from{}, to{};  // to is exclusive
  [[nodiscard]] bool wants(event_time oldest, event_time newest) const {
    return all || (oldest < to && newest >= from);
  }
};

/// A filter of a question over the fields of its plan. Parts of the tree that only need one event
/// are evaluated while blocks are read, the rest when visits and visitors are known.
struct scan_filter {
  filter_op op = filter_op::all_of;
  std::size_t field = 0;           // of a comparison: index in scan_plan::fields
  event_filter comparison;         // of a comparison: with the text of "(none)" taken as absent
  std::vector<scan_filter> parts;  // of the others
  bool of_event = true;            // no part of it needs the visit or the visitor
  // Number among the topmost parts of_event; of other comparisons among those.
  std::size_t bit = 0;
  std::size_t behaviour = 0;  // of has_done, has_not_done: number among them
};

/// One dimension of a question.
struct scan_dimension {
  enum class kind : std::uint8_t { bucket, hour_of_day, day_of_week, field } is = kind::field;
  std::size_t field = 0;  // index in scan_plan::fields
};

/// What must be done with each event.
struct scan_needs {
  bool visits = false;        // visits must be put together
  bool visit_counts = false;  // and counted
  bool persons = false;  // rows must be looked at visitor by visitor (also where visits is set)
  bool items = false;    // lines of orders are counted instead of orders
  bool goals = false;    // an event counts once for each goal that it reaches, else not at all
  bool first_orders = false;  // every order since the first must be known
  bool commerce = false, visitors = false;
  bool order_days = false;  // refunds count when their orders were placed
  bool rates = false;       // amounts of other currencies are converted
  bool identity = false;    // visitors are the users that they were seen with
  bool totals = false;      // the whole range as one group too
  bool pages = false;       // which pages a visit saw, and for how long
  bool scrolls = false;     // how far they were read
  bool own_newest = false;  // the blocks' newest event times are not those of these rules
};

/// How to answer a question from events.
struct scan_plan {
  question asked;
  merchant_facts facts;
  std::shared_ptr<const ruleset> rules;
  const zone* asked_zone = nullptr;
  std::string currency;
  std::optional<granularity> step;
  std::vector<bucket_time> buckets, compare_buckets;  // as in plan
  event_time from{}, to{}, compare_from{}, compare_to{};
  std::vector<scan_field> fields;  // of dimensions and filters, each once
  std::vector<scan_dimension> dimensions;
  scan_filter filter;
  std::vector<scan_filter> steps;  // of a funnel
  std::vector<scan_filter> goals;  // where needs.goals: of asked.named, all of_event
  std::size_t filter_bits = 0, late_comparisons = 0, behaviours = 0;
  scan_needs needs;
  scan_range range;
  std::size_t bytes_max = scan_bytes_default, groups_max = scan_groups_max;
};

/// As make_plan: bad_request with a JSON pointer in front of the detail, unsupported with a code in
/// front of it. Filters must be compiled.
result<scan_plan> make_scan_plan(const question& q, const merchant_facts& facts, event_time now,
                                 const ruleset& rules);

/// A question with further filters, such as the steps of a funnel.
struct scan_request {
  question asked;
  std::vector<event_filter> steps;
};
result<scan_plan> make_step_plan(const scan_request& r, const merchant_facts& facts, event_time now,
                                 const ruleset& rules);

/// The columns that blocks must have.
[[nodiscard]] column_wish wish_of(const scan_plan& p);

}  // namespace tally

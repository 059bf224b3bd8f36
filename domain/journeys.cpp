#include "domain/journeys.hpp"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <utility>

#include "domain/query_metrics.hpp"
#include "domain/query_range.hpp"
#include "domain/question_failure.hpp"
#include "domain/scan_visits.hpp"

namespace tally {
namespace {

using question_failure::bad;

metric_value percent(std::int64_t part, std::int64_t whole) {
  if (whole <= 0) return {};
  return {metric_value::form::percent, divide_half_even(int128{part} * 1'000, whole)};
}

class journeys_pass {
 public:
  journeys_pass(scan_frame& frame, const journeys_question& q)
      : frame_{frame},
        q_{q},
        order_{frame},
        reader_{frame, order_},
        field_{frame.plan->dimensions[0].field},
        window_ms_{std::chrono::milliseconds{q.window}.count()} {}

  void count() {
    order_.for_each_run([&](const visitor_run& run) { count(run); });
  }

  [[nodiscard]] journeys_answer answer() const {
    journeys_answer a;
    const auto& p = *frame_.plan;
    for (const auto& [way, visitors] : ways_) a.visitors += visitors;
    auto before = a.visitors;
    for (std::size_t i = 0; i < q_.steps; ++i) {
      a.steps.push_back(step(i, a.visitors));
      a.steps.back().drop_off = before - a.steps.back().visitors;
      before = a.steps.back().visitors;
    }
    add_ways(a);
    a.total_ways = ways_.size();
    a.zone = zone_as_given(p.asked, p.facts);
    a.from = format_local(*p.asked_zone, p.buckets.front());
    a.to = format_local(*p.asked_zone, p.buckets.back() - std::chrono::seconds{1});
    return a;
  }

 private:
  using value_way = std::vector<std::uint32_t>;  // numbers of values

  void count(const visitor_run& run) {
    const auto& span = frame_.spans[0];
    if (order_.unit(run.begin).person == 0) return;
    reader_.enter(span, run);
    events_.clear();
    for (auto i = run.begin; i < run.end; ++i)
      if (span.holds(order_.unit(i).at_ms) && reader_.holds(frame_.plan->filter, i))
        events_.push_back(i);
    if (q_.backwards) std::ranges::reverse(events_);
    const auto anchor = std::ranges::find_if(
        events_, [&](std::size_t i) { return reader_.holds(frame_.plan->steps[0], i); });
    if (anchor == events_.end()) return;
    const auto found = way_from(anchor);
    if (goes_through(found)) ++ways_[found];
  }

  /// Whether an event is a step: page views by page, all but engagement by name.
  [[nodiscard]] bool is_step(std::size_t position) const {
    const auto kind = order_.unit(position).kind;
    return q_.by == "event:page" ? kind == counts_as::page_view : kind != counts_as::engagement;
  }

  [[nodiscard]] value_way way_from(std::vector<std::size_t>::const_iterator anchor) const {
    value_way found;
    const auto begin_ms = order_.unit(*anchor).at_ms;
    bool any = is_step(*anchor);
    auto last = any ? reader_.value(field_, *anchor) : 0;
    for (auto i = anchor + 1; i != events_.end() && found.size() < q_.steps; ++i) {
      if (std::abs(order_.unit(*i).at_ms - begin_ms) > window_ms_) break;
      if (!is_step(*i)) continue;
      const auto value = reader_.value(field_, *i);
      if (any && value == last) continue;  // the same once more
      any = true;
      last = value;
      found.push_back(value);
    }
    return found;
  }

  [[nodiscard]] bool goes_through(const value_way& found) const {
    if (found.size() < q_.through.size()) return false;
    for (std::size_t i = 0; i < q_.through.size(); ++i)
      if (label(found[i]) != q_.through[i]) return false;
    return true;
  }

  [[nodiscard]] std::string_view label(std::uint32_t value) const {
    const auto text = std::as_const(frame_).dictionary(field_).text(value);
    return text.empty() ? label_of_absent(frame_.plan->fields[field_]) : text;
  }

  [[nodiscard]] journey_step step(std::size_t index, std::int64_t all) const {
    journey_step made;
    std::map<std::uint32_t, std::int64_t> counts;
    for (const auto& [way, visitors] : ways_) {
      if (way.size() <= index) continue;
      made.visitors += visitors;
      counts[way[index]] += visitors;
    }
    for (const auto& [value, visitors] : counts)
      made.values.push_back({std::string{label(value)}, visitors, percent(visitors, all)});
    std::ranges::sort(made.values, [](const journey_value& a, const journey_value& b) {
      return std::pair{-a.visitors, a.value} < std::pair{-b.visitors, b.value};
    });
    for (std::size_t i = q_.top; i < made.values.size(); ++i)
      made.others += made.values[i].visitors;
    if (made.values.size() > q_.top) made.values.resize(q_.top);
    return made;
  }

  void add_ways(journeys_answer& a) const {
    for (const auto& [way, visitors] : ways_) {
      auto& made = a.ways.emplace_back();
      made.visitors = visitors;
      for (const auto value : way) made.values.emplace_back(label(value));
    }
    const auto shown = std::min<std::size_t>(q_.top, a.ways.size());
    std::ranges::partial_sort(a.ways, a.ways.begin() + static_cast<std::ptrdiff_t>(shown),
                              [](const journey_way& x, const journey_way& y) {
                                return x.visitors != y.visitors ? x.visitors > y.visitors
                                                                : x.values < y.values;
                              });
    a.ways.resize(shown);
  }

  scan_frame& frame_;
  const journeys_question& q_;
  visit_order order_;
  unit_reader reader_;
  std::size_t field_;
  std::int64_t window_ms_;
  std::vector<std::size_t> events_;  // of the visitor, away from where the anchor is looked for
  std::map<value_way, std::int64_t> ways_;
};

/// The planner speaks of the first step of a list.
failure of_anchor(failure why, const journeys_question& q) {
  constexpr std::string_view step = "/steps/0";
  const auto at = why.detail.find(step);
  if (at != std::string::npos) why.detail.replace(at, step.size(), q.backwards ? "/end" : "/start");
  return why;
}

status check(const journeys_question& q) {
  if (q.by != "event:page" && q.by != "event:name")
    return bad("/by", "must be event:page or event:name");
  if (q.steps < 1 || q.steps > journey_steps_max) return bad("/steps", "must be 1 to 10");
  if (q.top < 1 || q.top > journey_top_max) return bad("/top", "must be 1 to 1000");
  if (q.window.count() < 1 || q.window > journey_window_max)
    return bad("/window_seconds", "must be 1 second to 366 days");
  if (q.through.size() > q.steps)
    return bad("/through", "has more values than steps are asked for");
  if (!q.asked.dimensions.empty()) return bad("/dimensions", "journeys have none");
  return done{};
}

}  // namespace

result<scan_plan> make_journeys_plan(const journeys_question& q, const merchant_facts& facts,
                                     event_time now, const ruleset& rules) {
  if (auto fine = check(q); !fine) return fine.error();
  scan_request request{q.asked, {q.anchor}};
  request.asked.metrics = {"visitors"};
  request.asked.dimensions = {q.by};
  request.asked.compare = comparison::none;
  request.asked.order_by.clear();
  auto p = make_step_plan(request, facts, now, rules);
  if (!p) return of_anchor(p.error(), q);
  p->needs.persons = true;
  p->needs.identity = q.identity;
  p->range.all = p->range.all || q.identity;
  return p;
}

result<journeys_answer> finish_journeys(scan& s, const journeys_question& q) {
  join_people(s.frame());
  journeys_pass pass{s.frame(), q};
  pass.count();
  return pass.answer();
}

}  // namespace tally

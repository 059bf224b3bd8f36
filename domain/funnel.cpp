#include "domain/funnel.hpp"

#include <algorithm>
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

/// How many came at least as far as each step.
using reached = std::vector<std::int64_t>;

std::vector<funnel_step> steps_of(const reached& counts) {
  std::vector<funnel_step> steps;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const auto before = i == 0 ? counts[0] : counts[i - 1];
    steps.push_back(
        {counts[i], percent(counts[i], counts[0]), percent(counts[i], before), before - counts[i]});
  }
  return steps;
}

class funnel_pass {
 public:
  funnel_pass(scan_frame& frame, const funnel_question& q)
      : frame_{frame}, q_{q}, order_{frame}, reader_{frame, order_}, total_(q.steps.size()) {
    window_ms_ = std::chrono::milliseconds{q.window}.count();
  }

  void count() {
    order_.for_each_run([&](const visitor_run& run) { count(run); });
  }

  [[nodiscard]] funnel_answer answer() const {
    funnel_answer a;
    const auto& p = *frame_.plan;
    a.steps = steps_of(total_);
    a.total_rows = rows_.size();
    if (!p.dimensions.empty()) add_rows(a);
    a.zone = zone_as_given(p.asked, p.facts);
    a.from = format_local(*p.asked_zone, p.buckets.front());
    a.to = format_local(*p.asked_zone, p.buckets.back() - std::chrono::seconds{1});
    return a;
  }

 private:
  static constexpr std::size_t none = ~std::size_t{0};

  void count(const visitor_run& run) {
    const auto& span = frame_.spans[0];
    if (order_.unit(run.begin).person == 0) return;
    reader_.enter(span, run);
    way_.clear();
    for (auto i = run.begin; i < run.end; ++i)
      if (span.holds(order_.unit(i).at_ms) && reader_.holds(frame_.plan->filter, i))
        way_.push_back(i);
    const auto [steps, begin] = q_.strict ? strict_way() : ordered_way();
    if (steps == 0) return;
    auto* row = &total_;
    if (const auto& dimensions = frame_.plan->dimensions; !dimensions.empty()) {
      row = &rows_.try_emplace(reader_.value(dimensions[0].field, begin), q_.steps.size())
                 .first->second;
      for (std::size_t k = 0; k < steps; ++k) ++(*row)[k];
    }
    for (std::size_t k = 0; k < steps; ++k) ++total_[k];
  }

  [[nodiscard]] bool is_step(std::size_t step, std::size_t position) {
    return reader_.holds(frame_.plan->steps[step], position);
  }
  [[nodiscard]] bool in_window(std::size_t begin, std::size_t position) const {
    return order_.unit(position).at_ms - order_.unit(begin).at_ms <= window_ms_;
  }

  /// The longest way, and its first event. Of the ways that reach a step the one that began last
  /// has most time left, so it is enough to know that one.
  std::pair<std::size_t, std::size_t> ordered_way() {
    std::vector<std::size_t> begins(q_.steps.size(), none);
    std::pair<std::size_t, std::size_t> longest{0, none};
    for (const auto i : way_) {
      for (auto k = begins.size(); k-- > 0;) {
        const auto begin = k == 0 ? i : begins[k - 1];
        if (begin == none || !in_window(begin, i) || !is_step(k, i)) continue;
        begins[k] = begin;
        if (k + 1 > longest.first) longest = {k + 1, begin};
      }
    }
    return longest;
  }

  std::pair<std::size_t, std::size_t> strict_way() {
    std::erase_if(way_, [&](std::size_t i) {
      if (order_.unit(i).kind != counts_as::engagement) return false;
      for (std::size_t k = 0; k < q_.steps.size(); ++k)
        if (is_step(k, i)) return false;
      return true;
    });
    std::pair<std::size_t, std::size_t> longest{0, none};
    for (std::size_t first = 0; first < way_.size(); ++first) {
      std::size_t k = 0;
      while (k < q_.steps.size() && first + k < way_.size() &&
             in_window(way_[first], way_[first + k]) && is_step(k, way_[first + k]))
        ++k;
      if (k > longest.first) longest = {k, way_[first]};
    }
    return longest;
  }

  void add_rows(funnel_answer& a) const {
    const auto field = frame_.plan->dimensions[0].field;
    const auto& dictionary = std::as_const(frame_).dictionary(field);
    for (const auto& [value, counts] : rows_) {
      const auto text = dictionary.text(value);
      const auto label = text.empty() ? label_of_absent(frame_.plan->fields[field]) : text;
      a.rows.push_back({std::string{label}, steps_of(counts)});
    }
    std::ranges::sort(a.rows, [](const funnel_row& x, const funnel_row& y) {
      return std::pair{-x.steps[0].visitors, x.value} < std::pair{-y.steps[0].visitors, y.value};
    });
    const auto skipped = std::min<std::size_t>(q_.asked.offset, a.rows.size());
    a.rows.erase(a.rows.begin(), a.rows.begin() + static_cast<std::ptrdiff_t>(skipped));
    const auto limit = q_.asked.limit != 0 ? q_.asked.limit : answer_rows_default;
    if (a.rows.size() > limit) a.rows.resize(limit);
  }

  scan_frame& frame_;
  const funnel_question& q_;
  visit_order order_;
  unit_reader reader_;
  std::int64_t window_ms_ = 0;
  std::vector<std::size_t> way_;  // the visitor's events
  reached total_;
  std::map<std::uint32_t, reached> rows_;
};

}  // namespace

result<scan_plan> make_funnel_plan(const funnel_question& q, const merchant_facts& facts,
                                   event_time now, const ruleset& rules) {
  if (q.steps.size() < funnel_steps_min || q.steps.size() > funnel_steps_max)
    return bad("/steps", "must be 2 to 10 steps");
  if (q.window.count() < 1 || q.window > funnel_window_max)
    return bad("/window", "must be 1 second to 366 days");
  if (q.asked.dimensions.size() > 1) return bad("/dimensions", "a funnel has at most one");
  scan_request request{q.asked, q.steps};
  request.asked.metrics = {"visitors"};
  request.asked.compare = comparison::none;
  request.asked.order_by.clear();
  auto p = make_step_plan(request, facts, now, rules);
  if (!p) return p;
  if (p->needs.items) return bad("/dimensions/0", "no field of the lines of an order");
  if (p->needs.goals) return bad("/dimensions/0", "no goal: an event may reach several");
  if (!p->dimensions.empty() && p->dimensions[0].is != scan_dimension::kind::field)
    return bad("/dimensions/0", "no dimension of time");
  p->needs.persons = true;
  return p;
}

result<funnel_answer> finish_funnel(scan& s, const funnel_question& q) {
  funnel_pass pass{s.frame(), q};
  pass.count();
  return pass.answer();
}

}  // namespace tally

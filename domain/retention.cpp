#include "domain/retention.hpp"

#include <algorithm>
#include <tuple>

#include "domain/query_range.hpp"
#include "domain/question_failure.hpp"
#include "domain/scan_visits.hpp"

namespace tally {
namespace {

using question_failure::bad;

/// Something that one of the people did.
struct deed {
  std::uint64_t who = 0;
  std::int64_t at_ms = 0;
  bool returns = true;  // it counts as coming; a refund only changes revenue
  money_sum revenue = 0;
};

class retention_pass {
 public:
  retention_pass(scan_frame& frame, const retention_question& q)
      : frame_{frame}, q_{q}, order_{frame}, reader_{frame, order_} {}

  retention_answer answer() {
    find_deeds();
    retention_answer a;
    const auto& p = *frame_.plan;
    const auto periods = p.buckets.size() - 1;
    for (std::size_t i = 0; i < periods; ++i) {
      a.rows.push_back({label_of(*p.asked_zone, q_.period, p.buckets[i]), 0, {}});
      a.rows.back().cells.resize(periods - i);
    }
    for (std::size_t begin = 0; begin < deeds_.size();) {
      auto end = begin;
      while (end < deeds_.size() && deeds_[end].who == deeds_[begin].who) ++end;
      count(begin, end, a.rows);
      begin = end;
    }
    a.zone = zone_as_given(p.asked, p.facts);
    a.currency = p.currency;
    a.from = format_local(*p.asked_zone, p.buckets.front());
    a.to = format_local(*p.asked_zone, p.buckets.back() - std::chrono::seconds{1});
    return a;
  }

 private:
  void find_deeds() {
    const auto& span = frame_.spans[0];
    order_.for_each_run([&](const visitor_run& run) {
      reader_.enter(span, run);
      for (auto i = run.begin; i < run.end; ++i)
        if (order_.unit(i).at_ms < span.to_ms && reader_.holds(frame_.plan->filter, i)) add(i);
    });
    std::ranges::sort(deeds_, [](const deed& a, const deed& b) {
      return std::tie(a.who, a.at_ms) < std::tie(b.who, b.at_ms);
    });
  }

  void add(std::size_t position) {
    const auto& u = order_.unit(position);
    deed d{q_.of_orders ? frame_.kept.customers[position] : u.person, u.at_ms};
    if (d.who == 0) return;
    if (u.sale != 0) {
      const auto& sale = frame_.kept.sales[u.sale - 1];
      if (sale.of_answer) d.revenue = sale.gross - sale.discounts - sale.refunds;
    }
    if (q_.of_orders) {
      if (u.kind != counts_as::purchase && u.kind != counts_as::refund) return;
      d.returns = u.kind == counts_as::purchase;
    }
    deeds_.push_back(d);
  }

  /// The deeds of one of the people, in the order of time.
  void count(std::size_t begin, std::size_t end, std::vector<retention_row>& rows) {
    auto& span = frame_.spans[0];
    const auto first = std::find_if(deeds_.begin() + static_cast<std::ptrdiff_t>(begin),
                                    deeds_.begin() + static_cast<std::ptrdiff_t>(end),
                                    [](const deed& d) { return d.returns; });
    if (first == deeds_.begin() + static_cast<std::ptrdiff_t>(end) || !span.holds(first->at_ms))
      return;
    const auto cohort = span.bucket_of(first->at_ms);
    auto& row = rows[cohort];
    ++row.size;
    auto counted = ~std::uint32_t{0};
    for (auto i = begin; i < end; ++i) {
      const auto& d = deeds_[i];
      if (!span.holds(d.at_ms) || d.at_ms < first->at_ms) continue;
      const auto period = span.bucket_of(d.at_ms);
      auto& cell = row.cells[period - cohort];
      cell.revenue += d.revenue;
      if (!d.returns || counted == period) continue;
      counted = period;
      ++cell.people;
    }
  }

  scan_frame& frame_;
  const retention_question& q_;
  visit_order order_;
  unit_reader reader_;
  std::vector<deed> deeds_;
};

}  // namespace

result<scan_plan> make_retention_plan(const retention_question& q, const merchant_facts& facts,
                                      event_time now, const ruleset& rules) {
  if (q.period != granularity::day && q.period != granularity::week &&
      q.period != granularity::month)
    return bad("/period", "must be day, week or month");
  if (!q.asked.dimensions.empty()) return bad("/dimensions", "retention has none");
  scan_request request{q.asked, {}};
  request.asked.metrics = {"visitors", "net_sales", "customers"};
  request.asked.dimensions = {"time:" + std::string{to_string(q.period)}};
  request.asked.compare = comparison::none;
  request.asked.order_by.clear();
  auto p = make_step_plan(request, facts, now, rules);
  if (!p) return p;
  if (p->buckets.size() - 1 > retention_periods_max)
    return failure{errc::unsupported, "too_many_buckets: /date_range: more than 400 periods"};
  p->needs.persons = true;
  p->needs.first_orders = true;
  p->range.all = true;
  if (facts.any) p->range.from = std::min(p->range.from, facts.oldest);
  return p;
}

result<retention_answer> finish_retention(scan& s, const retention_question& q) {
  return retention_pass{s.frame(), q}.answer();
}

}  // namespace tally

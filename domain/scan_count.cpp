#include <algorithm>
#include <map>
#include <utility>

#include "domain/scan_visits.hpp"

namespace tally {
struct visit_pass::state {
  explicit state(scan_frame& f)
      : frame{f}, plan{*f.plan}, order{f}, reader{f, order}, key(plan.dimensions.size()) {}

  /// The group of a unit in the bucket of an instant.
  scan_group& group(scan_span& span, std::size_t position, std::int64_t at_ms);
  void count_run(scan_span& span, const visitor_run& run);
  void count_event(scan_span& span, std::size_t position);
  void count_moved(scan_span& span, std::size_t position);
  void count_unit(scan_group& g, const scan_unit& u) const;
  void count_visit(scan_span& span, std::size_t number);
  void count_pages(scan_span& span, const found_visit& found);
  void count_scrolls(scan_span& span, const visitor_run& run);
  template <class F>
  void with_groups(scan_span& span, std::size_t position, F&& f);
  template <class F>
  void with_groups_of_event(scan_span& span, std::size_t first, F&& f);
  [[nodiscard]] bool counts(const scan_span& span, std::size_t position) const {
    return selected[position - run_begin] != 0 && span.holds(order.unit(position).at_ms);
  }

  scan_frame& frame;
  const scan_plan& plan;
  visit_order order;
  unit_reader reader;
  std::vector<std::uint8_t> selected;  // by position in this run
  std::size_t run_begin = 0;
  std::vector<std::uint32_t> key;
  std::vector<std::size_t> event_groups;
};

scan_group& visit_pass::state::group(scan_span& span, std::size_t position, std::int64_t at_ms) {
  for (std::size_t i = 0; i < key.size(); ++i) {
    switch (plan.dimensions[i].is) {
      case scan_dimension::kind::bucket:
        key[i] = span.bucket_of(at_ms);
        break;
      case scan_dimension::kind::hour_of_day:
        key[i] = frame.clock.hour_of_day(at_ms);
        break;
      case scan_dimension::kind::day_of_week:
        key[i] = frame.clock.day_of_week(at_ms);
        break;
      case scan_dimension::kind::field:
        key[i] = reader.value(plan.dimensions[i].field, position);
        break;
    }
  }
  return span.groups.at(key);
}

/// Calls f with the group of a unit and, where they are asked for, with the totals.
template <class F>
void visit_pass::state::with_groups(scan_span& span, std::size_t position, F&& f) {
  f(group(span, position, order.unit(position).at_ms));
  if (plan.needs.totals) f(span.total);
}

void visit_pass::state::count_unit(scan_group& g, const scan_unit& u) const {
  const bool first = g.count(u);
  if (first && plan.needs.visitors && u.person != 0 && g.last_person != u.person) {
    g.last_person = u.person;
    g.traffic.visitors.add(u.person);
  }
  if (u.sale == nullptr) return;
  if (first || plan.needs.items) g.count_sale(*u.sale, first);
  if (!first) return;
  if (frame.wants_order_values) g.add_order_value(*u.sale);
  if (frame.wants_to_date && !u.sale->refund && u.sale->has_customer)
    g.extras().buyers.push_back(u.sale->customer);
}

/// The money of a refund, in the bucket of its order. The refund is an event of its own time.
void visit_pass::state::count_moved(scan_span& span, std::size_t position) {
  const auto& unit = order.unit(position);
  if (unit.sale == 0 || selected[position - run_begin] == 0) return;
  const auto& sale = frame.kept.sales[unit.sale - 1];
  if (!sale.counts_at_ms || !span.holds(*sale.counts_at_ms)) return;
  if (&span == frame.spans.data()) frame.note_currency(sale);
  const auto count = [&](scan_group& g) {
    if (g.last_moved == unit.offset && !plan.needs.items) return;
    g.last_moved = unit.offset;
    g.count_sale(sale, false);
  };
  count(group(span, position, *sale.counts_at_ms));
  if (plan.needs.totals) count(span.total);
}

void visit_pass::state::count_event(scan_span& span, std::size_t position) {
  const auto& kept = order.unit(position);
  scan_unit u{kept.at_ms, kept.offset, kept.person, kept.kind, nullptr};
  if (kept.sale != 0) u.sale = &frame.kept.sales[kept.sale - 1];
  if (u.sale != nullptr && u.sale->counts_at_ms) u.sale = nullptr;  // see count_moved()
  if (u.sale != nullptr && &span == frame.spans.data()) frame.note_currency(*u.sale);
  with_groups(span, position, [&](scan_group& g) { count_unit(g, u); });
}

/// A visit counts whole where one of its events is selected, once in each group that those have.
void visit_pass::state::count_visit(scan_span& span, std::size_t number) {
  const auto& found = order.visits()[number];
  if (!span.holds(found.v.begin_ms)) return;
  const auto count = [&](scan_group& g) {
    if (g.last_visit == order.visit_number(number)) return;
    g.last_visit = order.visit_number(number);
    g.count_visit(found.v);
  };
  for (auto i = found.begin; i < found.end; ++i) {
    if (order.visit_of(i) != number || selected[i - run_begin] == 0) continue;
    count(group(span, i, found.v.begin_ms));
    if (plan.needs.totals) count(span.total);
  }
}

/// Calls f with every group in which an event counts, once each, and with the totals.
template <class F>
void visit_pass::state::with_groups_of_event(scan_span& span, std::size_t first, F&& f) {
  event_groups.clear();
  for (auto i = first; i < order.size() && (i == first || !order.is_first(i)); ++i) {
    if (!counts(span, i)) continue;
    auto& g = group(span, i, order.unit(i).at_ms);
    if (std::ranges::find(event_groups, span.groups.last()) != event_groups.end()) continue;
    event_groups.push_back(span.groups.last());
    f(g);
  }
  if (!event_groups.empty() && plan.needs.totals) f(span.total);
}

/// How long each page view lasted, and which was the last.
void visit_pass::state::count_pages(scan_span& span, const found_visit& found) {
  constexpr auto none = ~std::size_t{0};
  auto view = none;
  bool more = false;  // an event after that page view
  const auto number = order.visit_of(found.begin);
  const auto lasted = [&](std::int64_t end_ms) {
    if (view == none) return;
    with_groups_of_event(span, view, [&](scan_group& g) {
      auto& extra = g.extras();
      ++extra.timed_pages;
      extra.page_ms += end_ms - order.unit(view).at_ms;
    });
  };
  for (auto i = found.begin; i < found.end; ++i) {
    if (order.visit_of(i) != number || !order.is_first(i)) continue;
    const auto& u = order.unit(i);
    if (u.kind == counts_as::page_view) {
      lasted(u.at_ms);
      view = i;
    }
    more = u.kind != counts_as::page_view;
  }
  if (more) lasted(found.v.end_ms);
  if (view != none) with_groups_of_event(span, view, [](scan_group& g) { ++g.extras().exits; });
}

/// The greatest depth of each page that the visitor saw.
void visit_pass::state::count_scrolls(scan_span& span, const visitor_run& run) {
  constexpr auto total = ~std::size_t{0};
  std::map<std::pair<std::size_t, std::uint32_t>, std::int8_t> depths;
  for (auto i = run.begin; i < run.end; ++i) {
    const auto depth = frame.kept.scrolls[i];
    if (depth < 0 || !counts(span, i)) continue;
    const auto page = frame.kept.pages[i];
    const auto note = [&](std::size_t group) {
      auto& deepest = depths.try_emplace({group, page}, depth).first->second;
      deepest = std::max(deepest, depth);
    };
    group(span, i, order.unit(i).at_ms);
    note(span.groups.last());
    if (plan.needs.totals) note(total);
  }
  for (const auto& [where, depth] : depths) {
    auto& extra = where.first == total ? span.total.extras() : span.groups[where.first].extras();
    ++extra.scrolled_pages;
    extra.scroll_percent += depth;
  }
}

void visit_pass::state::count_run(scan_span& span, const visitor_run& run) {
  run_begin = run.begin;
  reader.enter(span, run);
  selected.resize(run.end - run.begin);
  for (auto i = run.begin; i < run.end; ++i)
    selected[i - run.begin] = reader.holds(plan.filter, i) ? 1 : 0;
  for (auto i = run.begin; i < run.end; ++i)
    if (counts(span, i)) count_event(span, i);
  if (plan.needs.order_days)
    for (auto i = run.begin; i < run.end; ++i) count_moved(span, i);
  for (std::size_t v = 0; v < order.visits().size(); ++v) {
    if (plan.needs.visit_counts) count_visit(span, v);
    if (plan.needs.pages) count_pages(span, order.visits()[v]);
  }
  if (plan.needs.scrolls) count_scrolls(span, run);
}

visit_pass::visit_pass(scan_frame& frame) : state_{std::make_unique<state>(frame)} {}
visit_pass::~visit_pass() = default;

void visit_pass::count() {
  auto& s = *state_;
  if (s.plan.needs.order_days) find_order_days(s.frame);
  if (s.frame.wants_to_date) find_worths(s.frame);
  s.order.for_each_run([&](const visitor_run& run) {
    for (auto& span : s.frame.spans) s.count_run(span, run);
  });
}

std::optional<scan_range> visit_pass::wider() const {
  const auto& p = state_->plan;
  const auto& range = p.range;
  const auto timeout = std::chrono::milliseconds{p.rules->visit_timeout}.count();
  const auto from = to_ms(range.from), to = to_ms(range.to);
  const bool more_before = range.from > p.facts.oldest, more_after = range.to <= p.facts.newest;
  const auto reaches_over = [&](const found_visit& found) {
    const auto& v = found.v;
    const bool asked = std::ranges::any_of(state_->frame.spans, [&](const scan_span& s) {
      return v.end_ms >= s.from_ms && v.begin_ms < s.to_ms;
    });
    return asked && ((more_before && v.begin_ms - (from - 1) <= timeout) ||
                     (more_after && to - v.end_ms <= timeout));
  };
  bool over = false;
  state_->order.for_each_run([&](const visitor_run&) {
    over = over || std::ranges::any_of(state_->order.visits(), reaches_over);
  });
  if (!over) return std::nullopt;
  auto asked_from = p.from;
  if (!p.compare_buckets.empty()) asked_from = std::min(asked_from, p.compare_from);
  const auto margin = asked_from - range.from;
  return scan_range{range.all, range.from - margin * 7, range.to + margin * 7};
}

}  // namespace tally

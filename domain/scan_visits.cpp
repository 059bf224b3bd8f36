#include "domain/scan_visits.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <tuple>

#include "domain/query_range.hpp"

namespace tally {

visit_order::visit_order(scan_frame& frame)
    : frame_{frame}, kept_{frame.kept}, slots_{frame.slots.size()} {
  sort();
}

/// By visitor, time and offset. Visitors are spread over parts first, so that a part fits a cache,
/// and the columns follow at the end, so that all that comes reads them from front to back.
void visit_order::sort() {
  constexpr unsigned part_bits = 12;
  constexpr std::size_t parts = std::size_t{1} << part_bits;
  struct key {
    std::uint64_t person;
    std::int64_t at_ms;
    std::uint32_t index;  // in the order of offsets
  };
  const auto part_of = [](std::uint64_t person) { return person >> (64 - part_bits); };
  std::vector<std::size_t> ends(parts + 1);
  for (const auto& u : kept_.units) ++ends[part_of(u.person) + 1];
  std::partial_sum(ends.begin(), ends.end(), ends.begin());
  std::vector<key> keys(kept_.units.size());
  auto next = ends;
  for (std::uint32_t i = 0; i < keys.size(); ++i) {
    const auto& u = kept_.units[i];
    keys[next[part_of(u.person)]++] = {u.person, u.at_ms, i};
  }
  for (std::size_t p = 0; p < parts; ++p)
    std::sort(keys.begin() + static_cast<std::ptrdiff_t>(ends[p]),
              keys.begin() + static_cast<std::ptrdiff_t>(ends[p + 1]),
              [](const key& a, const key& b) {
                return std::tie(a.person, a.at_ms, a.index) < std::tie(b.person, b.at_ms, b.index);
              });
  std::vector<std::uint32_t> order(keys.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = keys[i].index;
  keys = {};
  kept_.reorder(order, slots_);
}

bool visit_order::late(std::size_t position) const {
  const auto& u = unit(position);
  if (kept_.newest.empty()) return u.late;
  const auto late_ms = std::chrono::milliseconds{frame_.plan->rules->late_visit}.count();
  return kept_.newest[position] - u.at_ms > late_ms;
}

void visit_order::enter(const visitor_run& run) {
  run_begin_ = run.begin;
  visits_before_ += visits_.size();
  visits_.clear();
  if (!frame_.plan->needs.visits) return;
  const auto timeout = std::chrono::milliseconds{frame_.plan->rules->visit_timeout}.count();
  visit_of_.assign(run.end - run.begin, no_visit);
  for (auto i = run.begin; i < run.end; ++i) {
    const auto& u = unit(i);
    if (u.person == 0 || late(i)) continue;
    if (visits_.empty() || u.at_ms - visits_.back().v.end_ms > timeout) {
      visits_.emplace_back();
      visits_.back().v = visit{u.person, u.at_ms, u.at_ms};
      visits_.back().begin = i;
    }
    visit_of_[i - run.begin] = static_cast<std::uint32_t>(visits_.size() - 1);
    visits_.back().end = i + 1;
    if (is_first(i)) add(i);
  }
  find_values(run);
}

void visit_order::add(std::size_t position) {
  auto& found = visits_.back();
  const auto& u = unit(position);
  auto& v = found.v;
  v.end_ms = u.at_ms;
  if (u.kind == counts_as::page_view) {
    ++v.pageviews;
    if (!kept_.pages.empty()) {
      found.exit = kept_.pages[position];
      if (v.pageviews == 1) found.entry = found.exit;
    }
  } else if (u.kind != counts_as::engagement) {
    v.interactive = true;
  }
  if (u.kind == counts_as::add_to_cart) v.cart = true;
  if (u.kind == counts_as::checkout) v.checkout = true;
  if (u.kind == counts_as::purchase) v.purchase = true;
}

void visit_order::find_values(const visitor_run& run) {
  values_.assign(visits_.size() * slots_, 0);
  for (auto i = run.begin; i < run.end; ++i) {
    const auto visit = visit_of(i);
    if (visit == no_visit) continue;
    for (std::size_t slot = 0; slot < slots_; ++slot) {
      auto& value = values_[visit * slots_ + slot];
      if (value == 0) value = kept_.ids[i * slots_ + slot];
    }
  }
}

order_history::order_history(scan_frame& frame) : frame_{frame} {
  if (!frame.plan->needs.first_orders) return;
  auto& kept = frame.kept;
  struct order {
    std::uint64_t customer;
    place at;
    std::size_t unit;
    bool operator<(const order& o) const {
      return std::tie(customer, at, unit) < std::tie(o.customer, o.at, o.unit);
    }
  };
  std::vector<order> orders;
  for (std::size_t i = 0; i < kept.units.size(); ++i) {
    const auto& u = kept.units[i];
    if (u.kind == counts_as::purchase && kept.customers[i] != 0)
      orders.push_back({kept.customers[i], {u.at_ms, u.offset}, i});
  }
  std::sort(orders.begin(), orders.end());
  const order* before = nullptr;   // the customer's order before this one
  const order* current = nullptr;  // first unit of this one
  for (const auto& o : orders) {
    if (current == nullptr || current->customer != o.customer) {
      before = nullptr;
      current = &o;
      first_.emplace(o.customer, o.at);
    } else if (current->at != o.at) {
      before = current;
      current = &o;
    }
    const auto sale = kept.units[o.unit].sale;
    if (sale == 0) continue;
    kept.sales[sale - 1].first = before == nullptr;
    kept.sales[sale - 1].gap_ms = before == nullptr ? -1 : o.at.at_ms - before->at.at_ms;
  }
  for (std::size_t i = 0; i < frame.plan->fields.size(); ++i) {
    if (frame.plan->fields[i].from != field_source::customer_type) continue;
    frame.values[i].id("new");
    frame.values[i].id("returning");
  }
}

std::uint32_t order_history::customer_type(std::size_t field, std::size_t unit) const {
  const auto customer = frame_.kept.customers[unit];
  if (customer == 0) return 0;
  const auto& u = frame_.kept.units[unit];
  const auto found = first_.find(customer);
  const bool bought = found != first_.end() && found->second < place{u.at_ms, u.offset};
  return frame_.values[field].id(bought ? "returning" : "new");
}

std::uint32_t order_history::cohort(std::size_t field, std::size_t unit) const {
  const auto customer = frame_.kept.customers[unit];
  const auto found = first_.find(customer);
  if (customer == 0 || found == first_.end()) return 0;
  const auto& z = *frame_.plan->asked_zone;
  const auto month = bucket_begin(z, granularity::month, time_from_ms(found->second.at_ms));
  return frame_.values[field].id(bucket_label(z, granularity::month, month));
}

void find_order_days(scan_frame& frame) {
  auto& kept = frame.kept;
  struct placed_order {
    std::int64_t at_ms, known_ms;
  };
  std::unordered_map<std::uint64_t, placed_order> placed;  // the first purchase of that order id
  for (const auto& u : kept.units) {
    if (u.sale == 0) continue;
    const auto& sale = kept.sales[u.sale - 1];
    if (sale.refund || sale.order == 0) continue;
    const placed_order here{u.at_ms, sale.known_ms};
    auto& first = placed.try_emplace(sale.order, here).first->second;
    if (std::tie(here.at_ms, here.known_ms) < std::tie(first.at_ms, first.known_ms)) first = here;
  }
  for (const auto& u : kept.units) {
    if (u.sale == 0) continue;
    auto& sale = kept.sales[u.sale - 1];
    if (!sale.refund) continue;
    const auto found = sale.order == 0 ? placed.end() : placed.find(sale.order);
    if (found != placed.end()) {
      sale.counts_at_ms = found->second.at_ms;
      // An order in the answer's currency was never converted, and knows no time.
      if (found->second.known_ms != 0) sale.known_ms = found->second.known_ms;
    }
    if (frame.plan->needs.rates && !sale.of_answer)
      convert(sale, frame.currencies.text(sale.currency), *frame.plan,
              sale.counts_at_ms.value_or(u.at_ms));
  }
}

void find_worths(scan_frame& frame) {
  frame.to_date.assign(frame.spans.size(), {});
  for (const auto& u : frame.kept.units) {
    if (u.sale == 0) continue;
    const auto& sale = frame.kept.sales[u.sale - 1];
    if (!sale.has_customer || !sale.of_answer) continue;
    const auto at_ms = sale.counts_at_ms.value_or(u.at_ms);
    for (std::size_t s = 0; s < frame.spans.size(); ++s)
      if (at_ms < frame.spans[s].to_ms)
        frame.to_date[s][sale.customer] += sale.gross - sale.discounts - sale.refunds;
  }
}

}  // namespace tally

#include <algorithm>
#include <utility>

#include "domain/scan_work.hpp"

namespace tally {
namespace {

/// Marks late comparisons' fields.
void find_late_fields(const scan_filter& f, std::vector<bool>& used) {
  if (is_comparison(f.op) && !f.of_event) used[f.field] = true;
  for (const auto& part : f.parts) find_late_fields(part, used);
}

/// Numbers of one dictionary in another.
std::vector<std::uint32_t> ids_in(value_ids& into, const value_ids& from) {
  std::vector<std::uint32_t> ids(from.size());
  for (std::uint32_t i = 0; i < ids.size(); ++i) ids[i] = into.id(from.text(i));
  return ids;
}

using id_table = std::vector<std::uint32_t>;

void merge_span(const scan_plan& p, scan_span& into, const scan_span& from,
                const std::vector<id_table>& ids) {
  std::vector<std::uint32_t> key(p.dimensions.size());
  for (std::size_t g = 0; g < from.groups.size(); ++g) {
    const auto old = from.groups.key(g);
    for (std::size_t i = 0; i < key.size(); ++i) {
      const auto& d = p.dimensions[i];
      key[i] = d.is == scan_dimension::kind::field ? ids[d.field][old[i]] : old[i];
    }
    into.groups.at(key).merge(from.groups[g]);
  }
  into.total.merge(from.total);
}

template <class T>
void append(std::vector<T>& into, const std::vector<T>& from) {
  into.insert(into.end(), from.begin(), from.end());
}

/// By a quarter: doubling would waste hundreds of megabytes.
template <class T>
void grow(std::vector<T>& column, std::size_t size) {
  if (size > column.capacity()) column.reserve(std::max(size, column.capacity() / 4 * 5));
}

template <class T>
void reorder_column(std::vector<T>& column, const std::vector<std::uint32_t>& order) {
  if (column.empty()) return;
  std::vector<T> ordered(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) ordered[i] = column[order[i]];
  column = std::move(ordered);
}

template <class T>
std::size_t bytes_of(const std::vector<T>& all) {
  return all.capacity() * sizeof(T);
}

}  // namespace

std::size_t kept_units::heap_bytes() const {
  constexpr std::size_t sort_bytes = 28;  // of a unit, while they are sorted
  return bytes_of(units) + units.size() * sort_bytes + bytes_of(bits) + bytes_of(ids) +
         bytes_of(pages) + bytes_of(customers) + bytes_of(scrolls) + bytes_of(newest) +
         bytes_of(sales);
}

void kept_units::reserve(std::size_t more, std::size_t slots) {
  grow(units, units.size() + more);
  grow(ids, ids.size() + more * slots);
}

void kept_units::reorder(const std::vector<std::uint32_t>& order, std::size_t slots) {
  reorder_column(units, order);
  reorder_column(bits, order);
  reorder_column(pages, order);
  reorder_column(customers, order);
  reorder_column(scrolls, order);
  reorder_column(newest, order);
  std::vector<std::uint32_t> ordered(ids.size());
  for (std::size_t i = 0; i < order.size(); ++i)
    for (std::size_t slot = 0; slot < slots; ++slot)
      ordered[i * slots + slot] = ids[order[i] * slots + slot];
  ids = std::move(ordered);
}

scan_frame::scan_frame(std::shared_ptr<const scan_plan> p)
    : plan{std::move(p)},
      values(plan->fields.size()),
      clock{*plan->asked_zone},
      slot_of(plan->fields.size(), no_slot) {
  for (const auto& name : plan->asked.metrics) {
    const auto* const metric = find_scan_metric(name);
    if (metric == nullptr) continue;
    wants_to_date |= (metric->needs & scan_to_date) != 0;
    wants_order_values |= (metric->needs & scan_order_values) != 0;
  }
  spans.emplace_back(*plan, plan->buckets, plan->from, plan->to);
  if (!plan->compare_buckets.empty())
    spans.emplace_back(*plan, plan->compare_buckets, plan->compare_from, plan->compare_to);
  if (!plan->needs.persons) return;
  std::vector<bool> used(plan->fields.size());
  find_late_fields(plan->filter, used);
  for (const auto& step : plan->steps) find_late_fields(step, used);
  for (const auto& d : plan->dimensions)
    if (d.is == scan_dimension::kind::field) used[d.field] = true;
  for (std::size_t i = 0; i < used.size(); ++i) {
    const auto from = plan->fields[i].from;
    if (!used[i] || from == field_source::entry_page || from == field_source::exit_page ||
        from == field_source::customer_type || from == field_source::cohort)
      continue;
    slot_of[i] = slots.size();
    slots.push_back(i);
  }
}

value_ids& scan_frame::dictionary(std::size_t field) {
  const auto from = plan->fields[field].from;
  const bool page = from == field_source::entry_page || from == field_source::exit_page;
  return page ? pages : values[field];
}

const value_ids& scan_frame::dictionary(std::size_t field) const {
  const auto from = plan->fields[field].from;
  const bool page = from == field_source::entry_page || from == field_source::exit_page;
  return page ? pages : values[field];
}

void scan_frame::note_currency(const scan_sale& sale) {
  if (sold.size() <= sale.currency) sold.resize(sale.currency + 1);
  sold[sale.currency] = static_cast<std::uint8_t>(sold[sale.currency] | (sale.of_answer ? 2 : 1));
}

std::size_t scan_frame::heap_bytes() const {
  auto bytes = pages.heap_bytes() + currencies.heap_bytes() + kept.heap_bytes();
  for (const auto& v : values) bytes += v.heap_bytes();
  constexpr std::size_t worth_bytes = 64;
  bytes += users.size() * worth_bytes;
  for (const auto& w : to_date) bytes += w.size() * worth_bytes;
  for (const auto& s : spans) bytes += s.groups.heap_bytes() + s.total.heap_bytes();
  return bytes;
}

void scan_frame::append_kept(const scan_frame& later, const std::vector<std::uint32_t>& page_ids,
                             const std::vector<std::uint32_t>& currency_ids) {
  const auto& from = later.kept;
  const auto sales_before = static_cast<std::uint32_t>(kept.sales.size());
  for (auto u : from.units) {
    if (u.sale != 0) u.sale += sales_before;
    kept.units.push_back(u);
  }
  for (auto s : from.sales) {
    s.currency = currency_ids[s.currency];
    kept.sales.push_back(s);
  }
  for (const auto page : from.pages) kept.pages.push_back(page_ids[page]);
  append(kept.bits, from.bits);
  append(kept.customers, from.customers);
  append(kept.scrolls, from.scrolls);
  for (const auto n : from.newest) kept.newest.push_back(std::max(n, newest_ms));
}

void scan_frame::merge(const scan_frame& later) {
  ensure(later.plan == plan, "scans of two plans are not merged");
  std::vector<id_table> ids;
  for (std::size_t i = 0; i < values.size(); ++i) ids.push_back(ids_in(values[i], later.values[i]));
  const auto page_ids = ids_in(pages, later.pages);
  const auto currency_ids = ids_in(currencies, later.currencies);
  for (std::size_t s = 0; s < spans.size(); ++s) merge_span(*plan, spans[s], later.spans[s], ids);
  sold.resize(std::max(sold.size(), currencies.size()));
  for (std::size_t i = 0; i < later.sold.size(); ++i) {
    auto& all = sold[currency_ids[i]];
    all = static_cast<std::uint8_t>(all | later.sold[i]);
  }
  append_kept(later, page_ids, currency_ids);
  for (std::size_t i = 0; i < later.kept.ids.size(); ++i)
    kept.ids.push_back(ids[slots[i % slots.size()]][later.kept.ids[i]]);
  for (const auto& [visitor, user] : later.users) users[visitor] = user;
  newest_ms = std::max(newest_ms, later.newest_ms);
  rows += later.rows;
}

void join_people(scan_frame& frame) {
  if (frame.users.empty()) return;
  const auto join = [&](std::uint64_t& person) {
    const auto found = frame.users.find(person);
    if (found != frame.users.end() && found->second != 0) person = found->second;
  };
  for (auto& u : frame.kept.units) join(u.person);
  for (auto& customer : frame.kept.customers) join(customer);
  for (auto& s : frame.kept.sales)
    if (s.has_customer) join(s.customer);
  frame.users.clear();
}

}  // namespace tally

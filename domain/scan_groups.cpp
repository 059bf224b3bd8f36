#include "domain/scan_groups.hpp"

#include <algorithm>
#include <utility>

namespace tally {
namespace {

constexpr std::size_t no_group = ~std::size_t{0};
constexpr std::int64_t day_s = 86'400;

std::size_t hash_of(std::span<const std::uint32_t> key) {
  std::uint64_t h = 0x9e3779b97f4a7c15u;
  for (const auto part : key) {
    h = (h ^ part) * 0xff51afd7ed558ccdu;
    h ^= h >> 32;
  }
  return static_cast<std::size_t>(h);
}

std::int64_t floor_to(std::int64_t value, std::int64_t width) {
  const auto quotient = value / width - (value % width < 0 ? 1 : 0);
  return quotient * width;
}

}  // namespace

std::uint32_t value_ids::id(std::string_view text) {
  if (const auto found = ids_.find(text); found != ids_.end()) return found->second;
  const auto id = static_cast<std::uint32_t>(texts_.size());
  texts_.emplace_back(text);
  ids_.emplace(texts_.back(), id);
  bytes_ += text.size() + 96;
  return id;
}

std::size_t value_ids::heap_bytes() const {
  return bytes_;
}

bool scan_group::count(const scan_unit& u) {
  const bool first = last_event != u.offset;
  if (!first) return false;
  last_event = u.offset;
  ++traffic.events;
  if (u.kind == counts_as::page_view) ++traffic.pageviews;
  return true;
}

void scan_group::count_sale(const scan_sale& s, bool first_unit) {
  if (!commerce) commerce = std::make_unique<commerce_pair>();
  for (auto* row : {&commerce->all, &commerce->money}) {
    if (row == &commerce->money && !s.of_answer) continue;
    row->units += s.units;
    row->gross_sales += s.gross;
    row->discounts += s.discounts;
    row->tax += s.tax;
    row->shipping += s.shipping;
    row->refunds += s.refunds;
    if (!first_unit) continue;
    (s.refund ? row->refund_events : row->orders) += 1;
    if (!s.refund && s.has_customer) row->customers.add(s.customer);
  }
  if (!first_unit || s.refund) return;
  if (s.first) ++extras().new_customers;
  if (s.gap_ms >= 0) {
    ++extras().later_orders;
    extras().order_gap_ms += s.gap_ms;
  }
}

void scan_group::add_order_value(const scan_sale& s) {
  if (s.refund || !s.of_answer) return;
  if (!order_values) order_values = std::make_unique<value_percentiles>();
  order_values->add(s.gross - s.discounts);
}

void scan_group::count_visit(const visit& v) {
  traffic.visits += 1;
  traffic.bounces += v.bounced() ? 1 : 0;
  traffic.visit_pageviews += v.pageviews;
  traffic.visit_ms += v.end_ms - v.begin_ms;
  traffic.with_cart += v.cart ? 1 : 0;
  traffic.with_checkout += v.checkout ? 1 : 0;
  traffic.with_purchase += v.purchase ? 1 : 0;
  traffic.cart_then_checkout += v.cart && v.checkout ? 1 : 0;
  traffic.completed += v.cart && v.checkout && v.purchase ? 1 : 0;
  traffic.abandoned += v.cart && !v.purchase ? 1 : 0;
}

scan_extra& scan_group::extras() {
  if (!extra) extra = std::make_unique<scan_extra>();
  return *extra;
}

void scan_group::merge(const scan_group& other) {
  tally::merge(traffic, other.traffic);
  if (other.commerce) {
    if (!commerce) commerce = std::make_unique<commerce_pair>();
    tally::merge(commerce->all, other.commerce->all);
    tally::merge(commerce->money, other.commerce->money);
  }
  if (other.order_values) {
    if (!order_values) order_values = std::make_unique<value_percentiles>();
    order_values->merge(*other.order_values);
  }
  ensure(!other.extra, "what only visits tell is not merged");
}

void scan_group::swap(scan_rows& rows) {
  std::swap(rows.plain.traffic, traffic);
  if (commerce) {
    std::swap(rows.plain.money, commerce->money);
    std::swap(rows.plain.commerce, commerce->all);
  }
  if (extra) std::swap(rows.extra, *extra);
}

std::size_t scan_group::heap_bytes() const {
  auto bytes = traffic.visitors.heap_bytes();
  if (commerce)
    bytes += sizeof(commerce_pair) + commerce->money.customers.heap_bytes() +
             commerce->all.customers.heap_bytes();
  if (order_values) bytes += sizeof(value_percentiles) + order_values->heap_bytes();
  if (extra) bytes += sizeof(scan_extra) + extra->buyers.capacity() * sizeof(std::uint64_t);
  return bytes;
}

scan_group& scan_groups::at(std::span<const std::uint32_t> key) {
  if (!groups_.empty() && std::ranges::equal(this->key(last_), key)) return groups_[last_];
  if ((groups_.size() + 1) * 2 > slots_.size()) grow();
  const auto slot = slot_of(key);
  if (slots_[slot] == no_group) {
    slots_[slot] = groups_.size();
    keys_.insert(keys_.end(), key.begin(), key.end());
    groups_.emplace_back();
  }
  last_ = slots_[slot];
  return groups_[last_];
}

const std::size_t* scan_groups::find(std::span<const std::uint32_t> key) const {
  if (slots_.empty()) return nullptr;
  const auto& found = slots_[slot_of(key)];
  return found == no_group ? nullptr : &found;
}

std::size_t scan_groups::slot_of(std::span<const std::uint32_t> key) const {
  const auto mask = slots_.size() - 1;
  auto slot = hash_of(key) & mask;
  while (slots_[slot] != no_group && !std::ranges::equal(this->key(slots_[slot]), key))
    slot = (slot + 1) & mask;
  return slot;
}

void scan_groups::grow() {
  slots_.assign(std::max<std::size_t>(64, slots_.size() * 2), no_group);
  for (std::size_t i = 0; i < groups_.size(); ++i) slots_[slot_of(key(i))] = i;
}

std::size_t scan_groups::heap_bytes() const {
  auto bytes = keys_.capacity() * sizeof(keys_[0]) + groups_.capacity() * sizeof(scan_group) +
               slots_.capacity() * sizeof(slots_[0]);
  for (const auto& g : groups_) bytes += g.heap_bytes();
  return bytes;
}

scan_span::scan_span(const scan_plan& p, const std::vector<bucket_time>& edges, event_time from,
                     event_time to)
    : from_ms{tally::to_ms(from)}, to_ms{tally::to_ms(to)}, groups{p.dimensions.size()} {
  for (const auto edge : edges) edges_ms_.push_back(to_s(edge) * 1'000);
}

std::uint32_t scan_span::bucket_of(std::int64_t at_ms) {
  if (at_ms < edges_ms_[last_] || at_ms >= edges_ms_[last_ + 1]) {
    const auto after = std::upper_bound(edges_ms_.begin(), edges_ms_.end() - 1, at_ms);
    last_ = static_cast<std::size_t>(after - edges_ms_.begin()) - 1;
  }
  return static_cast<std::uint32_t>(last_);
}

std::int64_t wall_clock::local_s(std::int64_t at_ms) {
  const auto t = std::chrono::floor<std::chrono::seconds>(time_from_ms(at_ms));
  if (t < period_.begin || t >= period_.end) period_ = zone_->at(t);
  return to_s(t + period_.offset);
}

std::uint32_t wall_clock::hour_of_day(std::int64_t at_ms) {
  const auto s = local_s(at_ms);
  return static_cast<std::uint32_t>((s - floor_to(s, day_s)) / 3'600);
}

std::uint32_t wall_clock::day_of_week(std::int64_t at_ms) {
  constexpr std::int64_t thursday = 3;  // 1 January 1970
  const auto day = floor_to(local_s(at_ms), day_s) / day_s + thursday;
  return static_cast<std::uint32_t>(day - floor_to(day, 7));
}

}  // namespace tally

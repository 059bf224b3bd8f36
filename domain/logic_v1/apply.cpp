#include "domain/logic_v1/apply.hpp"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <optional>

#include "domain/ensure.hpp"
#include "domain/logic_v1/new_texts.hpp"

namespace tally::logic_v1 {
namespace {

constexpr std::size_t currencies_max = 200;
constexpr std::int64_t hour_ms = 3'600'000;
/// The finest row that is kept of an instant, by f(begin, width). Wider rows are made of it when
/// they are asked for or written: rolled_up().
template <class F>
void with_row(merchant_state& state, std::int64_t at_ms, F&& f) {
  const auto begins = state.finder.find(time_from_ms(at_ms));
  if (begins.minute >= state.minute_horizon()) {
    f(begins.minute, granularity::minute);
  } else {
    f(begins.hour, granularity::hour);
  }
}

std::uint64_t person_hash(std::string_view person) {
  return XXH3_64bits(person.data(), person.size());
}

/// Adds a visit's share to the rows of its first event, or takes it back.
void count_visit(traffic_delta& row, const visit& v, int sign) {
  const auto count = [sign](std::int16_t& counter, bool counts) {
    counter = static_cast<std::int16_t>(counter + (counts ? sign : 0));
  };
  ++row.changes;
  count(row.visits, true);
  count(row.bounces, v.bounced());
  row.visit_pageviews += sign * std::int64_t{v.pageviews};
  row.visit_ms += sign * (v.end_ms - v.begin_ms);
  count(row.with_cart, v.cart);
  count(row.with_checkout, v.checkout);
  count(row.with_purchase, v.purchase);
  count(row.cart_then_checkout, v.cart && v.checkout);
  count(row.completed, v.cart && v.checkout && v.purchase);
  count(row.abandoned, v.cart && !v.purchase);
}

void count_visit(merchant_state& state, const visit& v, int sign) {
  with_row(state, v.begin_ms, [&](bucket_time begin, granularity width) {
    count_visit(state.deltas.traffic.at(begin, width, 0), v, sign);
  });
}

void add_event(visit& v, std::int64_t at_ms, counts_as kind) {
  v.begin_ms = std::min(v.begin_ms, at_ms);
  v.end_ms = std::max(v.end_ms, at_ms);
  if (kind == counts_as::page_view) ++v.pageviews;
  if (kind != counts_as::page_view && kind != counts_as::engagement) v.interactive = true;
  if (kind == counts_as::add_to_cart) v.cart = true;
  if (kind == counts_as::checkout) v.checkout = true;
  if (kind == counts_as::purchase) v.purchase = true;
}

visit join(const visit& a, const visit& b) {
  visit v = a;
  v.begin_ms = std::min(a.begin_ms, b.begin_ms);
  v.end_ms = std::max(a.end_ms, b.end_ms);
  v.pageviews = a.pageviews + b.pageviews;
  v.interactive = a.interactive || b.interactive;
  v.cart = a.cart || b.cart;
  v.checkout = a.checkout || b.checkout;
  v.purchase = a.purchase || b.purchase;
  return v;
}

std::int64_t oldest_open_end(const merchant_state& state, const ruleset& rules) {
  using std::chrono::milliseconds;
  return state.newest_ms - milliseconds{rules.late_visit}.count() -
         milliseconds{rules.visit_timeout}.count();
}

std::uint64_t mix(std::uint64_t seed, std::uint64_t value) {
  return XXH3_64bits_withSeed(&value, sizeof value, seed);
}

/// Puts a timely event into its visit: a new one, a widened one, or two joined into one.
std::uint64_t visit_event(merchant_state& state, std::uint64_t visitor, std::int64_t at_ms,
                          counts_as kind, const ruleset& rules) {
  const auto timeout = std::chrono::milliseconds{rules.visit_timeout}.count();
  auto [before, after] = state.visits.find(visitor, at_ms, timeout);
  visit now{visitor, at_ms, at_ms};
  std::uint64_t taken = 0;
  if (before != nullptr && after != nullptr) {
    count_visit(state, *before, -1);
    count_visit(state, *after, -1);
    now = join(*before, *after);
    taken = 2;
    state.visits.erase(after);
    before = state.visits.find(visitor, at_ms, timeout).before;
  } else if (auto* const only = before != nullptr ? before : after; only != nullptr) {
    before = only;
    now = *only;
    taken = 1;
    count_visit(state, *only, -1);
  }
  add_event(now, at_ms, kind);
  count_visit(state, now, +1);
  if (before != nullptr) {
    *before = now;
  } else {
    if (state.visits.full()) state.visits.expire(oldest_open_end(state, rules));
    state.visits.insert(now);
  }
  state.visits.touch(visitor);
  return mix(mix(taken, static_cast<std::uint64_t>(now.begin_ms)),
             static_cast<std::uint64_t>(now.end_ms));
}

/// Sum of quantity x price over the items; `units` gets the sum of quantities.
money_sum items_total(const event_order& order, money_sum& units) {
  money_sum total = 0;
  for (const auto& item : order.items) {
    units += item.quantity.millionths;
    if (const auto line = multiply(item.quantity, item.price)) total += line->millionths;
  }
  return total;
}

money_sum or_zero(const std::optional<money>& m) {
  return m ? m->millionths : 0;
}

/// What a purchase sold before discounts: its items, else subtotal, else total without the rest.
money_sum gross_of(const event_order& order, money_sum& units) {
  const auto items = items_total(order, units);
  if (!order.items.empty()) return items;
  if (order.subtotal) return order.subtotal->millionths;
  if (!order.total) return 0;
  return order.total->millionths - or_zero(order.tax) - or_zero(order.shipping) +
         or_zero(order.discount);
}

void count_commerce(merchant_state& state, const event& e, counts_as kind,
                    std::optional<std::uint64_t> customer) {
  const std::string_view currency =
      e.order.currency.empty() ? std::string_view{state.currency} : e.order.currency;
  const auto tag = state.currencies.number(currency, currencies_max);
  if (tag == text_numbers::none) return;
  commerce_row change;
  if (kind == counts_as::purchase) {
    change.orders = 1;
    change.gross_sales = gross_of(e.order, change.units);
    change.discounts = or_zero(e.order.discount);
    change.tax = or_zero(e.order.tax);
    change.shipping = or_zero(e.order.shipping);
    if (customer) change.customers.add(*customer);
  } else {
    money_sum ignored_units = 0;
    const auto items = items_total(e.order, ignored_units);
    change.refund_events = 1;
    change.refunds = e.order.items.empty() ? or_zero(e.order.amount) : items;
  }
  with_row(state, to_ms(e.at), [&](bucket_time begin, granularity width) {
    merge(state.deltas.commerce.at(begin, width, tag), change);
  });
}

void count_event(merchant_state& state, const event& e, counts_as kind,
                 std::optional<std::uint64_t> visitor) {
  const auto name = state.names.number(e.name, names_max);
  with_row(state, to_ms(e.at), [&](bucket_time begin, granularity width) {
    auto& row = state.deltas.traffic.at(begin, width, 0);
    ++row.changes;
    ++row.events;
    if (kind == counts_as::page_view) ++row.pageviews;
    if (visitor) row.visitors.add(*visitor);
    if (name == text_numbers::none) return;
    auto& by_name = state.deltas.names.at(begin, width, name);
    by_name.events += 1;
    if (visitor) by_name.visitors.add(*visitor);
  });
}

/// Changes the ledger, and the operations rows of the bucket in which the event was received.
template <class F>
void count_operation(merchant_state& state, event_time received_at, F&& change) {
  change(state.counts);
  with_row(state, to_ms(received_at), [&](bucket_time begin, granularity width) {
    change(state.deltas.operations.at(begin, width, 0));
  });
}

// Such an event cannot have been counted before, so its id is neither looked up nor remembered:
// sent again it is rejected again.
applied reject(merchant_state& state, const event& e, reject_reason reason) {
  count_operation(state, e.received_at, [&](auto& row) { row.rejected[to_string(reason)] += 1; });
  return {effect::rejected, false, mix(8, static_cast<std::uint64_t>(reason)), reason};
}

applied leave_out(merchant_state& state, const event& e, std::string_view reason) {
  count_operation(state, e.received_at, [&](auto& row) { row.filtered[reason] += 1; });
  return {effect::filtered, false, mix(11, XXH3_64bits(reason.data(), reason.size()))};
}

/// Counts an event that is known to be new, as the rules made it.
applied count_data(merchant_state& state, const event& e, const ruleset& rules) {
  const auto at_ms = to_ms(e.at);
  const auto kind = rules.kind_of(e.name);
  if (kind == counts_as::ignore) {
    count_operation(state, e.received_at, [](auto& row) { ++row.filtered["ignored_name"]; });
    return {effect::filtered, false, 3};
  }
  state.newest_ms = std::max(state.newest_ms, at_ms);
  state.oldest_ms = std::min(state.oldest_ms, at_ms);
  const auto person = e.visitor.empty() ? e.user : e.visitor;
  std::optional<std::uint64_t> visitor;
  if (!person.empty()) visitor = std::max<std::uint64_t>(1, person_hash(person));
  const bool late = state.newest_ms - at_ms > std::chrono::milliseconds{rules.late_visit}.count();

  count_event(state, e, kind, visitor);
  std::uint64_t digest = mix(1, static_cast<std::uint64_t>(at_ms));
  if (visitor && !late) digest = mix(digest, visit_event(state, *visitor, at_ms, kind, rules));
  if (kind == counts_as::purchase || kind == counts_as::refund) {
    const auto customer = e.user.empty() ? visitor : std::optional{person_hash(e.user)};
    count_commerce(state, e, kind, customer);
  }
  const auto lag_ms = to_ms(e.received_at) - at_ms;
  count_operation(state, e.received_at, [&](auto& row) {
    ++row.accepted;
    if (late) ++row.late;
    if constexpr (requires { row.lag; }) row.lag.add(lag_ms);
  });
  return {effect::accepted, late, mix(digest, late)};
}

// Nothing for an event that is new and within its merchant's limits, else what it came to. Whether
// it is rejected or a duplicate goes by what was sent, so that all rulesets agree on it and one set
// of ids serves them all.
std::optional<applied> turn_away(merchant_state& state, const event& e, const place& where) {
  new_texts fresh;
  if (const auto reason = fresh.find(state.texts, e); reason != reject_reason::none)
    return reject(state, e, reason);
  if (state.ids.seen_or_add(e, where.stamped_at, where.offset)) {
    count_operation(state, e.received_at, [](auto& row) { ++row.duplicate; });
    return applied{effect::duplicate, false, 2};
  }
  fresh.remember(state.texts);
  return std::nullopt;
}

applied apply_data(merchant_state& state, const event& e, const place& where,
                   const ruleset& rules) {
  if (const auto away = turn_away(state, e, where)) return *away;
  if (!rules.rewrites()) return count_data(state, e, rules);
  event changed;
  const auto judged = judge(rules, e, *state.reporting_zone, changed);
  if (!judged.filtered_reason.empty()) return leave_out(state, e, judged.filtered_reason);
  return count_data(state, *judged.counted, rules);
}

/// Keeps a refused event's bytes, within what its merchant may have an hour.
void keep_rejected(merchant_state& state, const event& e, const place& where) {
  const auto hour = to_ms(e.received_at) / hour_ms;
  if (hour > state.rejects_hour) {
    state.rejects_hour = hour;
    state.rejects_hour_bytes = 0;
  }
  if (state.rejects_hour_bytes + where.bytes.size() > rejects_hour_bytes_max) return;
  state.rejects_hour_bytes += where.bytes.size();
  state.rejects.push_back({where.offset, std::string{where.bytes}});
}

// One with an id comes from an import, which may be run again.
applied apply_rejected(merchant_state& state, const event& e, const place& where) {
  if (!e.id.empty() && state.ids.seen_or_add(e, where.stamped_at, where.offset))
    return {effect::duplicate, false, 9};
  count_operation(state, e.received_at, [&](auto& row) { row.rejected[e.name] += e.count; });
  if (!e.raw.empty()) keep_rejected(state, e, where);
  return {effect::recorded, false, mix(4, e.count)};
}

applied apply_settings(merchant_state& state, const event& e, const ruleset& rules) {
  const auto* z = zone::find(e.title);
  if (z != nullptr && !rules.reporting_fixed &&
      state.newest_ms == std::numeric_limits<std::int64_t>::min())
    state.set_reporting(*z, e.title, e.order.currency);
  return {effect::recorded, false, 5};
}

applied apply_identify(merchant_state& state, const event& e, const place& where) {
  if (const auto away = turn_away(state, e, where)) return *away;
  count_operation(state, e.received_at, [](auto& row) { ++row.accepted; });
  return {effect::recorded, false, 6};
}

applied apply_by_kind(merchant_state& state, const event& e, const place& where,
                      const ruleset& rules) {
  switch (e.kind) {
    case event_kind::data:
      return apply_data(state, e, where, rules);
    case event_kind::rejected:
      return apply_rejected(state, e, where);
    case event_kind::settings:
      return apply_settings(state, e, rules);
    case event_kind::identify:
      return apply_identify(state, e, where);
    case event_kind::promotion:
    case event_kind::registry:
      return {effect::recorded, false, 10};  // alike in every generation
  }
  return {effect::recorded, false, 7};  // a kind of a later version
}

}  // namespace

std::string_view to_string(reject_reason reason) {
  switch (reason) {
    case reject_reason::too_many_names:
      return "too_many_names";
    case reject_reason::too_many_properties:
      return "too_many_properties";
    case reject_reason::none:
      break;
  }
  return "none";
}

applied apply(merchant_state& state, const event& e, const place& where, const ruleset& rules) {
  if (where.offset <= state.applied) return {effect::repeated, false, 0};
  auto done = apply_by_kind(state, e, where, rules);
  done.digest = mix(done.digest, where.offset);
  state.applied = where.offset;
  state.events += 1;
  state.digest += done.digest;
  state.received_ms = std::max(state.received_ms, to_ms(e.received_at));
  state.unsaved_events += 1;
  state.unsaved_bytes += where.bytes.size();
  return done;
}

}  // namespace tally::logic_v1

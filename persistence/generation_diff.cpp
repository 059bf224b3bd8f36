#include "persistence/generation_diff.hpp"

#include <algorithm>
#include <map>
#include <tuple>

#include "domain/bytes.hpp"
#include "domain/money.hpp"
#include "domain/rows.hpp"
#include "persistence/state_codec.hpp"

namespace tally::persistence {
namespace {

/// Metric, currency, day.
using address = std::tuple<std::string, std::string, std::string>;

struct value {
  int128 number = 0;
  bool is_money = false;  // millionths
};
using values = std::map<address, value>;

/// Collects the numbers of one row.
class day_values {
 public:
  day_values(values& into, std::string currency, std::string day)
      : into_{into}, currency_{std::move(currency)}, day_{std::move(day)} {}
  void count(const char* metric, int128 number) const { add(metric, number, false); }
  void money(const char* metric, int128 number) const { add(metric, number, true); }
  void counts(const std::string& metric,
              const std::map<std::string, std::int64_t, std::less<>>& by_reason) const {
    for (const auto& [reason, number] : by_reason) add(metric + ":" + reason, number, false);
  }

 private:
  void add(const std::string& metric, int128 number, bool is_money) const {
    auto& v = into_[{metric, currency_, day_}];
    v.number += number;
    v.is_money = is_money;
  }
  values& into_;
  std::string currency_, day_;
};

void collect(const traffic_row& row, const day_values& into) {
  into.count("events", row.events);
  into.count("pageviews", row.pageviews);
  into.count("visits", row.visits);
  into.count("bounces", row.bounces);
  into.count("visit_ms", row.visit_ms);
  into.count("with_cart", row.with_cart);
  into.count("with_checkout", row.with_checkout);
  into.count("with_purchase", row.with_purchase);
  into.count("visitors", static_cast<int128>(row.visitors.estimate()));
}

void collect(const commerce_row& row, const day_values& into) {
  into.count("orders", row.orders);
  into.money("units", row.units);
  into.money("gross_sales", row.gross_sales);
  into.money("discounts", row.discounts);
  into.money("refunds", row.refunds);
  into.money("net_sales", row.gross_sales - row.discounts - row.refunds);
  into.money("tax", row.tax);
  into.money("shipping", row.shipping);
  into.count("customers", static_cast<int128>(row.customers.estimate()));
}

void collect(const operations_row& row, const day_values& into) {
  into.count("accepted", row.accepted);
  into.count("duplicate", row.duplicate);
  into.count("late", row.late);
  into.counts("rejected", row.rejected.all());
  into.counts("filtered", row.filtered.all());
}

template <class Row>
bool collect_bytes(std::string_view bytes, const day_values& into) {
  byte_reader in{bytes};
  Row row;
  decode(in, row);
  if (!in.ok()) return false;
  collect(row, into);
  return true;
}

bool collect_row(const row_address& at, std::string_view bytes, const day_values& into) {
  switch (at.kind) {
    case row_kind::traffic:
      return collect_bytes<traffic_row>(bytes, into);
    case row_kind::commerce:
      return collect_bytes<commerce_row>(bytes, into);
    case row_kind::operations:
      return collect_bytes<operations_row>(bytes, into);
    case row_kind::name:
      break;
  }
  return true;
}

result<values> values_of(const state_store& store, const generation_side& side) {
  values all;
  const auto head = load_snapshot(store, side.owner);
  if (!head && head.error().code == errc::not_found) return all;
  if (!head) return head.error();
  const auto& zone = *head->state.reporting_zone;
  bool good = true;
  const auto scanned = store.scan_all_rows(
      side.owner, side.view, [&](const row_address& at, std::string_view bytes) {
        if (at.width != granularity::day || at.kind == row_kind::name) return true;
        const auto day = bucket_label(zone, granularity::day, at.begin);
        const bool by_currency = at.kind == row_kind::commerce;
        good = collect_row(at, bytes, {all, by_currency ? at.tag : std::string{}, day});
        return good;
      });
  if (!scanned) return scanned.error();
  if (!good) return failure{errc::corrupt_record, "rows of merchant " + side.owner.merchant};
  return all;
}

std::string text_of(const value& v) {
  return v.is_money ? format_decimal(v.number, 2)
                    : std::to_string(static_cast<std::int64_t>(v.number));
}

std::uint64_t size_of(const value& a, const value& b) {
  constexpr int128 one = 1'000'000;
  auto size = (a.number - b.number) * (a.is_money || b.is_money ? 1 : one);
  if (size < 0) size = -size;
  return static_cast<std::uint64_t>(std::min<int128>(size, INT64_MAX));
}

}  // namespace

status compare_generations(const state_store& store, const generation_side& old_side,
                           const generation_side& new_side,
                           std::vector<generation_change>& changes) {
  const auto before = values_of(store, old_side);
  if (!before) return before.error();
  const auto after = values_of(store, new_side);
  if (!after) return after.error();
  const auto note = [&](const address& at, const value& old_value, const value& new_value) {
    if (old_value.number == new_value.number) return;
    const auto& [metric, currency, day] = at;
    changes.push_back({old_side.owner.merchant, metric, currency, day, text_of(old_value),
                       text_of(new_value), size_of(old_value, new_value)});
  };
  for (const auto& [at, was] : *before) {
    const auto now = after->find(at);
    note(at, was, now == after->end() ? value{0, was.is_money} : now->second);
  }
  for (const auto& [at, now] : *after)
    if (!before->contains(at)) note(at, value{0, now.is_money}, now);
  return done{};
}

void keep_largest(std::vector<generation_change>& changes, std::size_t limit) {
  std::ranges::sort(changes, [](const generation_change& a, const generation_change& b) {
    if (a.size != b.size) return a.size > b.size;
    return std::tie(a.merchant, a.metric, a.bucket, a.currency) <
           std::tie(b.merchant, b.metric, b.bucket, b.currency);
  });
  if (changes.size() > limit) changes.resize(limit);
}

}  // namespace tally::persistence

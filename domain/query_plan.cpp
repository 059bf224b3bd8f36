#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>

#include "domain/event_field.hpp"
#include "domain/merchant_state.hpp"
#include "domain/query.hpp"
#include "domain/query_metrics.hpp"
#include "domain/query_range.hpp"
#include "domain/question_failure.hpp"

namespace tally {
namespace {

using question_failure::at_index;
using question_failure::bad;
using question_failure::in_quotes;
using question_failure::not_yet;

using namespace std::chrono;

constexpr std::size_t metrics_max = 100;

/// What the dimensions of a question ask for.
struct asked_dimensions {
  std::optional<granularity> step;
  bool automatic = false;  // "time": the step follows from the range
  bool name = false;
  [[nodiscard]] bool time() const { return automatic || step.has_value(); }
};

result<asked_dimensions> read_dimensions(const question& q) {
  asked_dimensions asked;
  for (std::size_t i = 0; i < q.dimensions.size(); ++i) {
    const std::string_view d = q.dimensions[i];
    const auto pointer = at_index("/dimensions", i);
    const auto step = d.starts_with("time:") ? granularity_from(d.substr(5)) : std::nullopt;
    if (d == "event:name") {
      if (asked.name) return bad(pointer, "stands twice");
      asked.name = true;
    } else if (d == "time" || step) {
      if (asked.time()) return bad(pointer, "only one time dimension is possible");
      asked.step = step;
      asked.automatic = !step;
    } else if (dimension_needs_history(d) || find_scan_field(d)) {
      return not_yet(pointer, in_quotes(d) + " needs event history");
    } else {
      return bad(pointer, "there is no dimension " + in_quotes(d));
    }
  }
  return asked;
}

status check_metric(std::string_view name, const std::string& pointer, bool by_name, bool cut) {
  const auto* const metric = find_metric(name);
  if (metric == nullptr) {
    if (metric_needs_history(name))
      return not_yet(pointer, in_quotes(name) + " needs event history");
    return bad(pointer, "there is no metric " + in_quotes(name) + "; the nearest is '" +
                            std::string{nearest_metric(name)} + "'");
  }
  if ((metric->sources & from_current) != 0 && (by_name || cut))
    return bad(pointer, in_quotes(name) + " is of this moment: no dimensions, no filters");
  if (by_name && !metric->by_name)
    return not_yet(pointer, in_quotes(name) + " by event name needs event history");
  return done{};
}

status check_metrics(const question& q, bool by_name) {
  if (q.metrics.empty()) return bad("/metrics", "needs at least one metric");
  if (q.metrics.size() > metrics_max) return bad("/metrics", "more than 100 metrics");
  for (std::size_t i = 0; i < q.metrics.size(); ++i) {
    if (std::ranges::count(q.metrics, q.metrics[i]) > 1)
      return bad(at_index("/metrics", i), in_quotes(q.metrics[i]) + " stands twice");
    auto fine = check_metric(q.metrics[i], at_index("/metrics", i), by_name, !q.dimensions.empty());
    if (!fine) return fine;
  }
  return done{};
}

/// Rows by name exist for the first names_max names only; a name without one is known not to have
/// happened only while there was room for it.
status check_names(const question& q, const merchant_facts& facts, bool name_dimension) {
  if (facts.names.size() < names_max) return done{};
  if (name_dimension && q.names.empty())
    return not_yet("/dimensions", "more than 1000 event names need event history");
  for (const auto& name : q.names)
    if (std::ranges::find(facts.names, name) == facts.names.end())
      return not_yet("/filters", "the name " + in_quotes(name) + " needs event history");
  return done{};
}

status check_order(const question& q) {
  for (std::size_t i = 0; i < q.order_by.size(); ++i) {
    const auto& by = q.order_by[i].first;
    if (std::ranges::find(q.metrics, by) == q.metrics.end() &&
        std::ranges::find(q.dimensions, by) == q.dimensions.end())
      return bad(at_index("/order_by", i), in_quotes(by) + " is no metric or dimension asked for");
  }
  return done{};
}

/// Rows end exactly at each edge of the cut. The last edge need not be one where no event is
/// as late as that: nothing can lie between it and the end of its row.
bool fits(const std::vector<bucket_time>& edges, const zone& z, granularity width,
          bool last_is_open) {
  const auto count = edges.size() - (last_is_open ? 1 : 0);
  return std::all_of(edges.begin(), edges.begin() + static_cast<std::ptrdiff_t>(count),
                     [&](bucket_time edge) { return bucket_begin(z, width, edge) == edge; });
}

bool whole_second(event_time t) {
  return floor<seconds>(t) == t;
}

class row_chooser {
 public:
  row_chooser(const plan& p, bool operations) : plan_{p}, operations_{operations} {}

  result<granularity> choose() const {
    if (!whole_second(plan_.from)) return too_fine("/date_range", "begins within a second");
    constexpr std::array widths{granularity::day, granularity::hour, granularity::minute};
    for (const auto width : widths)
      if (all_fit(width)) return width == granularity::minute ? minute_rows() : width;
    return too_fine("/date_range",
                    "no totals rows end where its buckets do; whole minutes, hours or days do, in "
                    "the merchant's zone " +
                        std::string{plan_.facts.reporting_zone->name()} +
                        " (the second that ends a range belongs to it)");
  }

 private:
  static failure too_fine(std::string_view pointer, const std::string& text) {
    return {errc::unsupported, "too_fine: " + std::string{pointer} + ": " + text};
  }
  [[nodiscard]] bool open_end(event_time to) const {
    // Receipts, unlike events, may still come after the newest event.
    return !operations_ && (!plan_.facts.any || to > plan_.facts.newest);
  }
  [[nodiscard]] bool all_fit(granularity width) const {
    const auto& z = *plan_.facts.reporting_zone;
    if (!open_end(plan_.to) && !whole_second(plan_.to)) return false;
    if (!fits(plan_.buckets, z, width, open_end(plan_.to))) return false;
    if (plan_.compare_buckets.empty()) return true;
    if (!whole_second(plan_.compare_from)) return false;
    if (!open_end(plan_.compare_to) && !whole_second(plan_.compare_to)) return false;
    return fits(plan_.compare_buckets, z, width, open_end(plan_.compare_to));
  }
  /// Minute rows, where they are still kept for both ranges.
  [[nodiscard]] result<granularity> minute_rows() const {
    const auto kept = [&](event_time from) {
      if (!plan_.facts.any) return true;
      const auto horizon = floor<seconds>(plan_.facts.newest) - minute_rows_kept;
      return from >= horizon || plan_.facts.oldest >= horizon;
    };
    const std::string why =
        "minute rows are kept for 48 hours before the newest event; older "
        "ones need event history";
    if (!kept(plan_.from)) return too_fine("/date_range", why);
    if (!plan_.compare_buckets.empty() && !kept(plan_.compare_from))
      return too_fine("/compare", why);
    return granularity::minute;
  }

  const plan& plan_;
  bool operations_;
};

/// Gathers ranges of rows; those that overlap or touch become one.
class range_set {
 public:
  void add(row_kind kind, granularity width, const std::string& tag, bucket_time from,
           bucket_time to) {
    auto& spans = spans_[{kind, width, tag}];
    auto at = spans.lower_bound(from);
    if (at != spans.begin() && std::prev(at)->second >= from) --at;
    while (at != spans.end() && at->first <= to) {
      from = std::min(from, at->first);
      to = std::max(to, at->second);
      at = spans.erase(at);
    }
    spans.emplace(from, to);
  }
  [[nodiscard]] std::vector<row_range> take() const {
    std::vector<row_range> ranges;
    for (const auto& [key, spans] : spans_)
      for (const auto& [from, to] : spans)
        ranges.push_back({std::get<0>(key), std::get<1>(key), std::get<2>(key), from, to});
    return ranges;
  }

 private:
  std::map<std::tuple<row_kind, granularity, std::string>, std::map<bucket_time, bucket_time>>
      spans_;
};

void add_kind(range_set& ranges, const plan& p, row_kind kind, const std::string& tag) {
  ranges.add(kind, p.row_width, tag, p.buckets.front(), p.buckets.back());
  if (!p.compare_buckets.empty())
    ranges.add(kind, p.row_width, tag, p.compare_buckets.front(), p.compare_buckets.back());
}

/// Names whose rows answer the question.
std::set<std::string> names_used(const plan& p) {
  std::set<std::string> names;
  for (const auto& name : p.facts.names)
    if (p.asked.names.empty() || std::ranges::find(p.asked.names, name) != p.asked.names.end())
      names.insert(name);
  return names;
}

std::vector<row_range> ranges_of(const plan& p, unsigned sources) {
  range_set ranges;
  if (p.by_name) {
    for (const auto& name : names_used(p)) add_kind(ranges, p, row_kind::name, name);
  } else if ((sources & from_traffic) != 0) {
    add_kind(ranges, p, row_kind::traffic, {});
  }
  if ((sources & from_commerce) != 0) {
    add_kind(ranges, p, row_kind::commerce, p.currency);
    for (const auto& currency : p.facts.currencies)
      add_kind(ranges, p, row_kind::commerce, currency);
  }
  if ((sources & from_operations) != 0) add_kind(ranges, p, row_kind::operations, {});
  if ((sources & from_current) != 0)
    ranges.add(row_kind::traffic, granularity::minute, {}, p.current_from, p.current_to);
  return ranges.take();
}

status choose_zone_and_currency(plan& p) {
  const auto& q = p.asked;
  ensure(p.facts.reporting_zone != nullptr, "a merchant without a zone");
  p.asked_zone = q.timezone.empty() ? p.facts.reporting_zone : zone::find(q.timezone);
  if (p.asked_zone == nullptr)
    return bad("/timezone", "there is no time zone " + in_quotes(q.timezone));
  p.currency = q.currency.empty() ? p.facts.currency : q.currency;
  if (!is_currency(p.currency))
    return bad("/currency", in_quotes(p.currency) + " is not three capital letters");
  return done{};
}

status cut_ranges(plan& p, const asked_dimensions& dimensions, event_time now) {
  auto range = resolve_range(p.asked, *p.asked_zone, p.facts, now);
  if (!range) return range.error();
  p.from = range->from;
  p.to = range->to;
  p.step = dimensions.automatic ? automatic_step(*range) : dimensions.step;
  auto buckets = cut(*range, *p.asked_zone, p.step);
  if (!buckets) return buckets.error();
  p.buckets = std::move(*buckets);
  if (p.asked.compare == comparison::none) return done{};

  auto compared = resolve_comparison(p.asked, *range, *p.asked_zone, now);
  if (!compared) return compared.error();
  p.compare_from = compared->from;
  p.compare_to = compared->to;
  buckets = cut(*compared, *p.asked_zone, p.step);
  if (!buckets) return buckets.error();
  p.compare_buckets = std::move(*buckets);
  return done{};
}

/// Rows have refunds on their own days.
bool moves_refunds(const question& q) {
  return q.refunds_on_order_day && std::ranges::any_of(q.metrics, [](const std::string& name) {
           const auto* const metric = find_metric(name);
           return metric != nullptr && (metric->sources & from_commerce) != 0;
         });
}

/// Rows have the sums of each currency; each order is converted by itself.
status check_currencies(const plan& p) {
  if (!converts_into(p.currency, p.asked, p.facts)) return done{};
  const bool money = std::ranges::any_of(p.asked.metrics, [](const std::string& name) {
    const auto* const metric = find_metric(name);
    return metric != nullptr && metric->unit == metric_unit::money;
  });
  const bool converts = std::ranges::any_of(p.facts.currencies, [&](const std::string& currency) {
    return currency != p.currency && p.facts.rates->has(currency);
  });
  if (!money || !converts) return done{};
  return not_yet("/currency", "orders of several currencies are converted one by one");
}

status check_question(const question& q, const merchant_facts& facts,
                      const asked_dimensions& dimensions, bool by_name) {
  if (auto fine = check_metrics(q, by_name); !fine) return fine;
  if (auto fine = check_names(q, facts, dimensions.name); !fine) return fine;
  if (moves_refunds(q))
    return not_yet("/refunds_on", "refunds on the day of their order need event history");
  if (q.include_time_labels && !dimensions.time())
    return bad("/include/time_labels", "needs a time dimension");
  return check_order(q);
}

}  // namespace

result<plan> make_plan(const question& q, const merchant_facts& facts, event_time now) {
  if (!q.filters.empty()) return not_yet("/filters", "these filters need event history");
  plan p;
  p.asked = q;
  p.facts = facts;
  auto dimensions = read_dimensions(q);
  if (!dimensions) return dimensions.error();
  p.by_name = dimensions->name || !q.names.empty();
  if (auto fine = check_question(q, facts, *dimensions, p.by_name); !fine) return fine.error();
  if (auto fine = choose_zone_and_currency(p); !fine) return fine.error();
  if (auto fine = check_currencies(p); !fine) return fine.error();
  if (auto fine = cut_ranges(p, *dimensions, now); !fine) return fine.error();
  if (dimensions->name && names_used(p).size() * (p.buckets.size() - 1) > named_buckets_max) {
    return failure{errc::unsupported,
                   "too_many_buckets: /dimensions: more than 1000000 pairs of "
                   "bucket and event name"};
  }

  unsigned sources = 0;
  for (const auto& metric : q.metrics) sources |= find_metric(metric)->sources;
  auto width = row_chooser{p, (sources & from_operations) != 0}.choose();
  if (!width) return width.error();
  p.row_width = *width;
  const auto minute = bucket_begin(*facts.reporting_zone, granularity::minute, now);
  p.current_from = minute - minutes{5};
  p.current_to = minute + minutes{1};
  p.ranges = ranges_of(p, sources);
  return p;
}

}  // namespace tally

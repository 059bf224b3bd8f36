#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "domain/ensure.hpp"
#include "domain/query.hpp"
#include "domain/query_metrics.hpp"
#include "domain/query_range.hpp"

namespace tally {
namespace {

using namespace std::chrono;

constexpr std::string_view page_view = "page_view";

/// Calls f(begin, tag, row) for the rows of one width and tag with from <= begin < to.
template <class Row, class F>
void for_each_row(const std::map<row_set::address, Row>& rows, granularity width,
                  const std::string& tag, bucket_time from, bucket_time to, F&& f) {
  const std::pair key{width, tag};
  for (auto i = rows.lower_bound({key, from}); i != rows.end(); ++i) {
    if (i->first.first != key || i->first.second >= to) return;
    f(i->second);
  }
}

/// Adds a name's row to a group: by name, traffic means that name's share of it.
void add_name(merged_rows& into, const std::string& name, const name_row& row) {
  into.traffic.events += row.events;
  if (name == page_view) into.traffic.pageviews += row.events;
  into.traffic.visitors.merge(row.visitors);
}

bool is_asked(const question& q, const std::string& name) {
  return q.names.empty() || std::ranges::find(q.names, name) != q.names.end();
}

/// One line of an answer before it is written down.
struct group {
  std::size_t bucket = 0;
  std::string name;  // where event:name is a dimension
  std::vector<metric_value> metrics;
};

class evaluation {
 public:
  evaluation(const plan& p, const row_set& rows) : plan_{p}, rows_{rows} {
    for (const auto& name : p.asked.metrics) {
      const auto* const metric = find_metric(name);
      ensure(metric != nullptr, "a plan with an unknown metric");
      metrics_.push_back(metric);
      sources_ |= metric->sources;
    }
    const auto& d = p.asked.dimensions;
    name_dimension_ = std::ranges::find(d, "event:name") != d.end();
  }

  /// Everything with from <= begin < to, added up.
  [[nodiscard]] merged_rows collect(bucket_time from, bucket_time to) const {
    merged_rows all;
    const auto width = plan_.row_width;
    if (plan_.by_name) {
      for (const auto& name : plan_.facts.names) {
        if (!is_asked(plan_.asked, name)) continue;
        for_each_row(rows_.names, width, name, from, to,
                     [&](const name_row& row) { add_name(all, name, row); });
      }
      return all;
    }
    if ((sources_ & from_traffic) != 0)
      for_each_row(rows_.traffic, width, {}, from, to,
                   [&](const traffic_row& row) { merge(all.traffic, row); });
    if ((sources_ & from_operations) != 0)
      for_each_row(rows_.operations, width, {}, from, to,
                   [&](const operations_row& row) { merge(all.operations, row); });
    if ((sources_ & from_commerce) != 0) collect_commerce(all, from, to);
    if ((sources_ & from_current) != 0)
      for_each_row(rows_.traffic, granularity::minute, {}, plan_.current_from, plan_.current_to,
                   [&](const traffic_row& row) { merge(all.current, row); });
    return all;
  }

  [[nodiscard]] std::vector<metric_value> compute(const merged_rows& rows) const {
    std::vector<metric_value> values;
    values.reserve(metrics_.size());
    for (const auto* metric : metrics_) values.push_back(metric->compute(rows));
    return values;
  }

  /// Groups in order of time, then name.
  [[nodiscard]] std::vector<group> groups(const std::vector<bucket_time>& edges) const {
    if (name_dimension_) return named_groups(edges);
    std::vector<group> all;
    for (std::size_t i = 0; i + 1 < edges.size(); ++i)
      all.push_back({i, {}, compute(collect(edges[i], edges[i + 1]))});
    return all;
  }

  /// Values to compare with: what is of this moment has no earlier value.
  [[nodiscard]] std::vector<metric_value> earlier(std::vector<metric_value> values) const {
    for (std::size_t i = 0; i < metrics_.size(); ++i)
      if ((metrics_[i]->sources & from_current) != 0) values[i] = {};
    return values;
  }

  [[nodiscard]] std::vector<std::string> other_currencies() const {
    std::vector<std::string> others;
    if ((sources_ & from_commerce) == 0) return others;
    for (const auto& currency :
         std::set(plan_.facts.currencies.begin(), plan_.facts.currencies.end())) {
      if (currency == plan_.currency) continue;
      commerce_row sum;
      for_each_row(rows_.commerce, plan_.row_width, currency, plan_.buckets.front(),
                   plan_.buckets.back(), [&](const commerce_row& row) { merge(sum, row); });
      if (sum.orders != 0 || sum.refund_events != 0) others.push_back(currency);
    }
    return others;
  }

  /// The labels of a group of a cut range.
  [[nodiscard]] std::vector<std::string> labels(const std::vector<bucket_time>& edges,
                                                const group& g) const {
    std::vector<std::string> texts;
    for (const auto& dimension : plan_.asked.dimensions) {
      texts.push_back(dimension == "event:name"
                          ? g.name
                          : label_of(*plan_.asked_zone, *plan_.step, edges[g.bucket]));
    }
    return texts;
  }

  void sort(std::vector<group>& all) const {
    const auto order = sort_order();
    std::ranges::stable_sort(all, [&](const group& a, const group& b) {
      for (const auto& [key, descending] : order) {
        const auto way = compare(a, b, key);
        if (way != 0) return descending ? way > 0 : way < 0;
      }
      return std::tie(a.bucket, a.name) < std::tie(b.bucket, b.name);
    });
  }

 private:
  static constexpr int by_bucket = -1, by_name = -2;

  void collect_commerce(merged_rows& all, bucket_time from, bucket_time to) const {
    auto currencies = std::set(plan_.facts.currencies.begin(), plan_.facts.currencies.end());
    currencies.insert(plan_.currency);
    for (const auto& currency : currencies) {
      for_each_row(rows_.commerce, plan_.row_width, currency, from, to,
                   [&](const commerce_row& row) {
                     merge(all.commerce, row);
                     if (currency == plan_.currency) merge(all.money, row);
                   });
    }
  }

  [[nodiscard]] std::vector<group> named_groups(const std::vector<bucket_time>& edges) const {
    std::map<std::pair<std::size_t, std::string>, merged_rows> found;
    for (const auto& [address, row] : rows_.names) {
      const auto& [key, begin] = address;
      if (key.first != plan_.row_width || !is_asked(plan_.asked, key.second)) continue;
      if (begin < edges.front() || begin >= edges.back()) continue;
      const auto after = std::ranges::upper_bound(edges, begin);
      const auto bucket = static_cast<std::size_t>(after - edges.begin()) - 1;
      add_name(found[{bucket, key.second}], key.second, row);
    }
    std::vector<group> all;
    for (const auto& [key, rows] : found)
      if (rows.traffic.events != 0) all.push_back({key.first, key.second, compute(rows)});
    return all;
  }

  /// Metrics by their index, dimensions by a negative number.
  [[nodiscard]] std::vector<std::pair<int, bool>> sort_order() const {
    const auto& q = plan_.asked;
    std::vector<std::pair<int, bool>> order;
    for (const auto& [text, descending] : q.order_by) {
      const auto metric = std::ranges::find(q.metrics, text);
      const auto index = static_cast<int>(metric - q.metrics.begin());
      const auto dimension = text == "event:name" ? by_name : by_bucket;
      order.emplace_back(metric != q.metrics.end() ? index : dimension, descending);
    }
    if (order.empty()) order = {{by_bucket, false}, {0, true}};
    return order;
  }

  /// Less than, equal to or more than 0; null is less than any number.
  static int compare(const group& a, const group& b, int key) {
    if (key == by_bucket) return a.bucket < b.bucket ? -1 : a.bucket > b.bucket ? 1 : 0;
    if (key == by_name) return a.name.compare(b.name);
    const auto& x = a.metrics[static_cast<std::size_t>(key)];
    const auto& y = b.metrics[static_cast<std::size_t>(key)];
    const bool no_x = x.is == metric_value::form::null, no_y = y.is == metric_value::form::null;
    if (no_x || no_y) return no_x == no_y ? 0 : no_x ? -1 : 1;
    return x.number < y.number ? -1 : x.number > y.number ? 1 : 0;
  }

  const plan& plan_;
  const row_set& rows_;
  std::vector<const metric_facts*> metrics_;
  unsigned sources_ = 0;
  bool name_dimension_ = false;
};

void add_comparisons(const plan& p, const evaluation& e, const std::vector<group>& groups,
                     std::vector<answer_row>& rows) {
  std::map<std::pair<std::size_t, std::string>, std::vector<metric_value>> earlier;
  for (auto& g : e.groups(p.compare_buckets))
    earlier.emplace(std::pair{g.bucket, g.name}, std::move(g.metrics));
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const auto& g = groups[i];
    if (g.bucket + 1 >= p.compare_buckets.size()) continue;  // the other range is shorter
    const auto found = earlier.find({g.bucket, g.name});
    rows[i].compared = e.earlier(found == earlier.end() ? e.compute({}) : found->second);
    rows[i].compared_labels = e.labels(p.compare_buckets, g);
  }
}

/// The groups that the question's page shows.
void turn_to_page(const question& q, std::vector<group>& groups) {
  const bool all_time = std::ranges::find(q.dimensions, "event:name") == q.dimensions.end();
  const std::size_t limit = q.limit != 0 ? q.limit : all_time ? buckets_max : answer_rows_default;
  groups.erase(groups.begin(), groups.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(
                                                    q.offset, groups.size())));
  if (groups.size() > limit) groups.resize(limit);
}

answer_row totals_of(const plan& p, const evaluation& e) {
  answer_row totals;
  totals.metrics = e.compute(e.collect(p.buckets.front(), p.buckets.back()));
  if (!p.compare_buckets.empty())
    totals.compared =
        e.earlier(e.compute(e.collect(p.compare_buckets.front(), p.compare_buckets.back())));
  return totals;
}

}  // namespace

void note_errors(answer& a) {
  const auto note = [&](const answer_row& row) {
    for (const auto* values : {&row.metrics, &row.compared})
      for (const auto& value : *values) a.error = std::max(a.error, value.error);
  };
  std::ranges::for_each(a.rows, note);
  if (a.totals) note(*a.totals);
  a.exact = a.error == 0;
}

answer evaluate(const plan& p, const row_set& rows) {
  const evaluation e{p, rows};
  answer a;
  auto groups = e.groups(p.buckets);
  a.total_rows = groups.size();
  e.sort(groups);
  turn_to_page(p.asked, groups);
  for (const auto& g : groups) a.rows.push_back({e.labels(p.buckets, g), g.metrics, {}, {}});
  if (!p.compare_buckets.empty()) add_comparisons(p, e, groups, a.rows);
  if (p.asked.include_totals) a.totals = totals_of(p, e);
  if (p.asked.include_time_labels)
    for (std::size_t i = 0; i + 1 < p.buckets.size(); ++i)
      a.time_labels.push_back(label_of(*p.asked_zone, *p.step, p.buckets[i]));
  note_errors(a);
  a.zone = zone_as_given(p.asked, p.facts);
  a.currency = p.currency;
  a.from = format_local(*p.asked_zone, p.buckets.front());
  a.to = format_local(*p.asked_zone, p.buckets.back() - seconds{1});
  a.other_currencies = e.other_currencies();
  return a;
}

}  // namespace tally

#include <algorithm>
#include <numeric>

#include "domain/query_range.hpp"
#include "domain/scan_work.hpp"

namespace tally {
namespace {

using kind = scan_dimension::kind;
using values = std::vector<metric_value>;
using key_view = std::span<const std::uint32_t>;

constexpr std::array<std::string_view, 7> day_names{"Monday", "Tuesday",  "Wednesday", "Thursday",
                                                    "Friday", "Saturday", "Sunday"};

/// Less than, equal to or more than 0; null is less than any number.
int compare_values(const metric_value& x, const metric_value& y) {
  const bool no_x = x.is == metric_value::form::null, no_y = y.is == metric_value::form::null;
  if (no_x || no_y) return no_x == no_y ? 0 : no_x ? -1 : 1;
  return x.number < y.number ? -1 : x.number > y.number ? 1 : 0;
}

class answer_writer {
 public:
  explicit answer_writer(scan_frame& frame) : frame_{frame}, p_{*frame.plan} {
    for (const auto& name : p_.asked.metrics) metrics_.push_back(find_scan_metric(name));
    for (const auto& span : frame_.spans) {
      const auto& visitors = span.total.traffic.visitors;
      visitors_.push_back(
          {metric_value::form::integer, visitors.estimate(), visitors.relative_error()});
    }
    for (const auto& d : p_.dimensions)
      labels_.push_back(d.is == kind::field ? label_of_absent(p_.fields[d.field])
                                            : std::string_view{});
  }

  [[nodiscard]] bool all_time() const {
    return std::ranges::none_of(p_.dimensions,
                                [](const scan_dimension& d) { return d.is == kind::field; });
  }

  /// The metrics of one group of a span.
  values compute(scan_group& g, std::size_t span) const {
    scan_rows rows;
    rows.all_visitors = all_visitors(span);
    rows.order_values = g.order_values.get();
    if (frame_.wants_to_date && g.extra) rows.to_date = worth_of(g.extra->buyers, span);
    g.swap(rows);
    auto computed = compute_rows(rows);
    g.swap(rows);
    return computed;
  }
  /// What customers have brought until the end of a span, each counted once.
  money_sum worth_of(std::vector<std::uint64_t>& buyers, std::size_t span) const {
    std::ranges::sort(buyers);
    buyers.erase(std::unique(buyers.begin(), buyers.end()), buyers.end());
    money_sum sum = 0;
    const auto& worths = frame_.to_date[span];
    for (const auto customer : buyers)
      if (const auto found = worths.find(customer); found != worths.end()) sum += found->second;
    return sum;
  }
  [[nodiscard]] values compute_nothing(std::size_t span) const {
    scan_rows rows;
    rows.all_visitors = all_visitors(span);
    return compute_rows(rows);
  }
  [[nodiscard]] values compute_rows(const scan_rows& rows) const {
    values all;
    all.reserve(metrics_.size());
    for (const auto* metric : metrics_) all.push_back(metric->compute(rows));
    return all;
  }

  /// A group for every pair of bucket, hour and day: where all dimensions are time, empty ones too.
  status fill() {
    std::vector<std::uint32_t> sizes;
    std::size_t all = 1;
    for (const auto& d : p_.dimensions) {
      const auto size = d.is == kind::bucket        ? p_.buckets.size() - 1
                        : d.is == kind::hour_of_day ? std::size_t{24}
                                                    : std::size_t{7};
      sizes.push_back(static_cast<std::uint32_t>(size));
      all *= size;
      if (all > buckets_max)
        return failure{errc::unsupported, "too_many_buckets: /dimensions: more than 100000"};
    }
    std::vector<std::uint32_t> key(sizes.size());
    for (std::size_t n = 0; n < all; ++n) {
      frame_.spans[0].groups.at(key);
      for (auto i = key.size(); i-- > 0;) {
        if (++key[i] < sizes[i]) break;
        key[i] = 0;
      }
    }
    return done{};
  }

  [[nodiscard]] std::string label(std::size_t dimension, std::uint32_t value,
                                  const std::vector<bucket_time>& edges) const {
    const auto& d = p_.dimensions[dimension];
    if (d.is == kind::bucket) return label_of(*p_.asked_zone, *p_.step, edges[value]);
    if (d.is == kind::day_of_week) return std::string{day_names[value]};
    if (d.is == kind::hour_of_day)
      return {static_cast<char>('0' + value / 10), static_cast<char>('0' + value % 10)};
    return std::string{text(dimension, value)};
  }
  [[nodiscard]] std::vector<std::string> labels(key_view key,
                                                const std::vector<bucket_time>& edges) const {
    std::vector<std::string> all;
    for (std::size_t i = 0; i < key.size(); ++i) all.push_back(label(i, key[i], edges));
    return all;
  }

  /// Groups of the asked range in the order of the answer.
  [[nodiscard]] std::vector<std::size_t> sorted(const std::vector<values>& computed) const {
    const auto& groups = frame_.spans[0].groups;
    std::vector<std::size_t> all(groups.size());
    std::iota(all.begin(), all.end(), std::size_t{0});
    const auto order = sort_order();
    std::ranges::stable_sort(all, [&](std::size_t a, std::size_t b) {
      const auto x = groups.key(a), y = groups.key(b);
      for (const auto& [index, descending] : order) {
        const auto i = static_cast<std::size_t>(index < 0 ? -1 - index : index);
        const auto way = index < 0 ? compare_keys(i, x[i], y[i])
                                   : compare_values(computed[a][i], computed[b][i]);
        if (way != 0) return descending ? way > 0 : way < 0;
      }
      for (std::size_t i = 0; i < x.size(); ++i)
        if (const auto way = compare_keys(i, x[i], y[i]); way != 0) return way < 0;
      return false;
    });
    return all;
  }

  void add_comparison(std::size_t group, answer_row& row) {
    const auto key = frame_.spans[0].groups.key(group);
    for (std::size_t i = 0; i < key.size(); ++i)
      if (p_.dimensions[i].is == kind::bucket && key[i] + 1 >= p_.compare_buckets.size())
        return;  // the other range is shorter
    auto& groups = frame_.spans[1].groups;
    const auto* const found = groups.find(key);
    row.compared = found == nullptr ? compute_nothing(1) : compute(groups[*found], 1);
    row.compared_labels = labels(key, p_.compare_buckets);
  }

  /// Currencies of which some sales are in the answer (2) or are not (1), but for its own.
  [[nodiscard]] std::vector<std::string> currencies_sold(unsigned how) const {
    std::vector<std::string> others;
    const auto of_money = [](const scan_metric* m) { return (m->needs & scan_commerce) != 0; };
    if (std::ranges::none_of(metrics_, of_money)) return others;
    for (std::size_t i = 0; i < frame_.sold.size(); ++i) {
      const auto currency = frame_.currencies.text(static_cast<std::uint32_t>(i));
      if ((frame_.sold[i] & how) != 0 && currency != p_.currency) others.emplace_back(currency);
    }
    std::ranges::sort(others);
    return others;
  }

 private:
  /// Metrics by their index, dimensions by a negative number: -1 is the first.
  [[nodiscard]] std::vector<std::pair<int, bool>> sort_order() const {
    const auto& q = p_.asked;
    std::vector<std::pair<int, bool>> order;
    for (const auto& [name, descending] : q.order_by) {
      const auto metric = std::ranges::find(q.metrics, name);
      const auto dimension = std::ranges::find(q.dimensions, name) - q.dimensions.begin();
      order.emplace_back(metric != q.metrics.end() ? static_cast<int>(metric - q.metrics.begin())
                                                   : -1 - static_cast<int>(dimension),
                         descending);
    }
    if (!order.empty()) return order;
    for (std::size_t i = 0; i < p_.dimensions.size(); ++i)
      if (p_.dimensions[i].is != kind::field) order.emplace_back(-1 - static_cast<int>(i), false);
    order.emplace_back(0, true);
    return order;
  }
  [[nodiscard]] std::string_view text(std::size_t dimension, std::uint32_t id) const {
    const auto shown = std::as_const(frame_).dictionary(p_.dimensions[dimension].field).text(id);
    return shown.empty() ? labels_[dimension] : shown;
  }
  [[nodiscard]] int compare_keys(std::size_t dimension, std::uint32_t a, std::uint32_t b) const {
    if (a == b) return 0;
    if (p_.dimensions[dimension].is != kind::field) return a < b ? -1 : 1;
    return text(dimension, a).compare(text(dimension, b));
  }

  [[nodiscard]] const metric_value& all_visitors(std::size_t span) const { return visitors_[span]; }

  scan_frame& frame_;
  const scan_plan& p_;
  std::vector<metric_value> visitors_;  // of each span
  std::vector<const scan_metric*> metrics_;
  std::vector<std::string_view> labels_;  // of absent values, by dimension
};

}  // namespace

result<answer> answer_of(scan_frame& frame) {
  const auto& p = *frame.plan;
  const auto& q = p.asked;
  answer_writer writer{frame};
  if (writer.all_time())
    if (auto fine = writer.fill(); !fine) return fine.error();

  answer a;
  auto& groups = frame.spans[0].groups;
  a.total_rows = groups.size();
  std::vector<values> computed;
  for (std::size_t i = 0; i < groups.size(); ++i) computed.push_back(writer.compute(groups[i], 0));
  auto shown = writer.sorted(computed);
  const std::size_t limit = q.limit != 0        ? q.limit
                            : writer.all_time() ? buckets_max
                                                : answer_rows_default;
  const auto skipped = std::min<std::size_t>(q.offset, shown.size());
  shown.erase(shown.begin(), shown.begin() + static_cast<std::ptrdiff_t>(skipped));
  if (shown.size() > limit) shown.resize(limit);
  for (const auto i : shown) {
    answer_row row{writer.labels(groups.key(i), p.buckets), std::move(computed[i]), {}, {}};
    if (frame.spans.size() > 1) writer.add_comparison(i, row);
    a.rows.push_back(std::move(row));
  }
  if (q.include_totals) {
    a.totals.emplace();
    a.totals->metrics = writer.compute(frame.spans[0].total, 0);
    if (frame.spans.size() > 1) a.totals->compared = writer.compute(frame.spans[1].total, 1);
  }
  if (q.include_time_labels)
    for (std::size_t i = 0; i + 1 < p.buckets.size(); ++i)
      a.time_labels.push_back(label_of(*p.asked_zone, *p.step, p.buckets[i]));
  note_errors(a);
  a.zone = zone_as_given(p.asked, p.facts);
  a.currency = p.currency;
  a.from = format_local(*p.asked_zone, p.buckets.front());
  a.to = format_local(*p.asked_zone, p.buckets.back() - std::chrono::seconds{1});
  a.other_currencies = writer.currencies_sold(1);
  a.converted_currencies = writer.currencies_sold(2);
  return a;
}

}  // namespace tally

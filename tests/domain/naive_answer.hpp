#pragma once

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "domain/query_metrics.hpp"
#include "domain/query_range.hpp"
#include "domain/scan_metrics.hpp"
#include "tests/domain/naive_events.hpp"

namespace tally {

/// Answers a question event by event.
class naive_answer : naive_events {
 public:
  using naive_events::naive_events;

  answer make() {
    auto asked = groups(p_.from, p_.to, p_.buckets, q_.dimensions);
    fill(asked);
    std::vector<std::pair<key, std::vector<metric_value>>> all;
    all.reserve(asked.size());
    for (auto& [k, g] : asked) all.emplace_back(k, compute(g));
    std::map<key, group> other;
    if (!p_.compare_buckets.empty())
      other = groups(p_.compare_from, p_.compare_to, p_.compare_buckets, q_.dimensions);
    sort(all);
    answer a;
    a.total_rows = all.size();
    const std::size_t limit = q_.limit != 0 ? q_.limit : all_time() ? buckets_max : 10'000;
    for (std::size_t i = q_.offset; i < all.size() && a.rows.size() < limit; ++i) {
      const auto& k = all[i].first;
      answer_row row{labels(k, p_.buckets), all[i].second, {}, {}};
      if (!p_.compare_buckets.empty() && in_other(k)) {
        row.compared = compute(other[k]);
        row.compared_labels = labels(k, p_.compare_buckets);
      }
      a.rows.push_back(row);
    }
    if (q_.include_totals) {
      a.totals.emplace();
      a.totals->metrics = compute(groups(p_.from, p_.to, p_.buckets, {})[{}]);
      if (!p_.compare_buckets.empty())
        a.totals->compared =
            compute(groups(p_.compare_from, p_.compare_to, p_.compare_buckets, {})[{}]);
    }
    groups(p_.from, p_.to, p_.buckets, {});
    for (const auto& m : q_.metrics)
      if ((find_scan_metric(m)->needs & scan_commerce) != 0) {
        a.other_currencies = {sold_.begin(), sold_.end()};
        a.converted_currencies = {converted_.begin(), converted_.end()};
      }
    a.zone = p_.asked_zone->name();
    a.currency = p_.currency;
    a.from = format_local(*p_.asked_zone, p_.buckets.front());
    a.to = format_local(*p_.asked_zone, p_.buckets.back() - std::chrono::seconds{1});
    return a;
  }

 private:
  using key = std::vector<std::pair<int, std::string>>;  // time: place; else 0 and the label
  struct group {
    std::set<std::uint64_t> events;
    std::set<std::string> persons, customers;
    std::set<int> visits;
    std::set<std::uint64_t> orders;
    int pageviews = 0, first_orders = 0, later_orders = 0, exits = 0, timed = 0;
    int128 units = 0, gross = 0, discounts = 0, refunds = 0, tax = 0, shipping = 0;
    int128 gap = 0, page_ms = 0;
    std::vector<int128> order_values;
    std::map<std::pair<std::string, std::string>, int> scrolls;
  };

  key key_of(std::size_t i, int line, std::int64_t at_ms,
             const std::vector<std::string>& dims) const {
    key k;
    const auto at = std::chrono::floor<std::chrono::seconds>(time_from_ms(at_ms));
    const auto local = to_s(at + p_.asked_zone->at(at).offset);
    for (const auto& d : dims) {
      if (d == "time:hour_of_day") {
        k.emplace_back(static_cast<int>(local / 3'600 % 24), "");
      } else if (d == "time:day_of_week") {
        k.emplace_back(static_cast<int>((local / 86'400 + 3) % 7), "");
      } else if (d.starts_with("time")) {
        int n = -1;
        for (const auto edge : *edges_) n += to_s(edge) * 1'000 <= at_ms ? 1 : 0;
        k.emplace_back(n, "");
      } else {
        const auto v = value(i, d, line);
        k.emplace_back(0, v.empty() ? absent(d) : v);
      }
    }
    return k;
  }

  std::map<key, group> groups(event_time from, event_time to, const std::vector<bucket_time>& edges,
                              const std::vector<std::string>& dims) {
    from_ = to_ms(from);
    to_ = to_ms(to);
    edges_ = &edges;
    sold_.clear();
    converted_.clear();
    std::map<key, group> all;
    everybody_.clear();
    for (std::size_t i = 0; i < events_.size(); ++i) {
      bool any = selected(i, -1) && (!items_ || events_[i].e->items.empty());
      for (std::size_t n = 0; items_ && n < events_[i].e->items.size(); ++n)
        any = any || selected(i, static_cast<int>(n));
      if (any && in_range(i) && !person(events_[i]).empty()) everybody_.insert(person(events_[i]));
    }
    if (dims.empty()) all[{}];
    for (std::size_t i = 0; i < events_.size(); ++i) {
      const auto lines = static_cast<int>(events_[i].e->items.size());
      const int first = items_ && lines > 0 ? 0 : -1, last = first < 0 ? -1 : lines - 1;
      for (int line = first; line <= last; ++line) {
        if (!selected(i, line)) continue;
        if (in_range(i)) count(all[key_of(i, line, events_[i].e->at_ms, dims)], i, line);
        if (const auto at = money_at(i); moves(i) && money_asked() && at >= from_ && at < to_)
          count_sale(all[key_of(i, line, at, dims)], i, line);
        if (events_[i].visit < 0 || !visits_count()) continue;
        const auto begin = events_[visits_[events_[i].visit][0]].e->at_ms;
        if (begin >= from_ && begin < to_)
          all[key_of(i, line, begin, dims)].visits.insert(events_[i].visit);
      }
    }
    return all;
  }

  bool visits_count() const {
    return std::ranges::any_of(q_.metrics, [](const std::string& m) {
      return (find_scan_metric(m)->needs & scan_visits) != 0;
    });
  }
  void count(group& g, std::size_t i, int line) {
    const auto& s = events_[i];
    const auto& e = *s.e;
    const bool first = g.events.insert(e.offset).second;
    if (!person(s).empty()) g.persons.insert(person(s));
    if (first && s.kind == counts_as::page_view) ++g.pageviews;
    if (first && s.kind == counts_as::page_view && s.visit >= 0) time_page(g, i);
    if (s.kind == counts_as::engagement && e.props.contains("scroll_depth")) {
      const auto depth = std::stoi(e.props.at("scroll_depth"));
      const auto who = person(s).empty() ? "#" + std::to_string(e.offset) : person(s);
      auto& deepest = g.scrolls[{who, std::string{event_field(e.view(), "event:page")}}];
      if (depth <= 100) deepest = std::max(deepest, depth + 1);
    }
    if (!moves(i)) count_sale(g, i, line);
  }
  bool money_asked() const {
    return std::ranges::any_of(q_.metrics, [](const std::string& m) {
      const auto needs = find_scan_metric(m)->needs;
      return (needs & (scan_commerce | scan_first_orders | scan_to_date)) != 0;
    });
  }
  void count_sale(group& g, std::size_t i, int line) {
    const auto& s = events_[i];
    const auto& e = *s.e;
    if (s.kind != counts_as::purchase && s.kind != counts_as::refund) return;
    const auto by = exchange_of(i);
    const bool money = by.has_value();
    if (currency_of(i) != p_.currency) (money ? converted_ : sold_).insert(currency_of(i));
    const auto in_answer = [&](int128 amount) {
      return money ? divide_half_even(amount * by->first, by->second) : 0;
    };
    int128 units = 0, worth = 0;
    for (int n = 0; n < static_cast<int>(e.items.size()); ++n) {
      if (line >= 0 && n != line) continue;
      units += e.items[n].quantity;
      worth += divide_half_even(int128{e.items[n].quantity} * e.items[n].price, 1'000'000);
    }
    if (s.kind == counts_as::refund) {
      g.refunds += in_answer(e.items.empty() ? e.amount.value_or(0) : worth);
      return;
    }
    g.units += units;
    if (e.items.empty())
      worth = e.subtotal ? *e.subtotal
              : e.total
                  ? *e.total - e.tax.value_or(0) - e.shipping.value_or(0) + e.discount.value_or(0)
                  : 0;
    g.gross += in_answer(worth);
    if (!items_) {
      g.tax += in_answer(e.tax.value_or(0));
      g.shipping += in_answer(e.shipping.value_or(0));
      g.discounts += in_answer(e.discount.value_or(0));
    }
    if (!g.orders.insert(e.offset).second) return;
    if (money) g.order_values.push_back(in_answer(worth) - in_answer(e.discount.value_or(0)));
    if (customer(s).empty()) return;
    g.customers.insert(customer(s));
    const auto& mine = orders_.at(customer(s));
    const auto place = std::ranges::find(mine, i);
    if (place == mine.begin()) {
      ++g.first_orders;
    } else {
      ++g.later_orders;
      g.gap += e.at_ms - events_[*(place - 1)].e->at_ms;
    }
  }
  /// What an event brings in the answer's currency: gross less discounts, or less than nothing.
  int128 net_of(std::size_t i) {
    group alone;
    const auto sold = sold_, converted = converted_;  // counting it here sells nothing
    count_sale(alone, i, -1);
    sold_ = sold;
    converted_ = converted;
    return alone.gross - alone.discounts - alone.refunds;
  }
  void time_page(group& g, std::size_t i) const {
    const auto& visit = visits_[events_[i].visit];
    const auto place = std::ranges::find(visit, i);
    const auto next = std::find_if(place + 1, visit.end(), [&](std::size_t j) {
      return events_[j].kind == counts_as::page_view;
    });
    if (next == visit.end()) ++g.exits;
    if (place + 1 == visit.end()) return;
    ++g.timed;
    const auto end = next == visit.end() ? visit.back() : *next;
    g.page_ms += events_[end].e->at_ms - events_[i].e->at_ms;
  }

  std::vector<metric_value> compute(const group& g) {
    std::vector<metric_value> all;
    for (const auto& m : q_.metrics) all.push_back(compute(g, m));
    return all;
  }
  metric_value compute(const group& g, const std::string& m) {
    using form = metric_value::form;
    const auto integer = [](int128 n) { return metric_value{form::integer, n}; };
    const auto decimal = [](int128 n) { return metric_value{form::decimal, n}; };
    const auto part = [](form f, int128 a, int128 b, int128 scale) {
      return b <= 0 ? metric_value{} : metric_value{f, divide_half_even(a, b) * scale};
    };
    const auto visits_with = [&](auto&& f) {
      int128 n = 0;
      for (const auto v : g.visits) n += f(visits_[v]) ? 1 : 0;
      return n;
    };
    const auto has = [&](const std::vector<std::size_t>& v, counts_as k) {
      return std::ranges::any_of(v, [&](std::size_t i) { return events_[i].kind == k; });
    };
    const auto visits = static_cast<int128>(g.visits.size());
    const int128 net = g.gross - g.discounts - g.refunds;
    const auto customers = static_cast<int128>(g.customers.size());
    if (m == "events") return integer(static_cast<int128>(g.events.size()));
    if (m == "visitors") return integer(static_cast<int128>(g.persons.size()));
    if (m == "percentage")
      return part(form::percent, static_cast<int128>(g.persons.size()) * 1'000,
                  static_cast<int128>(everybody_.size()), 1);
    if (m == "pageviews") return integer(g.pageviews);
    if (m == "visits") return integer(visits);
    if (m == "bounce_rate") {
      const auto bounced = visits_with([&](const std::vector<std::size_t>& v) {
        int views = 0, others = 0;
        for (const auto i : v)
          (events_[i].kind == counts_as::page_view ? views : others) +=
              events_[i].kind == counts_as::engagement ? 0 : 1;
        return views == 1 && others == 0;
      });
      return part(form::percent, bounced * 1'000, visits, 1);
    }
    if (m == "visit_duration") {
      int128 ms = 0;
      for (const auto v : g.visits)
        ms += events_[visits_[v].back()].e->at_ms - events_[visits_[v][0]].e->at_ms;
      return part(form::integer, ms, visits * 1'000, 1);
    }
    if (m == "conversion_rate")
      return part(form::percent,
                  1'000 * visits_with([&](const auto& v) { return has(v, counts_as::purchase); }),
                  visits, 1);
    if (m == "orders") return integer(static_cast<int128>(g.orders.size()));
    if (m == "units") return decimal(g.units);
    if (m == "gross_sales") return decimal(g.gross);
    if (m == "refunds") return decimal(g.refunds);
    if (m == "net_sales") return decimal(net);
    if (m == "total_sales") return decimal(net + g.tax + g.shipping);
    if (m == "revenue_per_visit") return part(form::decimal, net, visits, 1);
    if (m == "customers") return integer(customers);
    if (m == "new_customers") return integer(g.first_orders);
    if (m == "returning_customers") return integer(customers - g.first_orders);
    if (m == "returning_rate")
      return part(form::percent, (customers - g.first_orders) * 1'000, customers, 1);
    if (m == "revenue_to_date") {
      int128 sum = 0;
      for (const auto& who : g.customers)
        for (std::size_t i = 0; i < events_.size(); ++i)
          if (customer(events_[i]) == who && money_at(i) < to_) sum += net_of(i);
      return decimal(sum);
    }
    if (m.starts_with("order_value_p")) {
      auto values = g.order_values;
      if (values.empty()) return {};
      std::ranges::sort(values);
      const auto percent = std::stoul(m.substr(13));
      std::size_t rank = 1;
      while (rank * 100 < percent * values.size()) ++rank;
      return decimal(values[rank - 1]);
    }
    if (m == "days_between_orders")
      return part(form::decimal, g.gap * 100, int128{86'400'000} * g.later_orders, 10'000);
    if (m == "exit_rate") return part(form::percent, int128{g.exits} * 1'000, g.pageviews, 1);
    if (m == "time_on_page") return part(form::integer, g.page_ms, int128{g.timed} * 1'000, 1);
    if (m == "scroll_depth") {
      int128 sum = 0, pages = 0;
      for (const auto& [where, depth] : g.scrolls)
        if (depth > 0) {
          ++pages;
          sum += depth - 1;
        }
      return part(form::percent, sum * 10, pages, 1);
    }
    ensure(false, "a metric that the plain way does not know");
    return {};
  }

  bool all_time() const {
    return std::ranges::all_of(q_.dimensions,
                               [](const std::string& d) { return d.starts_with("time"); });
  }
  void fill(std::map<key, group>& all) const {
    if (!all_time()) return;
    std::vector<key> keys{{}};
    for (const auto& d : q_.dimensions) {
      const int size = d == "time:hour_of_day"   ? 24
                       : d == "time:day_of_week" ? 7
                                                 : static_cast<int>(p_.buckets.size()) - 1;
      std::vector<key> more;
      for (const auto& k : keys)
        for (int n = 0; n < size; ++n) {
          more.push_back(k);
          more.back().emplace_back(n, "");
        }
      keys = more;
    }
    for (const auto& k : keys) all[k];
  }
  std::vector<std::string> labels(const key& k, const std::vector<bucket_time>& edges) const {
    static const char* const days[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                       "Friday", "Saturday", "Sunday"};
    std::vector<std::string> all;
    for (std::size_t i = 0; i < k.size(); ++i) {
      const auto& d = q_.dimensions[i];
      const auto n = k[i].first;
      if (d == "time:hour_of_day") {
        all.push_back((n < 10 ? "0" : "") + std::to_string(n));
      } else if (d == "time:day_of_week") {
        all.emplace_back(days[n]);
      } else {
        all.push_back(d.starts_with("time") ? label_of(*p_.asked_zone, *p_.step, edges[n])
                                            : k[i].second);
      }
    }
    return all;
  }
  bool in_other(const key& k) const {
    for (std::size_t i = 0; i < k.size(); ++i) {
      const auto& d = q_.dimensions[i];
      if (d.starts_with("time") && d != "time:hour_of_day" && d != "time:day_of_week" &&
          k[i].first + 1 >= static_cast<int>(p_.compare_buckets.size()))
        return false;
    }
    return true;
  }
  void sort(std::vector<std::pair<key, std::vector<metric_value>>>& all) const {
    auto order = q_.order_by;
    if (order.empty()) {
      for (const auto& d : q_.dimensions)
        if (d.starts_with("time")) order.emplace_back(d, false);
      order.emplace_back(q_.metrics[0], true);
    }
    std::ranges::stable_sort(all, [&](const auto& a, const auto& b) {
      for (const auto& [name, descending] : order) {
        const auto d = static_cast<std::size_t>(std::ranges::find(q_.dimensions, name) -
                                                q_.dimensions.begin());
        if (d < q_.dimensions.size()) {
          if (a.first[d] != b.first[d]) return (a.first[d] < b.first[d]) != descending;
          continue;
        }
        const auto m =
            static_cast<std::size_t>(std::ranges::find(q_.metrics, name) - q_.metrics.begin());
        const auto rank = [&](const metric_value& v) {
          return std::pair{v.is != metric_value::form::null, v.number};
        };
        const auto x = rank(a.second[m]), y = rank(b.second[m]);
        if (x != y) return (x < y) != descending;
      }
      return a.first < b.first;
    });
  }

  std::set<std::string> sold_, converted_, everybody_;
  const std::vector<bucket_time>* edges_ = nullptr;
};

}  // namespace tally

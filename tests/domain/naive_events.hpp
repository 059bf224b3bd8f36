#pragma once

#include <map>
#include <regex>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "domain/query_metrics.hpp"
#include "domain/query_range.hpp"
#include "domain/traffic_source.hpp"
#include "tests/domain/scan_fixture.hpp"

namespace tally {

/// The events of a shop, its visits and its fields, found in the plainest way: loops over all
/// events, texts, no columns, no numbers for texts. It shares with the scan only what is tested
/// elsewhere: ranges, buckets, traffic.
class naive_events {
 public:
  naive_events(const counted_shop& shop, const question& q, const scan_plan& p)
      : shop_{shop}, q_{q}, p_{p} {
    for (const auto& d : q.dimensions)
      for (const auto* item : {"product", "product_id", "sku", "category", "brand", "variant"})
        items_ = items_ || d == std::string{"event:"} + item;
    find_events();
    find_visits();
    find_orders();
  }

 protected:
  struct seen {
    const shop_event* e = nullptr;
    counts_as kind = counts_as::custom;
    bool late = false;
    int visit = -1;
  };
  void find_events() {
    auto newest = std::numeric_limits<std::int64_t>::min();
    for (const auto& e : shop_.events) {
      const auto kind = shop_.rules.kind_of(e.name);
      if (e.outcome != row_outcome::fresh || kind == counts_as::ignore) continue;
      newest = std::max(newest, e.at_ms);
      events_.push_back({&e, kind, newest - e.at_ms > std::int64_t{6} * 3'600'000, -1});
    }
    std::sort(events_.begin(), events_.end(), [](const seen& a, const seen& b) {
      return std::tie(a.e->at_ms, a.e->offset) < std::tie(b.e->at_ms, b.e->offset);
    });
  }
  static std::string person(const seen& s) {
    return s.e->visitor.empty() ? s.e->user : s.e->visitor;
  }
  static std::string customer(const seen& s) {
    return s.e->user.empty() ? s.e->visitor : s.e->user;
  }

  void find_visits() {
    std::map<std::string, int> open;
    for (std::size_t i = 0; i < events_.size(); ++i) {
      auto& s = events_[i];
      if (s.late || person(s).empty()) continue;
      const auto before = open.find(person(s));
      const bool joins = before != open.end() &&
                         s.e->at_ms - events_[visits_[before->second].back()].e->at_ms <= 1'800'000;
      if (joins) {
        s.visit = before->second;
      } else {
        s.visit = static_cast<int>(visits_.size());
        visits_.emplace_back();
        open[person(s)] = s.visit;
      }
      visits_[s.visit].push_back(i);
    }
  }
  void find_orders() {
    for (std::size_t i = 0; i < events_.size(); ++i)
      if (events_[i].kind == counts_as::purchase && !customer(events_[i]).empty())
        orders_[customer(events_[i])].push_back(i);
  }

  /// When the money of an event counts: that of a refund perhaps when its order was placed.
  std::int64_t money_at(std::size_t i) const {
    const auto& s = events_[i];
    if (!q_.refunds_on_order_day || s.kind != counts_as::refund || s.e->order_id.empty())
      return s.e->at_ms;
    for (const auto& other : events_)  // in the order of time
      if (other.kind == counts_as::purchase && other.e->order_id == s.e->order_id)
        return other.e->at_ms;
    return s.e->at_ms;
  }
  std::string currency_of(std::size_t i) const {
    return events_[i].e->currency.empty() ? "EUR" : events_[i].e->currency;
  }
  /// As of when rates are known for a sale: 0 where it needs none.
  std::int64_t known_of(std::size_t i) const {
    if (currency_of(i) == p_.currency) return 0;
    return std::max(events_[i].e->stamped_ms, to_ms(shop_.facts.rates_known));
  }
  /// The rate of a day, found among all: numerator and denominator.
  std::optional<std::pair<int128, int128>> rate_of(const std::string& currency, std::int64_t day,
                                                   std::int64_t known_ms) const {
    const auto& book = *shop_.facts.rates;
    if (currency == book.base()) return std::pair<int128, int128>{1, 1};
    const rate_book::entry* best = nullptr;
    const rate_book::entry* first = nullptr;
    const auto found = book.all().find(currency);
    if (found == book.all().end()) return std::nullopt;
    for (const auto& e : found->second) {
      if (e.day.time_since_epoch().count() > day) continue;
      const auto rank = [](const rate_book::entry& x) { return std::tuple{x.day, x.known_ms}; };
      if (e.known_ms <= known_ms && (best == nullptr || rank(e) >= rank(*best))) best = &e;
      if (first == nullptr || e.known_ms < first->known_ms ||
          (e.known_ms == first->known_ms && e.day >= first->day))
        first = &e;
    }
    if (best == nullptr) best = first;
    if (best == nullptr) return std::nullopt;
    int128 scale = 1;
    for (int n = 0; n < best->value.places; ++n) scale *= 10;
    return std::pair<int128, int128>{best->value.digits, scale};
  }
  /// What the amounts of a sale are multiplied by and divided by; nothing where they stay out.
  std::optional<std::pair<int128, int128>> exchange_of(std::size_t i) const {
    if (currency_of(i) == p_.currency) return std::pair<int128, int128>{1, 1};
    if (!q_.converts || shop_.facts.rates == nullptr) return std::nullopt;
    auto at_ms = money_at(i), known = known_of(i);
    if (moves_to_order(i)) {
      const auto [order_at, order_known] = order_of(i);
      at_ms = order_at;
      if (order_known != 0) known = order_known;
    }
    const auto at = std::chrono::floor<std::chrono::seconds>(time_from_ms(at_ms));
    const auto local = to_s(at + shop_.facts.reporting_zone->at(at).offset);
    const auto from = rate_of(currency_of(i), local / 86'400, known),
               to = rate_of(p_.currency, local / 86'400, known);
    if (!from || !to) return std::nullopt;
    return std::pair{to->first * from->second, to->second * from->first};
  }
  bool is_order_of(std::size_t order, std::size_t refund) const {
    return events_[order].kind == counts_as::purchase &&
           events_[order].e->order_id == events_[refund].e->order_id;
  }
  bool moves_to_order(std::size_t i) const {
    const auto& s = events_[i];
    if (!q_.refunds_on_order_day || s.kind != counts_as::refund || s.e->order_id.empty())
      return false;
    for (std::size_t j = 0; j < events_.size(); ++j)
      if (is_order_of(j, i)) return true;
    return false;
  }
  std::pair<std::int64_t, std::int64_t> order_of(std::size_t i) const {
    std::pair<std::int64_t, std::int64_t> first{std::numeric_limits<std::int64_t>::max(), 0};
    for (std::size_t j = 0; j < events_.size(); ++j)
      if (is_order_of(j, i)) first = std::min(first, std::pair{events_[j].e->at_ms, known_of(j)});
    return first;
  }
  bool moves(std::size_t i) const { return money_at(i) != events_[i].e->at_ms; }

  std::string own(std::size_t i, const std::string& field, int line) const {
    const auto& s = events_[i];
    const auto& e = *s.e;
    const auto page = [&] { return std::string{event_field(e.view(), "event:page")}; };
    if (field.starts_with("event:props:")) {
      const auto found = e.props.find(field.substr(12));
      return found == e.props.end() ? "" : found->second;
    }
    if (line >= 0) {
      const auto& item = e.items[line];
      if (field == "event:product") return item.name.empty() ? item.id : item.name;
      if (field == "event:product_id") return item.id;
      if (field == "event:category") return item.category;
      if (field == "event:brand") return item.brand;
    }
    if (field == "event:page") return page();
    if (field == "event:hostname") return e.url.empty() ? "" : "shop.example";
    if (field == "event:name") return e.name;
    if (field == "event:coupon") return e.coupon;
    if (field == "event:currency") {
      const bool sale = s.kind == counts_as::purchase || s.kind == counts_as::refund;
      return e.currency.empty() && sale ? "EUR" : e.currency;
    }
    if (field == "visit:country") return e.country;
    if (field == "visit:screen_class") {
      const int width = std::atoi(e.screen.c_str());
      return width == 0     ? ""
             : width < 576  ? "mobile"
             : width < 992  ? "tablet"
             : width < 1440 ? "laptop"
                            : "desktop";
    }
    const auto space = std::min(e.browser.find(' '), e.browser.size());
    if (field == "visit:browser") return e.browser.substr(0, space);
    if (field == "visit:browser_version")
      return e.browser.substr(std::min(space + 1, e.browser.size()));
    const auto traffic = traffic_of(e.url, e.referrer);
    if (field == "visit:source") return traffic[0];
    if (field == "visit:referrer") return traffic[1];
    if (field == "visit:channel") return traffic[2];
    if (field == "visit:utm_medium") return traffic[4];
    if (field == "visit:entry_page" || field == "visit:exit_page")
      return s.kind == counts_as::page_view ? page() : "";
    if (field == "visit:customer_type" || field == "visit:cohort") return by_orders(i, field);
    return "";
  }
  std::string by_orders(std::size_t i, const std::string& field) const {
    const auto who = customer(events_[i]);
    const auto found = orders_.find(who);
    if (field == "visit:customer_type")
      return who.empty()                                       ? ""
             : found == orders_.end() || found->second[0] >= i ? "new"
                                                               : "returning";
    if (found == orders_.end()) return "";
    const auto at = time_from_ms(events_[found->second[0]].e->at_ms);
    return bucket_label(*p_.asked_zone, granularity::month,
                        bucket_begin(*p_.asked_zone, granularity::month, at));
  }
  std::string value(std::size_t i, const std::string& field, int line) const {
    const auto& s = events_[i];
    const bool of_visit =
        field.starts_with("visit:") && field != "visit:customer_type" && field != "visit:cohort";
    if (!of_visit || s.visit < 0) return own(i, field, line);
    const auto& visit = visits_[s.visit];
    if (field == "visit:entry_page" || field == "visit:exit_page") {
      std::string found;
      for (const auto j : visit) {
        if (events_[j].kind != counts_as::page_view) continue;
        found = own(j, field, -1);
        if (field == "visit:entry_page") break;
      }
      return found;
    }
    for (const auto j : visit)
      if (auto v = own(j, field, -1); !v.empty()) return v;
    return "";
  }
  static std::string absent(const std::string& field) {
    if (field == "visit:channel") return "Direct";
    return field == "visit:source" || field == "visit:referrer" ? "Direct / None" : "(none)";
  }

  static bool fits(const event_filter& f, const std::string& text) {
    const auto lower = [&](std::string s) {
      if (!f.case_sensitive)
        for (auto& c : s) c = static_cast<char>(std::tolower(c));
      return s;
    };
    return std::ranges::any_of(f.values, [&](const std::string& v) {
      if (f.op == filter_op::is || f.op == filter_op::is_not)
        return lower(text) == lower(v) || (text.empty() && v == absent(f.field));
      if (f.op == filter_op::contains || f.op == filter_op::contains_not)
        return lower(text).find(lower(v)) != std::string::npos;
      return std::regex_search(lower(text), std::regex{lower(v)});
    });
  }
  bool holds(const event_filter& f, std::size_t i, int line) const {
    switch (f.op) {
      case filter_op::all_of:
        for (const auto& part : f.parts)
          if (!holds(part, i, line)) return false;
        return true;
      case filter_op::any_of:
        for (const auto& part : f.parts)
          if (holds(part, i, line)) return true;
        return false;
      case filter_op::none_of:
        return !holds(f.parts[0], i, line);
      case filter_op::has_done:
      case filter_op::has_not_done:
        return done(f, i) == (f.op == filter_op::has_done);
      default:
        break;
    }
    const bool negated = f.op == filter_op::is_not || f.op == filter_op::contains_not ||
                         f.op == filter_op::matches_not;
    const bool of_item = f.field == "event:product" || f.field == "event:product_id" ||
                         f.field == "event:category" || f.field == "event:brand";
    bool any = false;
    if (of_item && line < 0 && !items_ && !events_[i].e->items.empty()) {
      for (int n = 0; n < static_cast<int>(events_[i].e->items.size()); ++n)
        any = any || fits(f, own(i, f.field, n));
    } else {
      any = fits(f, value(i, f.field, line));
    }
    return any != negated;
  }
  bool done(const event_filter& f, std::size_t i) const {
    if (person(events_[i]).empty()) return false;
    for (std::size_t j = 0; j < events_.size(); ++j) {
      if (person(events_[j]) != person(events_[i]) || !in_range(j)) continue;
      if (!items_ || events_[j].e->items.empty()) {
        if (holds(f.parts[0], j, -1)) return true;
        continue;
      }
      for (int n = 0; n < static_cast<int>(events_[j].e->items.size()); ++n)
        if (holds(f.parts[0], j, n)) return true;
    }
    return false;
  }
  bool in_range(std::size_t i) const {
    return events_[i].e->at_ms >= from_ && events_[i].e->at_ms < to_;
  }
  bool selected(std::size_t i, int line) const {
    for (const auto& f : q_.filters)
      if (!holds(f, i, line)) return false;
    return q_.names.empty() || std::ranges::find(q_.names, events_[i].e->name) != q_.names.end();
  }

  const counted_shop& shop_;
  const question& q_;
  const scan_plan& p_;
  bool items_ = false;
  std::vector<seen> events_;
  std::vector<std::vector<std::size_t>> visits_;
  std::map<std::string, std::vector<std::size_t>> orders_;
  std::int64_t from_ = 0, to_ = 0;
};

}  // namespace tally

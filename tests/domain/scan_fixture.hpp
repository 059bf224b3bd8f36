#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "domain/logic_v1/apply.hpp"
#include "domain/scan.hpp"
#include "tests/domain/query_fixture.hpp"

namespace tally {

struct shop_item {
  std::string id, sku, name, category, brand, variant;
  std::int64_t quantity = 1'000'000, price = 0;
};

/// One event as a test writes it down.
struct shop_event {
  std::uint64_t offset = 0;
  std::int64_t at_ms = 0;
  std::string id, name, visitor, user, url, referrer, country, language, browser, device;
  std::string currency, coupon, order_id, screen;
  std::map<std::string, std::string> props;
  std::optional<std::int64_t> discount, tax, shipping, total, subtotal, amount;
  std::vector<shop_item> items;
  std::int64_t stamped_ms = 0;
  row_outcome outcome = row_outcome::fresh;  // filled by counting it

  [[nodiscard]] event view() const {
    const auto as_money = [](const std::optional<std::int64_t>& n) {
      return n ? std::optional{money{*n}} : std::nullopt;
    };
    event e;
    e.merchant = "m1";
    e.id = id;
    e.name = name;
    e.visitor = visitor;
    e.user = user;
    e.url = url;
    e.referrer = referrer;
    e.country = country;
    e.language = language;
    e.browser = browser;
    e.device = device;
    e.screen = screen;
    e.at = e.received_at = time_from_ms(at_ms);
    if (!id.empty()) e.sent = client_time_from_ms(at_ms);
    e.has_order = true;
    e.order.currency = currency;
    e.order.coupon = coupon;
    e.order.id = order_id;
    e.order.discount = as_money(discount);
    e.order.tax = as_money(tax);
    e.order.shipping = as_money(shipping);
    e.order.total = as_money(total);
    e.order.subtotal = as_money(subtotal);
    e.order.amount = as_money(amount);
    for (const auto& i : items)
      e.order.items.push_back(
          {i.id, i.sku, i.name, i.category, i.brand, i.variant, money{i.quantity}, money{i.price}});
    return e;
  }
};

/// Writes one column.
class column_writer {
 public:
  column_writer(text_column& column, std::deque<std::string>& texts)
      : column_{&column}, texts_{&texts} {}
  void add(const std::string& text) {
    const auto [entry, fresh] =
        codes_.emplace(text, static_cast<std::uint32_t>(column_->words.size()));
    if (fresh) {
      texts_->push_back(text);
      column_->words.emplace_back(texts_->back());
    }
    column_->codes.push_back(entry->second);
  }

 private:
  text_column* column_;
  std::deque<std::string>* texts_;
  std::unordered_map<std::string, std::uint32_t> codes_;
};

/// The columns of some events that have been counted: what history hands to a scan.
inline event_columns columns_of(const std::vector<shop_event>& events, std::size_t begin,
                                std::size_t end) {
  event_columns block;
  auto keep = std::make_shared<std::deque<std::string>>();
  block.rows = end - begin;
  for (std::size_t i = 0; i < begin; ++i)
    if (events[i].outcome == row_outcome::fresh)
      block.newest_before_ms = std::max(block.newest_before_ms, events[i].at_ms);
  std::vector<column_writer> texts, item_texts;
  for (auto& column : block.texts) texts.emplace_back(column, *keep);
  for (auto& column : block.items.texts) item_texts.emplace_back(column, *keep);
  std::map<std::string, column_writer> props;
  for (const auto* key : {"plan", "size", "scroll_depth"})
    props.emplace(key, column_writer{block.properties[key], *keep});
  const auto number = [&](number_field f, std::int64_t n) {
    block.numbers[static_cast<std::size_t>(f)].push_back(n);
  };
  const auto amount = [&](number_field f, const std::optional<std::int64_t>& n) {
    number(f, n.value_or(no_number));
  };
  block.items.begins.push_back(0);
  for (auto i = begin; i < end; ++i) {
    const auto& e = events[i];
    std::map<text_field, std::string> values{
        {text_field::id, e.id},           {text_field::name, e.name},
        {text_field::visitor, e.visitor}, {text_field::user, e.user},
        {text_field::url, e.url},         {text_field::referrer, e.referrer},
        {text_field::country, e.country}, {text_field::language, e.language},
        {text_field::browser, e.browser}, {text_field::device, e.device},
        {text_field::coupon, e.coupon},   {text_field::order_currency, e.currency},
        {text_field::screen, e.screen},   {text_field::order_id, e.order_id}};
    for (std::size_t f = 0; f < text_fields; ++f) texts[f].add(values[static_cast<text_field>(f)]);
    for (auto& [key, writer] : props) {
      const auto found = e.props.find(key);
      writer.add(found == e.props.end() ? std::string{} : found->second);
    }
    number(number_field::offset, static_cast<std::int64_t>(e.offset));
    number(number_field::stamped_at, e.stamped_ms);
    number(number_field::at, e.at_ms);
    number(number_field::outcome, static_cast<std::int64_t>(e.outcome));
    number(number_field::has_order, 1);
    amount(number_field::discount, e.discount);
    amount(number_field::tax, e.tax);
    amount(number_field::shipping, e.shipping);
    amount(number_field::total, e.total);
    amount(number_field::subtotal, e.subtotal);
    amount(number_field::amount, e.amount);
    for (const auto& item : e.items) {
      const std::string* const of_item[] = {&item.id,       &item.sku,   &item.name,
                                            &item.category, &item.brand, &item.variant};
      for (std::size_t f = 0; f < item_fields; ++f) item_texts[f].add(*of_item[f]);
      block.items.quantity.push_back(item.quantity);
      block.items.price.push_back(item.price);
    }
    block.items.begins.push_back(static_cast<std::uint32_t>(block.items.quantity.size()));
  }
  block.keep = keep;
  return block;
}

/// Random events of a shop: any order, repeats, late ones, several currencies.
inline std::vector<shop_event> random_shop(std::mt19937& random, std::size_t count) {
  const auto pick = [&](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
  const auto one_of = [&](const std::vector<std::string>& all) {
    return all[pick(static_cast<std::uint32_t>(all.size()))];
  };
  const std::vector<std::string> names{"page_view",   "page_view", "page_view", "engagement",
                                       "add_to_cart", "checkout",  "purchase",  "purchase",
                                       "refund",      "signup",    "Buy"};
  const std::vector<std::string> pages{"/", "/a", "/b?x=1", "/a#top", "/cart"};
  const std::vector<std::string> queries{"",         "",
                                         "",         "?utm_source=news&utm_medium=email",
                                         "?gclid=1", "?utm_campaign=x%20y&utm_source=facebook"};
  const std::vector<std::string> referrers{"",
                                           "",
                                           "https://shop.example/a",
                                           "https://www.google.de/search?q=1",
                                           "https://t.co/x",
                                           "https://blog.example/post/"};
  std::vector<shop_event> events;
  // Around the change of clocks of 2024-03-31 in Europe.
  std::int64_t now = to_ms(instant("2024-03-28T05:00:00Z")) + pick(36'000'000);
  const auto people = 1 + pick(30);
  std::uint64_t offset = 0;
  for (std::size_t i = 0; i < count; ++i) {
    now += pick(pick(15) == 0 ? 40'000'000 : 400'000);
    offset += 1 + pick(3);
    if (!events.empty() && pick(25) == 0) {
      events.push_back(events[pick(static_cast<std::uint32_t>(events.size()))]);
      events.back().offset = offset;
      events.back().stamped_ms = now;
      continue;
    }
    shop_event e;
    e.offset = offset;
    e.stamped_ms = now;
    e.at_ms = now - (pick(12) == 0 ? pick(60'000'000) : pick(5) == 0 ? pick(3'000'000) : 0);
    if (pick(4) == 0) e.at_ms -= e.at_ms % 60'000;
    e.id = "e" + std::to_string(i);
    e.name = one_of(names);
    const auto who = std::to_string(pick(people));
    if (pick(12) != 0) e.visitor = "v" + who;
    if (pick(3) == 0) e.user = "u" + who;
    if (pick(6) != 0) {
      const auto page = one_of(pages);
      e.url = "https://shop.example" + (page.size() < 3 ? page + one_of(queries) : page);
    }
    if (pick(3) == 0) e.referrer = one_of(referrers);
    if (pick(3) == 0) e.country = one_of({"DE", "GB", "FR"});
    if (pick(4) == 0) e.browser = one_of({"Firefox 12.0", "Firefox 13.1", "Chrome", "firefox"});
    if (pick(3) == 0) e.screen = one_of({"390x844", "800x600", "1280x800", "1920x1080", "big"});
    if (pick(3) == 0) e.props["plan"] = one_of({"gold", "free", "1.5"});
    if (e.name == "engagement" && pick(2) == 0) e.props["scroll_depth"] = std::to_string(pick(120));
    if (e.name == "purchase" || e.name == "refund" || e.name == "Buy" || pick(20) == 0) {
      e.currency = one_of({"EUR", "EUR", "USD", "", "JPY"});
      e.coupon = one_of({"", "", "X"});
      if (pick(4) != 0) e.order_id = "o" + std::to_string(pick(30));
      for (auto n = pick(4); n-- > 0;) {
        shop_item item;
        item.id = one_of({"p1", "p2", "p3"});
        if (pick(2) == 0) item.name = "Name of " + item.id;
        item.category = one_of({"hats", "shoes", ""});
        item.brand = one_of({"", "acme"});
        item.quantity = 500'000 * static_cast<std::int64_t>(pick(6));
        item.price = static_cast<std::int64_t>(pick(99'999'999));
        e.items.push_back(item);
      }
      const auto maybe = [&](std::uint32_t n) {
        return pick(2) == 0 ? std::optional<std::int64_t>{pick(n)} : std::nullopt;
      };
      e.discount = maybe(5'000'000);
      e.tax = maybe(5'000'000);
      e.shipping = maybe(5'000'000);
      e.total = maybe(90'000'000);
      e.subtotal = maybe(90'000'000);
      e.amount = maybe(90'000'000);
    }
    events.push_back(std::move(e));
  }
  return events;
}

/// A merchant whose events have been counted as a node counts them.
struct counted_shop {
  counted_shop(std::vector<shop_event> all, const zone& z, const ruleset& with)
      : events{std::move(all)}, rules{with} {
    state.set_reporting(z, z.name(), "EUR");
    for (auto& e : events) {
      const auto view = e.view();
      std::vector<slice_range> missing;
      state.ids.missing_for(view, view.received_at, missing);
      for (const auto& range : missing) state.ids.load(range, {});
      const auto done = logic_v1::apply(state, view, {e.offset, view.received_at, "bytes"}, rules);
      if (done.what == logic_v1::effect::duplicate) e.outcome = row_outcome::duplicate;
    }
    facts.reporting_zone = &z;
    facts.currency = "EUR";
    facts.names = state.names.all();
    facts.currencies = state.currencies.all();
    facts.any = state.oldest_ms <= state.newest_ms;
    facts.newest = time_from_ms(state.newest_ms);
    facts.oldest = time_from_ms(state.oldest_ms);
  }

  [[nodiscard]] row_set rows() const {
    const auto all = rolled_up(state.deltas, *state.reporting_zone);
    row_set set;
    for (const auto& e : all.traffic.entries()) set.traffic[{{e.width(), {}}, e.begin()}] = e.row;
    for (const auto& e : all.commerce.entries())
      set.commerce[{{e.width(), state.currencies.all()[e.tag()]}, e.begin()}] = e.row;
    for (const auto& e : all.names.entries())
      set.names[{{e.width(), state.names.all()[e.tag()]}, e.begin()}] = e.row;
    return set;
  }

  /// Scans in blocks of random sizes, by one or two scans that are merged.
  [[nodiscard]] result<answer> scan_all(const question& q, event_time now,
                                        std::mt19937& random) const {
    auto made = make_scan_plan(q, facts, now, rules);
    if (!made) return made.error();
    for (;;) {
      auto plan = std::make_shared<const scan_plan>(*made);
      scan first{plan}, second{plan};
      bool split = false;
      for (std::size_t i = 0; i < events.size();) {
        const auto end = std::min(events.size(), i + 1 + random() % 300);
        split = split || random() % 6 == 0;
        const auto begin = events.begin() + static_cast<std::ptrdiff_t>(i);
        const auto [oldest, newest] = std::minmax_element(
            begin, events.begin() + static_cast<std::ptrdiff_t>(end),
            [](const shop_event& a, const shop_event& b) { return a.at_ms < b.at_ms; });
        if (plan->range.wants(time_from_ms(oldest->at_ms), time_from_ms(newest->at_ms))) {
          auto fine = (split ? second : first).add(columns_of(events, i, end));
          if (!fine) return fine.error();
        }
        i = end;
      }
      if (auto fine = first.merge(std::move(second)); !fine) return fine.error();
      if (const auto wider = first.wider()) {
        made->range = *wider;
        continue;
      }
      return first.finish();
    }
  }

  std::vector<shop_event> events;
  ruleset rules;
  merchant_state state;
  merchant_facts facts;
};

/// An answer as text, so that a difference can be read.
inline std::string text_of(const answer& a) {
  const auto value = [](const metric_value& v) {
    return v.is == metric_value::form::null
               ? std::string{"null"}
               : std::to_string(static_cast<std::int64_t>(v.number)) + "/" +
                     std::to_string(static_cast<int>(v.is)) + (v.error != 0 ? "~" : "");
  };
  const auto row = [&](const answer_row& r) {
    std::string out;
    for (const auto& d : r.dimensions) out += d + " | ";
    for (const auto& m : r.metrics) out += value(m) + " ";
    if (!r.compared.empty()) out += "<- ";
    for (const auto& d : r.compared_labels) out += d + " | ";
    for (const auto& m : r.compared) out += value(m) + " ";
    return out + "\n";
  };
  std::string out = a.zone + " " + a.currency + " " + a.from + " " + a.to + "\n";
  for (const auto& r : a.rows) out += row(r);
  if (a.totals) out += "totals " + row(*a.totals);
  for (const auto& label : a.time_labels) out += label + ",";
  for (const auto& currency : a.other_currencies) out += currency + ";";
  for (const auto& currency : a.converted_currencies) out += "=" + currency + ";";
  return out + std::to_string(a.total_rows) + (a.exact ? " exact" : " estimated");
}

}  // namespace tally

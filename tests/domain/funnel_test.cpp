#include "domain/funnel.hpp"

#include <numeric>

#include "domain/retention.hpp"
#include "tests/domain/naive_events.hpp"
#include "tests/domain/random_asker.hpp"

namespace tally {
namespace {

using counts = std::vector<std::int64_t>;

event_filter named(std::string name) {
  event_filter f;
  f.op = filter_op::is;
  f.field = "event:name";
  f.values = {std::move(name)};
  return f;
}

counts counts_of(const std::vector<funnel_step>& steps) {
  counts all;
  for (const auto& s : steps) all.push_back(s.visitors);
  return all;
}

/// Tries every way of every visitor.
class naive_funnel : naive_events {
 public:
  naive_funnel(const counted_shop& shop, const funnel_question& q, const scan_plan& p)
      : naive_events{shop, q.asked, p}, funnel_{q}, total(q.steps.size()) {
    from_ = to_ms(p.from);
    to_ = to_ms(p.to);
    std::map<std::string, std::vector<std::size_t>> people;
    for (std::size_t i = 0; i < events_.size(); ++i)
      if (!person(events_[i]).empty() && in_range(i) && selected(i, -1))
        people[person(events_[i])].push_back(i);
    for (const auto& [who, events] : people) count(events);
  }

 private:
  struct way {
    std::size_t steps = 0, end = 0, begin = 0;
    // Longer, else done earlier, else begun later.
    bool operator<(const way& o) const {
      return std::tuple{steps, o.end, begin} < std::tuple{o.steps, end, o.begin};
    }
  };

  bool is_step(std::size_t k, std::size_t i) const { return holds(funnel_.steps[k], i, -1); }
  void walk(const std::vector<std::size_t>& events, std::size_t place, way w) {
    best_ = std::max(best_, w);
    if (w.steps == funnel_.steps.size()) return;
    const auto last = funnel_.strict ? std::min(place + 2, events.size()) : events.size();
    for (auto next = place + 1; next < last; ++next) {
      const auto ms = events_[events[next]].e->at_ms - events_[w.begin].e->at_ms;
      if (ms <= funnel_.window.count() * 1'000 && is_step(w.steps, events[next]))
        walk(events, next, {w.steps + 1, next, w.begin});
    }
  }
  void count(std::vector<std::size_t> events) {
    if (funnel_.strict)
      std::erase_if(events, [&](std::size_t i) {
        bool any = events_[i].kind != counts_as::engagement;
        for (std::size_t k = 0; k < funnel_.steps.size(); ++k) any = any || is_step(k, i);
        return !any;
      });
    best_ = {};
    for (std::size_t i = 0; i < events.size(); ++i)
      if (is_step(0, events[i])) walk(events, i, {1, i, events[i]});
    for (std::size_t k = 0; k < best_.steps; ++k) ++total[k];
    if (q_.dimensions.empty() || best_.steps == 0) return;
    const auto v = value(best_.begin, q_.dimensions[0], -1);
    auto& row = rows[v.empty() ? absent(q_.dimensions[0]) : v];
    row.resize(funnel_.steps.size());
    for (std::size_t k = 0; k < best_.steps; ++k) ++row[k];
  }

  const funnel_question& funnel_;
  way best_;

 public:
  counts total;
  std::map<std::string, counts> rows;
};

class funnel_test : public ::testing::Test, protected random_asker {
 protected:
  scan scanned(const counted_shop& shop, scan_plan p) {
    for (;;) {
      scan s{std::make_shared<const scan_plan>(p)};
      for (std::size_t i = 0; i < shop.events.size(); i += 100)
        EXPECT_TRUE(s.add(columns_of(shop.events, i, std::min(shop.events.size(), i + 100))).ok());
      const auto wider = s.wider();
      if (!wider) return s;
      p.range = *wider;
    }
  }
  counted_shop random_counted(std::uint32_t seed) {
    random.seed(seed);
    return {random_shop(random, 40 + pick(200)), *zone::find("Europe/Berlin"), ruleset{}};
  }
};

TEST_F(funnel_test, says_what_trying_every_way_says) {
  std::int64_t reached = 0;
  for (std::uint32_t seed = 1; seed <= 40; ++seed) {
    const auto shop = random_counted(seed);
    for (int i = 0; i < 5; ++i) {
      funnel_question q;
      q.asked.date_range = "custom";
      q.asked.from = date(pick(4));
      q.asked.to = date(4 + pick(12));
      if (pick(2) == 0) q.asked.filters.push_back(filter(1, true));
      if (pick(2) == 0) q.asked.dimensions = {one_of(pick(2) == 0 ? event_fields : visit_fields)};
      for (auto n = 2 + pick(3); n-- > 0;)
        q.steps.push_back(pick(4) == 0 ? filter(1, true)
                                       : named(one_of({"page_view", "add_to_cart", "purchase"})));
      q.window = std::chrono::minutes{1 + pick(pick(2) == 0 ? 60 : 20'000)};
      q.strict = pick(3) == 0;
      const auto p = make_funnel_plan(q, shop.facts, shop.facts.newest, shop.rules);
      ASSERT_TRUE(p.ok()) << p.error().text();
      auto s = scanned(shop, *p);
      const auto a = finish_funnel(s, q);
      ASSERT_TRUE(a.ok());
      const naive_funnel plain{shop, q, *p};
      ASSERT_EQ(counts_of(a->steps), plain.total) << "seed " << seed << " question " << i;
      std::map<std::string, counts> rows;
      for (const auto& row : a->rows) rows[row.value] = counts_of(row.steps);
      ASSERT_EQ(rows, plain.rows) << "seed " << seed << " question " << i << " strict " << q.strict;
      reached += a->steps[1].visitors;
    }
  }
  EXPECT_GT(reached, 150);
}

/// Events of one visitor, a minute apart.
std::vector<shop_event> events_named(const std::vector<std::string>& names) {
  std::vector<shop_event> events;
  for (const auto& name : names) {
    shop_event e;
    e.offset = events.size() + 1;
    e.at_ms =
        to_ms(instant("2024-03-28T10:00:00Z")) + static_cast<std::int64_t>(events.size()) * 60'000;
    e.name = name;
    e.visitor = "v";
    events.push_back(e);
  }
  return events;
}

TEST_F(funnel_test, states_conversion_and_drop_off) {
  auto events = events_named({"a", "x", "b", "c"});
  for (auto more : {"1", "2", "3"}) {
    events.push_back(events[0]);
    events.back().visitor = more;
    events.back().offset = events.size();
  }
  const counted_shop shop{events, zone::utc(), ruleset{}};
  funnel_question q;
  q.steps = {named("a"), named("b"), named("c")};
  auto s = scanned(shop, *make_funnel_plan(q, shop.facts, shop.facts.newest, shop.rules));
  auto a = *finish_funnel(s, q);
  EXPECT_EQ(counts_of(a.steps), (counts{4, 1, 1}));
  EXPECT_EQ(a.steps[1].conversion.number, 250);
  EXPECT_EQ(a.steps[2].from_previous.number, 1'000);
  EXPECT_EQ(a.steps[1].drop_off, 3);
  q.strict = true;
  EXPECT_EQ(counts_of(finish_funnel(s, q)->steps), (counts{4, 0, 0}));
  q.strict = false;
  q.window = std::chrono::minutes{2};
  EXPECT_EQ(counts_of(finish_funnel(s, q)->steps), (counts{4, 1, 0}));
}

TEST_F(funnel_test, names_what_is_wrong) {
  funnel_question q;
  const auto error = [&] {
    const auto p = make_funnel_plan(q, london_shop(), london_now(), ruleset{});
    return p ? "" : p.error().text();
  };
  EXPECT_EQ(error(), "bad_request: /steps: must be 2 to 10 steps");
  q.steps = {named("a"), named("b")};
  EXPECT_EQ(error(), "");
  q.steps[1].field = "event:nam";
  EXPECT_EQ(error(),
            "bad_request: /steps/1/1: there is no field 'event:nam'; the nearest is "
            "'event:name'");
  q.steps[1].field = "event:name";
  q.window = std::chrono::seconds{0};
  EXPECT_EQ(error(), "bad_request: /window: must be 1 second to 366 days");
  q.window = std::chrono::hours{1};
  q.asked.dimensions = {"event:product"};
  EXPECT_EQ(error(), "bad_request: /dimensions/0: no field of the lines of an order");
  q.asked.dimensions = {"time:day"};
  EXPECT_EQ(error(), "bad_request: /dimensions/0: no dimension of time");
}

/// Cohort after cohort by looking at every event for every cell.
class naive_retention : naive_events {
 public:
  naive_retention(const counted_shop& shop, const retention_question& q, const scan_plan& p)
      : naive_events{shop, q.asked, p}, of_orders_{q.of_orders} {
    from_ = to_ms(p.from);
    to_ = to_ms(p.to);
    std::map<std::string, std::vector<std::size_t>> people;
    for (std::size_t i = 0; i < events_.size(); ++i) {
      const auto who = of_orders_ ? customer(events_[i]) : person(events_[i]);
      if (!who.empty() && events_[i].e->at_ms < to_ && selected(i, -1)) people[who].push_back(i);
    }
    const auto periods = p.buckets.size() - 1;
    for (std::size_t c = 0; c < periods; ++c) {
      text += std::to_string(c) + ":";
      std::vector<std::vector<std::size_t>> cohort;
      for (auto& [who, events] : people) {
        const auto first = std::ranges::find_if(events, [&](std::size_t i) { return comes(i); });
        if (first != events.end() && in_range(*first) && is_in(*first, c))
          cohort.emplace_back(first, events.end());
      }
      text += std::to_string(cohort.size());
      for (auto n = c; n < periods; ++n) {
        std::int64_t came = 0;
        int128 revenue = 0;
        for (const auto& events : cohort) {
          came += std::ranges::any_of(events, [&](auto i) { return comes(i) && is_in(i, n); });
          for (const auto i : events) revenue += is_in(i, n) ? worth(i) : 0;
        }
        text += " " + std::to_string(came) + "/" + format_decimal(revenue, 2);
      }
      text += "\n";
    }
  }
  std::string text;

 private:
  bool comes(std::size_t i) const { return !of_orders_ || events_[i].kind == counts_as::purchase; }
  bool is_in(std::size_t i, std::size_t period) const {
    const auto ms = events_[i].e->at_ms;
    return ms >= to_s(p_.buckets[period]) * 1'000 && ms < to_s(p_.buckets[period + 1]) * 1'000;
  }
  int128 worth(std::size_t i) const {
    const auto& e = *events_[i].e;
    const auto kind = events_[i].kind;
    if (!e.currency.empty() && e.currency != "EUR") return 0;
    int128 lines = 0;
    for (const auto& item : e.items)
      lines += divide_half_even(int128{item.quantity} * item.price, 1'000'000);
    const auto tax = e.tax.value_or(0), shipping = e.shipping.value_or(0),
               discount = e.discount.value_or(0);
    if (kind == counts_as::refund) return e.items.empty() ? -e.amount.value_or(0) : -lines;
    if (kind != counts_as::purchase) return 0;
    if (!e.items.empty()) return lines - discount;
    if (e.subtotal) return *e.subtotal - discount;
    return e.total ? *e.total - tax - shipping : -discount;
  }
  bool of_orders_;
};

TEST_F(funnel_test, retention_says_what_looking_at_every_event_says) {
  std::int64_t people = 0;
  for (std::uint32_t seed = 1; seed <= 25; ++seed) {
    const auto shop = random_counted(seed);
    for (int i = 0; i < 5; ++i) {
      retention_question q;
      q.asked.date_range = "custom";
      q.asked.from = date(pick(6));
      q.asked.to = date(6 + pick(8));
      q.asked.timezone = one_of({"", "America/New_York"});
      if (pick(2) == 0) q.asked.filters.push_back(filter(1, false));
      q.period = pick(3) == 0 ? granularity::week : granularity::day;
      q.of_orders = pick(2) == 0;
      const auto p = make_retention_plan(q, shop.facts, shop.facts.newest, shop.rules);
      ASSERT_TRUE(p.ok()) << p.error().text();
      auto s = scanned(shop, *p);
      const auto a = finish_retention(s, q);
      ASSERT_TRUE(a.ok());
      std::string text;
      for (std::size_t c = 0; c < a->rows.size(); ++c) {
        text += std::to_string(c) + ":" + std::to_string(a->rows[c].size);
        people += a->rows[c].size;
        for (const auto& cell : a->rows[c].cells)
          text += " " + std::to_string(cell.people) + "/" + format_decimal(cell.revenue, 2);
        text += "\n";
      }
      ASSERT_EQ(text, (naive_retention{shop, q, *p}.text)) << "seed " << seed << " question " << i;
    }
  }
  EXPECT_GT(people, 250);
}

TEST_F(funnel_test, retention_names_what_is_wrong) {
  retention_question q;
  const auto error = [&] {
    const auto p = make_retention_plan(q, london_shop(), london_now(), ruleset{});
    return p ? "" : p.error().text();
  };
  EXPECT_EQ(error(), "");
  q.period = granularity::hour;
  EXPECT_EQ(error(), "bad_request: /period: must be day, week or month");
  q.period = granularity::day;
  EXPECT_EQ(error(), "unsupported: too_many_buckets: /date_range: more than 400 periods");
}

}  // namespace
}  // namespace tally

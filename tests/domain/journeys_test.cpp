#include "domain/journeys.hpp"

#include "tests/domain/naive_events.hpp"
#include "tests/domain/random_asker.hpp"

namespace tally {
namespace {

event_filter named(std::string name) {
  event_filter f;
  f.op = filter_op::is;
  f.field = "event:name";
  f.values = {std::move(name)};
  return f;
}

std::string text_of(const journeys_answer& a) {
  std::string text = std::to_string(a.visitors) + "\n";
  for (const auto& s : a.steps) {
    text += std::to_string(s.visitors) + " -" + std::to_string(s.drop_off) + ":";
    for (const auto& v : s.values)
      text += " " + v.value + "=" + std::to_string(v.visitors) + "/" +
              std::to_string(static_cast<int>(v.share.number));
    text += " +" + std::to_string(s.others) + "\n";
  }
  for (const auto& w : a.ways) {
    for (const auto& v : w.values) text += v + " > ";
    text += std::to_string(w.visitors) + "\n";
  }
  return text + std::to_string(a.total_ways);
}

/// Follows every visitor by himself, with texts.
class naive_journeys : naive_events {
 public:
  naive_journeys(const counted_shop& shop, const journeys_question& q, const scan_plan& p)
      : naive_events{shop, q.asked, p}, asked_{q} {
    from_ = to_ms(p.from);
    to_ = to_ms(p.to);
    std::map<std::string, std::vector<std::size_t>> people;
    for (std::size_t i = 0; i < events_.size(); ++i)
      if (!person(events_[i]).empty() && in_range(i) && selected(i, -1))
        people[person(events_[i])].push_back(i);
    std::map<std::vector<std::string>, int> ways;
    for (auto& [who, events] : people) {
      if (q.backwards) std::reverse(events.begin(), events.end());
      for (std::size_t n = 0; n < events.size(); ++n) {
        if (!holds(q.anchor, events[n], -1)) continue;
        const auto found = way({events.begin() + static_cast<std::ptrdiff_t>(n), events.end()});
        if (std::equal(q.through.begin(), q.through.end(), found.begin(),
                       found.begin() +
                           static_cast<std::ptrdiff_t>(std::min(found.size(), q.through.size()))))
          ++ways[found];
        break;
      }
    }
    tell(ways);
  }
  std::string text;

 private:
  bool is_step(std::size_t i) const {
    return asked_.by == "event:page" ? events_[i].kind == counts_as::page_view
                                     : events_[i].kind != counts_as::engagement;
  }
  std::vector<std::string> way(const std::vector<std::size_t>& events) const {
    std::vector<std::string> all;
    for (const auto i : events) {
      const auto apart = std::abs(events_[i].e->at_ms - events_[events[0]].e->at_ms);
      if (apart > asked_.window.count() * 1'000) break;
      if (!is_step(i)) continue;
      const auto v = own(i, asked_.by, -1);
      if (all.empty() || all.back() != v) all.push_back(v);
    }
    if (is_step(events[0])) all.erase(all.begin());
    if (all.size() > asked_.steps) all.resize(asked_.steps);
    for (auto& v : all)
      if (v.empty()) v = "(none)";
    return all;
  }
  void tell(const std::map<std::vector<std::string>, int>& ways) {
    int all = 0;
    for (const auto& [way, n] : ways) all += n;
    text = std::to_string(all) + "\n";
    auto before = all;
    for (std::size_t step = 0; step < asked_.steps; ++step) {
      std::map<std::string, int> counts;
      int visitors = 0, others = 0;
      for (const auto& [way, n] : ways)
        if (way.size() > step) {
          visitors += n;
          counts[way[step]] += n;
        }
      std::vector<std::pair<int, std::string>> order;
      for (const auto& [v, n] : counts) order.emplace_back(-n, v);
      std::sort(order.begin(), order.end());
      text += std::to_string(visitors) + " -" + std::to_string(before - visitors) + ":";
      before = visitors;
      for (std::size_t i = 0; i < order.size(); ++i) {
        const auto n = -order[i].first;
        if (i < asked_.top)
          text += " " + order[i].second + "=" + std::to_string(n) + "/" +
                  std::to_string(static_cast<int>(divide_half_even(int128{n} * 1'000, all)));
        else
          others += n;
      }
      text += " +" + std::to_string(others) + "\n";
    }
    std::vector<std::pair<int, std::vector<std::string>>> order;
    for (const auto& [way, n] : ways) order.emplace_back(-n, way);
    std::sort(order.begin(), order.end());
    for (std::size_t i = 0; i < order.size() && i < asked_.top; ++i) {
      for (const auto& v : order[i].second) text += v + " > ";
      text += std::to_string(-order[i].first) + "\n";
    }
    text += std::to_string(ways.size());
  }

  const journeys_question& asked_;
};

class journeys_test : public ::testing::Test, protected random_asker {
 protected:
  /// In blocks, by one scan or by two that are merged.
  std::string scanned(const counted_shop& shop, const journeys_question& q, scan_plan p) {
    for (;;) {
      const auto plan = std::make_shared<const scan_plan>(p);
      scan first{plan}, second{plan};
      const auto half = pick(static_cast<std::uint32_t>(shop.events.size()));
      for (std::size_t i = 0; i < shop.events.size(); i += 50)
        EXPECT_TRUE((i < half ? first : second)
                        .add(columns_of(shop.events, i, std::min(shop.events.size(), i + 50)))
                        .ok());
      EXPECT_TRUE(first.merge(std::move(second)).ok());
      if (const auto wider = first.wider()) {
        p.range = *wider;
        continue;
      }
      const auto a = finish_journeys(first, q);
      EXPECT_TRUE(a.ok());
      return text_of(*a);
    }
  }
  journeys_question any_question() {
    journeys_question q;
    q.asked.date_range = "custom";
    q.asked.from = date(pick(4));
    q.asked.to = date(4 + pick(12));
    if (pick(2) == 0) q.asked.filters.push_back(filter(1, true));
    q.anchor = pick(3) == 0 ? filter(1, true)
                            : named(one_of({"page_view", "add_to_cart", "purchase", "signup"}));
    q.backwards = pick(2) == 0;
    q.by = one_of({"event:page", "event:name"});
    q.steps = 1 + pick(6);
    q.top = 1 + pick(4);
    q.window = std::chrono::minutes{1 + pick(pick(2) == 0 ? 60 : 20'000)};
    if (pick(3) == 0)
      q.through = {q.by == "event:page" ? one_of({"/", "/a", "/b", "(none)"})
                                        : one_of({"page_view", "purchase"})};
    return q;
  }
};

TEST_F(journeys_test, say_what_following_every_visitor_says) {
  std::size_t ways = 0;
  for (std::uint32_t seed = 1; seed <= 40; ++seed) {
    random.seed(seed);
    const counted_shop shop{random_shop(random, 40 + pick(200)), *zone::find("Europe/Berlin"),
                            ruleset{}};
    for (int i = 0; i < 6; ++i) {
      const auto q = any_question();
      const auto p = make_journeys_plan(q, shop.facts, shop.facts.newest, shop.rules);
      ASSERT_TRUE(p.ok()) << p.error().text();
      const auto text = scanned(shop, q, *p);
      ASSERT_EQ(text, (naive_journeys{shop, q, *p}.text)) << "seed " << seed << " question " << i;
      ways += std::stoul(text.substr(text.rfind('\n') + 1));
    }
  }
  EXPECT_GT(ways, 300u);
}

/// The same events as if everybody had always been known by the user that he was seen with last.
std::vector<shop_event> with_users(std::vector<shop_event> events) {
  std::map<std::string, std::string> users;
  for (const auto& e : events)
    if (e.outcome == row_outcome::fresh && !e.visitor.empty() && !e.user.empty())
      users[e.visitor] = e.user;
  for (auto& e : events)
    if (const auto found = users.find(e.visitor); found != users.end()) e.visitor = found->second;
  return events;
}

TEST_F(journeys_test, with_identity_are_those_of_people_who_were_always_known) {
  for (std::uint32_t seed = 1; seed <= 25; ++seed) {
    random.seed(seed);
    const auto& berlin = *zone::find("Europe/Berlin");
    const counted_shop shop{random_shop(random, 40 + pick(200)), berlin, ruleset{}};
    const counted_shop known{with_users(shop.events), berlin, ruleset{}};
    for (int i = 0; i < 4; ++i) {
      auto q = any_question();
      q.identity = true;
      const auto p = make_journeys_plan(q, shop.facts, shop.facts.newest, shop.rules);
      ASSERT_TRUE(p.ok()) << p.error().text();
      ASSERT_EQ(scanned(shop, q, *p), (naive_journeys{known, q, *p}.text))
          << "seed " << seed << " question " << i;
    }
  }
}

TEST_F(journeys_test, name_what_is_wrong) {
  journeys_question q;
  q.anchor = named("purchase");
  const auto error = [&] {
    const auto p = make_journeys_plan(q, london_shop(), london_now(), ruleset{});
    return p ? "" : p.error().text();
  };
  EXPECT_EQ(error(), "");
  q.anchor.field = "event:nam";
  EXPECT_EQ(error().substr(0, 28), "bad_request: /start/1: there");
  q.backwards = true;
  EXPECT_EQ(error().substr(0, 26), "bad_request: /end/1: there");
  q.anchor.field = "event:name";
  q.by = "visit:country";
  EXPECT_EQ(error(), "bad_request: /by: must be event:page or event:name");
  q.by = "event:name";
  q.steps = 11;
  EXPECT_EQ(error(), "bad_request: /steps: must be 1 to 10");
  q.steps = 1;
  q.top = 0;
  EXPECT_EQ(error(), "bad_request: /top: must be 1 to 1000");
  q.top = 1;
  q.through = {"a", "b"};
  EXPECT_EQ(error(), "bad_request: /through: has more values than steps are asked for");
  q.through.clear();
  q.window = std::chrono::seconds{0};
  EXPECT_EQ(error(), "bad_request: /window_seconds: must be 1 second to 366 days");
}

}  // namespace
}  // namespace tally

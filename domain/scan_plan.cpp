#include "domain/scan_plan.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "domain/query_metrics.hpp"
#include "domain/query_range.hpp"
#include "domain/question_failure.hpp"
#include "domain/scan_metrics.hpp"

namespace tally {
namespace {

using question_failure::at_index;
using question_failure::bad;
using question_failure::in_quotes;
using question_failure::not_yet;

using namespace std::chrono;

constexpr std::size_t metrics_max = 100;
constexpr std::size_t dimensions_max = 10;
constexpr std::size_t filter_bits_max = 64;
constexpr hours first_margin{6};

failure unknown_field(std::string_view pointer, std::string_view what, std::string_view name) {
  if (dimension_needs_history(name))
    return not_yet(pointer, "events do not tell " + in_quotes(name));
  const auto names = scan_field_names();
  const auto asked = name.substr(0, 64);
  const auto nearest = *std::ranges::min_element(
      names, {}, [&](std::string_view known) { return edit_distance(asked, known); });
  return bad(pointer, "there is no " + std::string{what} + " " + in_quotes(name) +
                          "; the nearest is '" + std::string{nearest} + "'");
}

class plan_maker {
 public:
  explicit plan_maker(scan_plan& p) : p_{p} {}

  status read_dimensions() {
    const auto& names = p_.asked.dimensions;
    if (names.size() > dimensions_max) return bad("/dimensions", "more than 10 dimensions");
    for (std::size_t i = 0; i < names.size(); ++i) {
      const auto pointer = at_index("/dimensions", i);
      if (std::ranges::count(names, names[i]) > 1) return bad(pointer, "stands twice");
      if (auto fine = read_dimension(names[i], pointer); !fine) return fine;
    }
    if (p_.needs.goals && p_.needs.items)
      return bad("/dimensions", "goals and lines of orders do not stand beside each other");
    return done{};
  }

  status read_metrics() {
    const auto& names = p_.asked.metrics;
    if (names.empty()) return bad("/metrics", "needs at least one metric");
    if (names.size() > metrics_max) return bad("/metrics", "more than 100 metrics");
    for (std::size_t i = 0; i < names.size(); ++i) {
      const auto pointer = at_index("/metrics", i);
      if (std::ranges::count(names, names[i]) > 1)
        return bad(pointer, in_quotes(names[i]) + " stands twice");
      if (auto fine = read_metric(names[i], pointer); !fine) return fine;
    }
    return done{};
  }

  status read_filters() {
    event_filter all;
    all.pointer = "/filters";
    all.parts = p_.asked.filters;
    if (!p_.asked.names.empty()) {
      event_filter names;
      names.op = filter_op::is;
      names.field = "event:name";
      names.values = p_.asked.names;
      names.pointer = "/filters/0";
      all.parts.push_back(std::move(names));
    }
    auto made = read_filter(all, "/filters", 0);
    if (!made) return made.error();
    p_.filter = std::move(*made);
    if (p_.needs.goals) leave_out_no_goal();
    number(p_.filter);
    return done{};
  }

  status read_steps(const std::vector<event_filter>& steps) {
    for (std::size_t i = 0; i < steps.size(); ++i) {
      auto made = read_filter(steps[i], at_index("/steps", i), 0);
      if (!made) return made.error();
      p_.steps.push_back(std::move(*made));
    }
    for (auto& step : p_.steps) number(step);
    if (p_.filter_bits > filter_bits_max)
      return bad("/filters", "more than 64 parts that mix fields of events and of visits");
    return done{};
  }

  [[nodiscard]] bool automatic() const { return automatic_; }

 private:
  status read_dimension(const std::string& name, const std::string& pointer) {
    using kind = scan_dimension::kind;
    const std::string_view d = name;
    const auto step = d.starts_with("time:") ? granularity_from(d.substr(5)) : std::nullopt;
    if (d == "time" || step) {
      if (p_.step || automatic_) return bad(pointer, "only one dimension of buckets is possible");
      p_.step = step;
      automatic_ = !step;
      p_.dimensions.push_back({kind::bucket, 0});
      return done{};
    }
    if (d == "time:hour_of_day" || d == "time:day_of_week") {
      p_.dimensions.push_back({d == "time:hour_of_day" ? kind::hour_of_day : kind::day_of_week, 0});
      return done{};
    }
    auto field = add_field(name);
    if (!field) return unknown_field(pointer, "dimension", name);
    p_.dimensions.push_back({kind::field, *field});
    if (p_.fields[*field].from == field_source::item) p_.needs.items = true;
    return p_.fields[*field].from == field_source::goal ? read_goals(pointer) : done{};
  }

  status read_goals(const std::string& pointer) {
    const auto& named = p_.asked.named;
    if (!named || named->goals.empty()) return bad(pointer, "the merchant has no goals");
    p_.needs.goals = true;
    for (const auto& goal : named->goals) {
      auto made = read_filter(goal.filter, pointer, 0);
      if (!made) return made.error();
      ensure(made->of_event, "a goal that one event does not reach");
      p_.goals.push_back(std::move(*made));
    }
    return done{};
  }

  /// By goal, events that reach none are not there.
  void leave_out_no_goal() {
    scan_filter reaches;
    reaches.op = reaches.comparison.op = filter_op::is_not;
    reaches.field = *add_field(goal_field);
    reaches.comparison.values.emplace_back();
    p_.filter.parts.push_back(std::move(reaches));
  }

  status read_metric(const std::string& name, const std::string& pointer) {
    const auto* const metric = find_scan_metric(name);
    if (metric == nullptr) {
      if (const auto* const plain = find_metric(name); plain != nullptr) {
        if ((plain->sources & from_current) != 0)
          return bad(pointer, in_quotes(name) + " is of this moment: no dimensions, no filters");
        return not_yet(pointer, in_quotes(name) +
                                    " counts receipts: no filters, no dimensions "
                                    "but the time of the merchant's zone");
      }
      if (metric_needs_history(name)) return not_yet(pointer, in_quotes(name) + " is not counted");
      return bad(pointer, "there is no metric " + in_quotes(name) + "; the nearest is '" +
                              std::string{nearest_scan_metric(name)} + "'");
    }
    if (p_.needs.items && metric->of_orders)
      return bad(pointer, in_quotes(name) + " is of whole orders: not by a field of their items");
    auto& needs = p_.needs;
    needs.visitors |= (metric->needs & scan_visitors) != 0;
    needs.visit_counts |= (metric->needs & scan_visits) != 0;
    needs.commerce |= (metric->needs & scan_commerce) != 0;
    needs.first_orders |= (metric->needs & scan_first_orders) != 0;
    needs.pages |= (metric->needs & scan_pages) != 0;
    needs.scrolls |= (metric->needs & scan_scrolls) != 0;
    needs.totals |= (metric->needs & scan_totals) != 0;
    return done{};
  }

  result<scan_filter> read_filter(const event_filter& f, std::string_view above,
                                  std::size_t behaviours) {
    const std::string pointer = f.pointer.empty() ? std::string{above} : f.pointer;
    scan_filter made;
    made.op = f.op;
    if (is_comparison(f.op)) return read_comparison(f, pointer, behaviours);
    if (is_behaviour(f.op)) {
      if (behaviours > 0) return bad(pointer, "has_done cannot stand within has_done");
      ++behaviours;
      made.of_event = false;
      made.behaviour = p_.behaviours++;
      p_.needs.persons = true;
    }
    const bool one = f.op != filter_op::all_of && f.op != filter_op::any_of;
    if (one && f.parts.size() != 1) return bad(pointer, "needs one filter");
    for (const auto& part : f.parts) {
      auto read = read_filter(part, pointer, behaviours);
      if (!read) return read;
      made.of_event = made.of_event && read->of_event;
      made.parts.push_back(std::move(*read));
    }
    gather(made);
    return made;
  }

  [[nodiscard]] result<event_filter> meaning(const event_filter& f) const {
    static const named_filters nothing;
    return meaning_of(f, p_.asked.named ? *p_.asked.named : nothing);
  }

  result<scan_filter> read_comparison(const event_filter& f, const std::string& pointer,
                                      std::size_t behaviours) {
    if (names_filters(f)) {
      const auto meant = meaning(f);
      if (!meant) return bad(pointer + "/2", meant.error().detail);
      // By goal, each goal that an event reaches is looked at by itself.
      if (f.field != goal_field || !p_.needs.goals) return read_filter(*meant, pointer, behaviours);
    }
    auto field = add_field(f.field);
    if (!field) return unknown_field(pointer + "/1", "field", f.field);
    scan_filter made;
    made.op = f.op;
    made.field = *field;
    made.comparison = f;
    const bool whole = f.op == filter_op::is || f.op == filter_op::is_not;
    const auto absent = label_of_absent(p_.fields[*field]);
    if (whole && std::ranges::find(f.values, absent) != f.values.end()) {
      made.comparison.values.emplace_back();
      if (auto fine = compile(made.comparison); !fine) return bad(pointer, fine.error().detail);
    }
    std::ranges::sort(made.comparison.values);
    made.of_event = !needs_visit(p_.fields[*field]);
    return made;
  }

  /// Parts that need one event only become one part, so that they need one bit.
  static void gather(scan_filter& f) {
    if (f.of_event || (f.op != filter_op::all_of && f.op != filter_op::any_of)) return;
    const auto of_event = std::stable_partition(f.parts.begin(), f.parts.end(),
                                                [](const scan_filter& p) { return !p.of_event; });
    if (f.parts.end() - of_event < 2) return;
    scan_filter together;
    together.op = f.op;
    together.parts.assign(std::make_move_iterator(of_event),
                          std::make_move_iterator(f.parts.end()));
    f.parts.erase(of_event, f.parts.end());
    f.parts.push_back(std::move(together));
  }

  void number(scan_filter& f) {
    if (f.of_event) {
      f.bit = p_.filter_bits++;
    } else if (is_comparison(f.op)) {
      f.bit = p_.late_comparisons++;
      use(f.field);
    }
    if (!f.of_event)
      for (auto& part : f.parts) number(part);
  }

  void use(std::size_t field) {
    const auto from = p_.fields[field].from;
    if (from == field_source::customer_type || from == field_source::cohort) {
      p_.needs.first_orders = true;
      p_.needs.persons = true;
    } else if (p_.fields[field].of_visit) {
      p_.needs.visits = true;
    }
    if (from == field_source::entry_page || from == field_source::exit_page) p_.needs.pages = true;
  }

  std::optional<std::size_t> add_field(std::string_view name) {
    auto field = find_scan_field(name);
    if (!field) return std::nullopt;
    const auto known = std::ranges::find(p_.fields, *field);
    const auto index = static_cast<std::size_t>(known - p_.fields.begin());
    if (known == p_.fields.end()) p_.fields.push_back(std::move(*field));
    return index;
  }

 public:
  /// What follows from all of it.
  void conclude() {
    auto& needs = p_.needs;
    for (const auto& d : p_.dimensions)
      if (d.is == scan_dimension::kind::field) use(d.field);
    needs.commerce |= needs.first_orders;
    needs.order_days = p_.asked.refunds_on_order_day && needs.commerce;
    needs.totals |= p_.asked.include_totals;
    needs.visits |= needs.pages || needs.visit_counts;
    needs.persons |= needs.visits || needs.first_orders || needs.scrolls || needs.order_days;
    needs.pages |= needs.scrolls;
    const auto& names = p_.rules->names;
    needs.own_newest = p_.rules->rewrites() || std::ranges::any_of(names, [](const auto& entry) {
                         return entry.second == counts_as::ignore;
                       });
  }

 private:
  scan_plan& p_;
  bool automatic_ = false;
};

status check_order(const question& q) {
  for (std::size_t i = 0; i < q.order_by.size(); ++i) {
    const auto& by = q.order_by[i].first;
    if (std::ranges::find(q.metrics, by) == q.metrics.end() &&
        std::ranges::find(q.dimensions, by) == q.dimensions.end())
      return bad(at_index("/order_by", i), in_quotes(by) + " is no metric or dimension asked for");
  }
  return done{};
}

status choose_zone_and_currency(scan_plan& p) {
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

status cut_ranges(scan_plan& p, bool automatic, event_time now) {
  auto range = resolve_range(p.asked, *p.asked_zone, p.facts, now);
  if (!range) return range.error();
  p.from = range->from;
  p.to = range->to;
  if (automatic) p.step = automatic_step(*range);
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

scan_range range_of(const scan_plan& p) {
  scan_range range{false, p.from, p.to};
  if (!p.compare_buckets.empty()) {
    range.from = std::min(range.from, p.compare_from);
    range.to = std::max(range.to, p.compare_to);
  }
  if (p.needs.visits) {
    const auto margin = std::max<milliseconds>(first_margin, p.rules->visit_timeout * 4);
    range.from -= margin;
    range.to += margin;
  }
  // A correction may move an event from anywhere to anywhere.
  range.all = p.needs.first_orders || p.needs.order_days || p.rules->rewrites() ||
              (p.needs.visits && p.needs.own_newest);
  return range;
}

void wish_fields(const scan_plan& p, column_wish& wish) {
  for (const auto& f : p.fields) switch (f.from) {
      case field_source::item:
        wish.items = true;
        break;
      case field_source::property:
        wish.properties.insert(f.property);
        break;
      case field_source::traffic:
        wish.texts.insert({text_field::url, text_field::referrer});
        break;
      case field_source::customer_type:
      case field_source::cohort:
      case field_source::goal:
        break;
      default:
        wish.texts.insert(f.text);
    }
}

}  // namespace

result<scan_plan> make_scan_plan(const question& q, const merchant_facts& facts, event_time now,
                                 const ruleset& rules) {
  return make_step_plan({q, {}}, facts, now, rules);
}

result<scan_plan> make_step_plan(const scan_request& r, const merchant_facts& facts, event_time now,
                                 const ruleset& rules) {
  scan_plan p;
  const auto& q = r.asked;
  p.asked = q;
  p.facts = facts;
  p.rules = std::make_shared<const ruleset>(rules);
  plan_maker maker{p};
  if (auto fine = maker.read_dimensions(); !fine) return fine.error();
  if (auto fine = maker.read_metrics(); !fine) return fine.error();
  if (auto fine = maker.read_filters(); !fine) return fine.error();
  if (auto fine = maker.read_steps(r.steps); !fine) return fine.error();
  if (p.fields.size() > scan_fields_max) return bad("/filters", "more than 64 different fields");
  maker.conclude();
  if (q.include_time_labels && !p.step && !maker.automatic())
    return bad("/include/time_labels", "needs a dimension of buckets");
  if (auto fine = check_order(q); !fine) return fine.error();
  if (auto fine = choose_zone_and_currency(p); !fine) return fine.error();
  if (auto fine = cut_ranges(p, maker.automatic(), now); !fine) return fine.error();
  p.needs.rates = p.needs.commerce && converts_into(p.currency, p.asked, p.facts);
  p.range = range_of(p);
  return p;
}

column_wish wish_of(const scan_plan& p) {
  column_wish wish;
  wish.texts.insert(text_field::name);
  wish.numbers = {number_field::at, number_field::outcome};
  if (p.needs.visitors || p.needs.persons || p.needs.commerce)
    wish.texts.insert({text_field::visitor, text_field::user});
  if (p.needs.commerce) {
    wish.texts.insert(text_field::order_currency);
    wish.numbers.insert({number_field::discount, number_field::tax, number_field::shipping,
                         number_field::total, number_field::subtotal, number_field::amount});
    wish.items = true;
  }
  if (p.needs.order_days) wish.texts.insert(text_field::order_id);
  if (p.needs.rates) wish.numbers.insert(number_field::stamped_at);
  if (p.needs.identity) wish.numbers.insert(number_field::kind);
  if (p.needs.pages) wish.texts.insert(text_field::url);
  if (p.needs.scrolls) wish.properties.insert(std::string{scroll_property});
  if (p.needs.items) wish.items = true;
  wish_fields(p, wish);
  if (!p.rules->rewrites()) return wish;
  // A rule may look at any field, and set most.
  for (std::size_t i = 0; i < text_fields; ++i) wish.texts.insert(static_cast<text_field>(i));
  for (std::size_t i = 0; i < number_fields; ++i) wish.numbers.insert(static_cast<number_field>(i));
  wish.items = true;
  return wish;
}

}  // namespace tally

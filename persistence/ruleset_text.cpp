#include "persistence/ruleset_text.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <vector>

#include "domain/client_time.hpp"
#include "domain/local_time.hpp"
#include "domain/query_metrics.hpp"
#include "persistence/document_tree.hpp"

namespace tally::persistence {
namespace {

using form = document_node::form;
using nlohmann::json;

constexpr std::size_t reason_bytes_max = 64;
constexpr std::size_t name_bytes_max = 1'000;

std::string in_quotes(std::string_view text) {
  return "'" + std::string{text} + "'";
}

std::string nearest(std::string_view wrong, const std::vector<std::string_view>& known) {
  std::string_view best;
  auto least = std::max<std::size_t>(3, wrong.size() / 2 + 1);
  for (const auto name : known) {
    const auto distance = edit_distance(wrong, name);
    if (distance < least) best = name;
    least = std::min(least, distance);
  }
  return best.empty() ? "" : "; did you mean " + in_quotes(best) + "?";
}

/// Reads parts of a document; the first thing wrong is kept, and nothing after it matters.
class ruleset_reader {
 public:
  result<ruleset> read(const document_node& root) {
    ruleset rules;
    if (root.is != form::table) {
      fail(root.place, "a ruleset is a table");
      return *error_;
    }
    check_keys(root, {"visit_timeout_minutes", "late_visit_hours", "names", "drop", "correct"});
    rules.visit_timeout = std::chrono::minutes{number(
        root, "visit_timeout_minutes", rules.visit_timeout.count(), 1, visit_timeout_minutes_max)};
    rules.late_visit = std::chrono::hours{
        number(root, "late_visit_hours", rules.late_visit.count(), 1, late_visit_hours_max)};
    if (const auto* names = member(root, "names")) read_names(*names, rules.names);
    for (const auto* rule : rules_of(root, "drop")) rules.drops.push_back(read_drop(*rule));
    for (const auto* rule : rules_of(root, "correct"))
      rules.corrections.push_back(read_correct(*rule));
    if (error_) return *error_;
    return rules;
  }

 private:
  void fail(const text_place& place, const std::string& what) {
    if (!error_) error_ = wrong_at(place, what);
  }
  static const document_node* member(const document_node& table, std::string_view name) {
    for (std::size_t i = 0; i < table.keys.size(); ++i)
      if (table.keys[i].name == name) return &table.items[i];
    return nullptr;
  }
  void check_keys(const document_node& table, const std::vector<std::string_view>& known) {
    std::set<std::string_view> seen;
    for (const auto& key : table.keys) {
      if (!seen.insert(key.name).second) fail(key.place, in_quotes(key.name) + " is there twice");
      if (std::ranges::find(known, key.name) == known.end())
        fail(key.place, "unknown key " + in_quotes(key.name) + nearest(key.name, known));
    }
  }
  std::int64_t number(const document_node& table, std::string_view name, std::int64_t otherwise,
                      std::int64_t least, std::int64_t most) {
    const auto* const node = member(table, name);
    if (node == nullptr) return otherwise;
    if (node->is == form::integer && node->integer >= least && node->integer <= most)
      return node->integer;
    fail(node->place, std::string{name} + " must be a whole number from " + std::to_string(least) +
                          " to " + std::to_string(most));
    return otherwise;
  }
  std::vector<const document_node*> rules_of(const document_node& root, std::string_view name) {
    std::vector<const document_node*> found;
    const auto* const list = member(root, name);
    if (list == nullptr) return found;
    if (list->is != form::list) {
      fail(list->place, std::string{name} + " must be a list of tables");
      return found;
    }
    if (list->items.size() > ruleset_rules_max)
      fail(list->place,
           "at most " + std::to_string(ruleset_rules_max) + " of " + std::string{name});
    for (const auto& item : list->items) {
      if (item.is != form::table) fail(item.place, std::string{name} + " must be a table");
      if (item.is == form::table) found.push_back(&item);
    }
    return found;
  }

  void read_names(const document_node& node, counted_names& names) {
    if (node.is != form::table) return fail(node.place, "names must be a table");
    if (node.keys.size() > ruleset_names_max)
      fail(node.place, "at most " + std::to_string(ruleset_names_max) + " names");
    static const std::vector<std::string_view> kinds{"page_view",  "add_to_cart", "checkout",
                                                     "purchase",   "refund",      "custom",
                                                     "engagement", "ignore"};
    for (std::size_t i = 0; i < node.keys.size(); ++i) {
      const auto& [name, place] = node.keys[i];
      const auto& value = node.items[i];
      if (name.empty() || name.size() > name_bytes_max)
        fail(place, "an event's name has 1 to " + std::to_string(name_bytes_max) + " bytes");
      const auto kind =
          value.is == form::text ? find_counts_as(value.text) : std::optional<counts_as>{};
      if (!kind)
        return fail(value.place, in_quotes(value.text) + " is nothing that " + in_quotes(name) +
                                     " can count as" + nearest(value.text, kinds));
      names[name] = *kind;
    }
  }

  drop_rule read_drop(const document_node& node) {
    drop_rule rule;
    check_keys(node, {"reason", "filter"});
    const auto* const reason = member(node, "reason");
    const auto is_good = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    };
    if (reason != nullptr && reason->is == form::text) rule.reason = reason->text;
    if (rule.reason.empty() || rule.reason.size() > reason_bytes_max ||
        !std::ranges::all_of(rule.reason, is_good))
      fail(reason != nullptr ? reason->place : node.place,
           "reason must be 1 to 64 characters of a-z 0-9 _");
    const auto* const filter = member(node, "filter");
    if (filter == nullptr)
      fail(node.place, "filter is missing");
    else
      rule.filter = read_filter(*filter, 1);
    return rule;
  }

  correct_rule read_correct(const document_node& node) {
    correct_rule rule;
    check_keys(node, {"range", "filter", "drop", "shift_minutes", "set"});
    if (const auto* range = member(node, "range")) rule.range = read_range(*range);
    if (const auto* filter = member(node, "filter")) rule.filter = read_filter(*filter, 1);
    if (const auto* drop = member(node, "drop")) {
      if (drop->is != form::flag || !drop->flag) fail(drop->place, "drop must be true");
      rule.drop = true;
    }
    rule.shift = std::chrono::minutes{
        number(node, "shift_minutes", 0, -shift_minutes_max, shift_minutes_max)};
    if (const auto* set = member(node, "set")) read_set(*set, rule);
    if (member(node, "range") == nullptr && member(node, "filter") == nullptr)
      fail(node.place, "a correction needs a range or a filter");
    const int kinds = (rule.drop ? 1 : 0) + (rule.set.empty() && rule.shift.count() == 0 ? 0 : 1);
    if (kinds != 1) fail(node.place, "a correction has either drop, or set and shift_minutes");
    return rule;
  }

  void read_set(const document_node& node, correct_rule& rule) {
    if (node.is != form::table) return fail(node.place, "set must be a table");
    for (std::size_t i = 0; i < node.keys.size(); ++i) {
      const auto& [name, place] = node.keys[i];
      const auto& value = node.items[i];
      const auto known = settable_fields();
      if (std::ranges::find(known, name) == known.end())
        return fail(place, "no field " + in_quotes(name) + " can be set" + nearest(name, known));
      if (value.is != form::text) return fail(value.place, name + " must be a text");
      if (const auto good = check_settable(name, value.text); !good)
        return fail(value.place, good.error().detail);
      rule.set[name] = value.text;
    }
  }

  std::optional<std::chrono::local_days> read_day(const document_node& node) {
    if (node.is == form::text && node.text.size() == 10)
      if (const auto day = parse_wall_time(node.text, "%Y-%m-%d"))
        return std::chrono::floor<std::chrono::days>(*day);
    fail(node.place, "a day is written as \"2011-03-01\"");
    return std::nullopt;
  }
  std::optional<day_range> read_range(const document_node& node) {
    if (node.is != form::list || node.items.size() != 2) {
      fail(node.place, R"(range must be two days: ["2011-03-01", "2011-03-02"])");
      return std::nullopt;
    }
    const auto first = read_day(node.items[0]);
    const auto last = read_day(node.items[1]);
    if (!first || !last) return std::nullopt;
    if (*last < *first) fail(node.place, "range ends before it begins");
    return day_range{*first, *last};
  }

  event_filter read_filter(const document_node& node, std::size_t depth) {
    event_filter filter;
    if (node.is != form::list || node.items.empty() || node.items[0].is != form::text) {
      fail(node.place, "a filter is a list that begins with an operator");
      return filter;
    }
    if (depth > filter_depth_max) {
      fail(node.place, "filters nested over " + std::to_string(filter_depth_max) + " deep");
      return filter;
    }
    const auto op = find_filter_op(node.items[0].text);
    if (!op || is_behaviour(*op)) {
      fail(node.items[0].place,
           "unknown operator " + in_quotes(node.items[0].text) +
               nearest(node.items[0].text, {"is", "is_not", "contains", "contains_not", "matches",
                                            "matches_not", "and", "or", "not"}));
      return filter;
    }
    filter.op = *op;
    if (is_comparison(*op))
      read_comparison(node, filter);
    else
      read_parts(node, filter, depth);
    return filter;
  }

  void read_parts(const document_node& node, event_filter& filter, std::size_t depth) {
    const auto* const content = node.items.size() == 2 ? &node.items[1] : nullptr;
    if (content == nullptr || content->is != form::list)
      return fail(node.place, in_quotes(to_string(filter.op)) + (filter.op == filter_op::none_of
                                                                     ? " has one filter"
                                                                     : " has one list of filters"));
    if (filter.op == filter_op::none_of) {
      filter.parts.push_back(read_filter(*content, depth + 1));
      return;
    }
    if (content->items.empty() || content->items.size() > filter_parts_max)
      return fail(content->place, "1 to " + std::to_string(filter_parts_max) + " filters");
    for (const auto& part : content->items) filter.parts.push_back(read_filter(part, depth + 1));
  }

  void read_comparison(const document_node& node, event_filter& filter) {
    if (node.items.size() < 3 || node.items.size() > 4 || node.items[1].is != form::text ||
        node.items[2].is != form::list)
      return fail(node.place, "a comparison is [operator, field, [values]]");
    filter.field = node.items[1].text;
    if (!is_event_field(filter.field))
      return fail(node.items[1].place, "no field " + in_quotes(filter.field) + " of one event" +
                                           nearest(filter.field, event_field_names()));
    const auto& values = node.items[2];
    if (values.items.empty() || values.items.size() > filter_values_max)
      return fail(values.place, "1 to " + std::to_string(filter_values_max) + " values");
    for (const auto& value : values.items) {
      if (value.is != form::text || value.text.size() > filter_value_bytes_max)
        return fail(value.place, "a value is a text of at most " +
                                     std::to_string(filter_value_bytes_max) + " bytes");
      filter.values.push_back(value.text);
    }
    if (node.items.size() == 4) read_case(node.items[3], filter);
    if (const auto good = compile(filter); !good) fail(values.place, good.error().detail);
  }

  void read_case(const document_node& node, event_filter& filter) {
    const auto* const flag =
        node.is == form::table && node.keys.size() == 1 ? member(node, "case_sensitive") : nullptr;
    if (flag == nullptr || flag->is != form::flag)
      return fail(node.place, "after the values: {case_sensitive = true or false}");
    filter.case_sensitive = flag->flag;
  }

  std::optional<failure> error_;
};

json filter_json(const event_filter& filter) {
  json out = json::array({to_string(filter.op)});
  if (is_comparison(filter.op)) {
    out.push_back(filter.field);
    out.push_back(filter.values);
    if (!filter.case_sensitive) out.push_back({{"case_sensitive", false}});
  } else if (filter.op == filter_op::none_of) {
    out.push_back(filter_json(filter.parts.at(0)));
  } else {
    auto parts = json::array();
    for (const auto& part : filter.parts) parts.push_back(filter_json(part));
    out.push_back(std::move(parts));
  }
  return out;
}

std::string day_text(std::chrono::local_days day) {
  const auto rfc = format_rfc3339(event_time{day.time_since_epoch()});
  return rfc.substr(0, 10);
}

json correct_json(const correct_rule& rule) {
  auto out = json::object();
  if (rule.range) out["range"] = {day_text(rule.range->first), day_text(rule.range->last)};
  const bool any = rule.filter.op == filter_op::all_of && rule.filter.parts.empty();
  if (!any) out["filter"] = filter_json(rule.filter);
  if (rule.drop) out["drop"] = true;
  if (rule.shift.count() != 0) out["shift_minutes"] = rule.shift.count();
  if (!rule.set.empty()) out["set"] = rule.set;
  return out;
}

json ruleset_json(const ruleset& rules) {
  auto names = json::object();
  for (const auto& [name, kind] : rules.names) {
    const auto standard = standard_names().find(name);
    const auto otherwise =
        standard == standard_names().end() ? counts_as::custom : standard->second;
    if (kind != otherwise) names[name] = to_string(kind);
  }
  auto drops = json::array();
  for (const auto& rule : rules.drops)
    drops.push_back({{"reason", rule.reason}, {"filter", filter_json(rule.filter)}});
  auto corrections = json::array();
  for (const auto& rule : rules.corrections) corrections.push_back(correct_json(rule));
  return {{"visit_timeout_minutes", rules.visit_timeout.count()},
          {"late_visit_hours", rules.late_visit.count()},
          {"names", std::move(names)},
          {"drop", std::move(drops)},
          {"correct", std::move(corrections)}};
}

}  // namespace

result<ruleset> read_ruleset(std::string_view text) {
  if (text.size() > ruleset_bytes_max)
    return failure{errc::over_limit,
                   "a ruleset has at most " + std::to_string(ruleset_bytes_max) + " bytes"};
  const auto root = read_document(text);
  if (!root) return root.error();
  return ruleset_reader{}.read(*root);
}

std::string write_ruleset(const ruleset& rules) {
  return ruleset_json(rules).dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string compare_rulesets(const ruleset& old_rules, const ruleset& new_rules) {
  const auto before = ruleset_json(old_rules).flatten();
  const auto after = ruleset_json(new_rules).flatten();
  auto changes = json::array();
  const auto note = [&](const std::string& at) {
    const auto was = before.contains(at) ? before.at(at) : json{};
    const auto is = after.contains(at) ? after.at(at) : json{};
    if (was != is) changes.push_back({{"at", at}, {"old", was}, {"new", is}});
  };
  for (const auto& [at, value] : before.items()) note(at);
  for (const auto& [at, value] : after.items())
    if (!before.contains(at)) note(at);
  return changes.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace tally::persistence

#include "domain/event_filter.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "domain/ensure.hpp"
#include "domain/property_text.hpp"
#include "domain/url_text.hpp"
#include "domain/user_agent.hpp"

namespace tally {
namespace {

constexpr std::array<std::string_view, 11> op_names{
    "is",  "is_not", "contains", "contains_not", "matches",     "matches_not",
    "and", "or",     "not",      "has_done",     "has_not_done"};

std::string_view hostname_of(const event& e) {
  return url_host(e.url);
}

std::string_view page_of(const event& e) {
  return url_page(e.url);
}

/// The name that people know; shops that send none are told apart by the id.
std::string_view product_of(const order_item& item) {
  return item.name.empty() ? item.id : item.name;
}

struct field {
  std::string_view name;
  std::string_view event::*text = nullptr;
  std::string_view event_order::*order_text = nullptr;
  std::string_view (*derived)(const event&) = nullptr;
  std::string_view (*of_item)(const order_item&) = nullptr;
};

template <std::string_view order_item::*Text>
constexpr field text_of_item(std::string_view name) {
  return {name, nullptr, nullptr, nullptr, [](const order_item& item) { return item.*Text; }};
}

constexpr std::array<field, 30> fields{{
    {"event:name", &event::name},
    {"event:page", nullptr, nullptr, page_of},
    {"event:hostname", nullptr, nullptr, hostname_of},
    {"event:url", &event::url},
    {"event:title", &event::title},
    {"event:id", &event::id},
    {"event:visitor", &event::visitor},
    {"event:user", &event::user},
    {"event:session", &event::session},
    {"event:order_id", nullptr, &event_order::id},
    {"event:currency", nullptr, &event_order::currency},
    {"event:coupon", nullptr, &event_order::coupon},
    {"event:payment_method", nullptr, &event_order::payment_method},
    {"event:sales_channel", nullptr, &event_order::sales_channel},
    {"event:product", nullptr, nullptr, nullptr, product_of},
    text_of_item<&order_item::sku>("event:sku"),
    text_of_item<&order_item::category>("event:category"),
    text_of_item<&order_item::brand>("event:brand"),
    text_of_item<&order_item::variant>("event:variant"),
    {"visit:referrer", &event::referrer},
    {"visit:country", &event::country},
    {"visit:language", &event::language},
    {"visit:screen", &event::screen},
    {"visit:device", &event::device},
    {"visit:browser", nullptr, nullptr,
     [](const event& e) { return split_version(e.browser).name; }},
    {"visit:browser_version", nullptr, nullptr,
     [](const event& e) { return split_version(e.browser).version; }},
    {"visit:os", nullptr, nullptr, [](const event& e) { return split_version(e.os).name; }},
    {"visit:os_version", nullptr, nullptr,
     [](const event& e) { return split_version(e.os).version; }},
    {"visit:agent", &event::agent},
    {"visit:network", &event::network},
}};

bool any_text(const event_filter& filter, std::string_view text) {
  if (!filter.patterns.empty())
    return std::ranges::any_of(filter.patterns,
                               [&](const text_pattern& p) { return p.found_in(text); });
  const bool whole = filter.op == filter_op::is || filter.op == filter_op::is_not;
  return std::ranges::any_of(filter.values, [&](const std::string& v) {
    return whole ? text == v : text.find(v) != std::string_view::npos;
  });
}

/// Whether one of the values that the event has of the field fits.
bool any_value(const event_filter& filter, const event& e) {
  const std::string_view name = filter.field;
  if (name.starts_with(property_prefix)) {
    std::string room;
    return any_text(filter, property_text(e.props, name.substr(property_prefix.size()), room));
  }
  const auto* const found = std::ranges::find(fields, name, &field::name);
  if (found == fields.end() || found->of_item == nullptr || e.order.items.empty())
    return any_text(filter, event_field(e, name));
  return std::ranges::any_of(e.order.items, [&](const order_item& item) {
    return any_text(filter, found->of_item(item));
  });
}

result<text_pattern> pattern_of(const event_filter& filter, std::string_view value) {
  switch (filter.op) {
    case filter_op::is:
    case filter_op::is_not:
      return text_pattern::whole_words(value);
    case filter_op::contains:
    case filter_op::contains_not:
      return text_pattern::words_within(value);
    default:
      return text_pattern::make(filter.case_sensitive ? std::string{value}
                                                      : "(?i:" + std::string{value} + ")");
  }
}

}  // namespace

std::string_view to_string(filter_op op) {
  return op_names[static_cast<std::size_t>(op)];
}

std::optional<filter_op> find_filter_op(std::string_view name) {
  const auto* const found = std::ranges::find(op_names, name);
  if (found == op_names.end()) return std::nullopt;
  return static_cast<filter_op>(found - op_names.begin());
}

bool is_negated(filter_op op) {
  return op == filter_op::is_not || op == filter_op::contains_not || op == filter_op::matches_not;
}

bool is_comparison(filter_op op) {
  return op < filter_op::all_of;
}

bool is_behaviour(filter_op op) {
  return op == filter_op::has_done || op == filter_op::has_not_done;
}

std::vector<std::string_view> event_field_names() {
  std::vector<std::string_view> names;
  names.reserve(fields.size());
  for (const auto& f : fields) names.push_back(f.name);
  return names;
}

bool is_event_field(std::string_view name) {
  if (name.starts_with(property_prefix))
    return name.size() > property_prefix.size() && name.size() <= filter_value_bytes_max;
  return std::ranges::find(fields, name, &field::name) != fields.end();
}

std::string_view event_field(const event& e, std::string_view name) {
  const auto* const found = std::ranges::find(fields, name, &field::name);
  if (found == fields.end() || found->of_item != nullptr) return {};
  if (found->derived != nullptr) return found->derived(e);
  if (found->text != nullptr) return e.*found->text;
  return e.order.*found->order_text;
}

status compile(event_filter& filter) {
  filter.patterns.clear();
  const bool expression = filter.op == filter_op::matches || filter.op == filter_op::matches_not;
  if (!is_comparison(filter.op) || (filter.case_sensitive && !expression)) return done{};
  for (const auto& value : filter.values) {
    auto made = pattern_of(filter, value);
    if (!made) return made.error();
    filter.patterns.push_back(std::move(*made));
  }
  return done{};
}

bool holds_for(const event_filter& comparison, std::string_view text) {
  return any_text(comparison, text) != is_negated(comparison.op);
}

bool holds(const event_filter& filter, const event& e) {
  ensure(!is_behaviour(filter.op), "one event does not tell what its visitor has done");
  const auto part_holds = [&](const event_filter& part) { return holds(part, e); };
  switch (filter.op) {
    case filter_op::all_of:
      return std::ranges::all_of(filter.parts, part_holds);
    case filter_op::any_of:
      return std::ranges::any_of(filter.parts, part_holds);
    case filter_op::none_of:
      return std::ranges::none_of(filter.parts, part_holds);
    default:
      return any_value(filter, e) != is_negated(filter.op);
  }
}

}  // namespace tally

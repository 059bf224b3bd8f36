#include "domain/ruleset.hpp"

#include <algorithm>
#include <array>

#include "domain/money.hpp"

namespace tally {
namespace {

constexpr std::array<std::string_view, 8> kinds{
    "page_view", "add_to_cart", "checkout", "purchase", "refund", "custom", "engagement", "ignore"};
constexpr std::string_view corrected = "corrected";

struct settable {
  std::string_view name;
  std::string_view event::*text = nullptr;
  std::string_view event_order::*order_text = nullptr;
  std::optional<money> event_order::*amount = nullptr;
};

constexpr std::array<settable, 24> settables{{
    {"name", &event::name},
    {"visitor", &event::visitor},
    {"user", &event::user},
    {"session", &event::session},
    {"url", &event::url},
    {"referrer", &event::referrer},
    {"title", &event::title},
    {"language", &event::language},
    {"screen", &event::screen},
    {"country", &event::country},
    {"device", &event::device},
    {"browser", &event::browser},
    {"os", &event::os},
    {"order.id", nullptr, &event_order::id},
    {"order.currency", nullptr, &event_order::currency},
    {"order.coupon", nullptr, &event_order::coupon},
    {"order.payment_method", nullptr, &event_order::payment_method},
    {"order.sales_channel", nullptr, &event_order::sales_channel},
    {"order.discount", nullptr, nullptr, &event_order::discount},
    {"order.tax", nullptr, nullptr, &event_order::tax},
    {"order.shipping", nullptr, nullptr, &event_order::shipping},
    {"order.total", nullptr, nullptr, &event_order::total},
    {"order.subtotal", nullptr, nullptr, &event_order::subtotal},
    {"order.amount", nullptr, nullptr, &event_order::amount},
}};

bool in_range(const correct_rule& rule, event_time at, const zone& reporting) {
  if (!rule.range) return true;
  const auto t = std::chrono::floor<std::chrono::seconds>(at);
  const auto shown = std::chrono::local_seconds{(t + reporting.at(t).offset).time_since_epoch()};
  const auto day = std::chrono::floor<std::chrono::days>(shown);
  return rule.range->first <= day && day <= rule.range->last;
}

void set_field(event& e, std::string_view name, std::string_view text) {
  const auto* const found = std::ranges::find(settables, name, &settable::name);
  if (found == settables.end()) return;
  if (found->text != nullptr) {
    e.*found->text = text;
    return;
  }
  e.has_order = true;
  if (found->order_text != nullptr)
    e.order.*found->order_text = text;
  else
    e.order.*found->amount = parse_decimal(text);
}

}  // namespace

std::string_view to_string(counts_as kind) {
  return kinds[static_cast<std::size_t>(kind)];
}

std::optional<counts_as> find_counts_as(std::string_view name) {
  const auto* const found = std::ranges::find(kinds, name);
  if (found == kinds.end()) return std::nullopt;
  return static_cast<counts_as>(found - kinds.begin());
}

const counted_names& standard_names() {
  static const counted_names names{
      {"page_view", counts_as::page_view}, {"add_to_cart", counts_as::add_to_cart},
      {"checkout", counts_as::checkout},   {"purchase", counts_as::purchase},
      {"refund", counts_as::refund},       {"engagement", counts_as::engagement}};
  return names;
}

std::vector<std::string_view> settable_fields() {
  std::vector<std::string_view> names;
  for (const auto& s : settables) names.push_back(s.name);
  return names;
}

status check_settable(std::string_view field, std::string_view text) {
  const auto* const found = std::ranges::find(settables, field, &settable::name);
  const std::string quoted = "'" + std::string{text} + "'";
  if (found == settables.end())
    return failure{errc::bad_request, "no field '" + std::string{field} + "' can be set"};
  if (found->amount != nullptr && !parse_decimal(text))
    return failure{errc::bad_request, quoted + " is not a decimal number"};
  if (field == "order.currency" && !is_currency(text))
    return failure{errc::bad_request, quoted + " is no ISO 4217 code"};
  if (field == "name" && text.empty())
    return failure{errc::bad_request, "an event's name must not be empty"};
  if (text.size() > filter_value_bytes_max)
    return failure{errc::bad_request,
                   "at most " + std::to_string(filter_value_bytes_max) + " bytes"};
  return done{};
}

judged_event judge(const ruleset& rules, const event& e, const zone& reporting, event& changed) {
  judged_event judged{&e, {}};
  for (const auto& rule : rules.corrections) {
    if (!in_range(rule, judged.counted->at, reporting) || !holds(rule.filter, *judged.counted))
      continue;
    if (rule.drop) {
      judged.filtered_reason = corrected;
      return judged;
    }
    if (judged.counted != &changed) changed = e;
    judged.counted = &changed;
    changed.at += rule.shift;
    for (const auto& [field, text] : rule.set) set_field(changed, field, text);
  }
  for (const auto& rule : rules.drops)
    if (holds(rule.filter, *judged.counted)) {
      judged.filtered_reason = rule.reason;
      return judged;
    }
  return judged;
}

}  // namespace tally

#include "domain/event_field.hpp"

#include <algorithm>
#include <array>

#include "domain/event_filter.hpp"

namespace tally {
namespace {

struct named_field {
  std::string_view name;
  field_source from;
  std::uint8_t what = 0;  // number in text_field, item_field, traffic_part or agent_part
};

constexpr std::uint8_t n(text_field f) {
  return static_cast<std::uint8_t>(f);
}
constexpr std::uint8_t n(item_field f) {
  return static_cast<std::uint8_t>(f);
}
constexpr std::uint8_t n(traffic_part p) {
  return static_cast<std::uint8_t>(p);
}
constexpr std::uint8_t n(agent_part p) {
  return static_cast<std::uint8_t>(p);
}

bool is_of_system(agent_part p) {
  return p == agent_part::os || p == agent_part::os_version;
}

using from = field_source;
constexpr std::array<named_field, 45> fields{{
    {"event:name", from::text, n(text_field::name)},
    {"event:goal", from::goal},
    {"event:page", from::page, n(text_field::url)},
    {"event:hostname", from::hostname, n(text_field::url)},
    {"event:url", from::text, n(text_field::url)},
    {"event:title", from::text, n(text_field::title)},
    {"event:id", from::text, n(text_field::id)},
    {"event:visitor", from::text, n(text_field::visitor)},
    {"event:user", from::text, n(text_field::user)},
    {"event:session", from::text, n(text_field::session)},
    {"event:order_id", from::text, n(text_field::order_id)},
    {"event:currency", from::currency, n(text_field::order_currency)},
    {"event:coupon", from::text, n(text_field::coupon)},
    {"event:payment_method", from::text, n(text_field::payment_method)},
    {"event:sales_channel", from::text, n(text_field::sales_channel)},
    {"event:product", from::item, n(item_field::name)},
    {"event:product_id", from::item, n(item_field::id)},
    {"event:variant", from::item, n(item_field::variant)},
    {"event:sku", from::item, n(item_field::sku)},
    {"event:category", from::item, n(item_field::category)},
    {"event:brand", from::item, n(item_field::brand)},
    {"visit:source", from::traffic, n(traffic_part::source)},
    {"visit:referrer", from::traffic, n(traffic_part::referrer)},
    {"visit:channel", from::traffic, n(traffic_part::channel)},
    {"visit:utm_source", from::traffic, n(traffic_part::utm_source)},
    {"visit:utm_medium", from::traffic, n(traffic_part::utm_medium)},
    {"visit:utm_campaign", from::traffic, n(traffic_part::utm_campaign)},
    {"visit:utm_content", from::traffic, n(traffic_part::utm_content)},
    {"visit:utm_term", from::traffic, n(traffic_part::utm_term)},
    {"visit:click_id_kind", from::traffic, n(traffic_part::click_id_kind)},
    {"visit:entry_page", from::entry_page, n(text_field::url)},
    {"visit:exit_page", from::exit_page, n(text_field::url)},
    {"visit:country", from::text, n(text_field::country)},
    {"visit:language", from::text, n(text_field::language)},
    {"visit:screen", from::text, n(text_field::screen)},
    {"visit:screen_class", from::text, n(text_field::screen)},
    {"visit:device", from::text, n(text_field::device)},
    {"visit:browser", from::agent, n(agent_part::browser)},
    {"visit:browser_version", from::agent, n(agent_part::browser_version)},
    {"visit:os", from::agent, n(agent_part::os)},
    {"visit:os_version", from::agent, n(agent_part::os_version)},
    {"visit:agent", from::text, n(text_field::agent)},
    {"visit:network", from::text, n(text_field::network)},
    {"visit:customer_type", from::customer_type},
    {"visit:cohort", from::cohort},
}};

}  // namespace

std::optional<scan_field> find_scan_field(std::string_view name) {
  scan_field field;
  field.name = name;
  if (name.starts_with(property_prefix) && name.size() > property_prefix.size()) {
    field.from = field_source::property;
    field.property = name.substr(property_prefix.size());
    return field;
  }
  const auto* const found = std::ranges::find(fields, name, &named_field::name);
  if (found == fields.end()) return std::nullopt;
  field.from = found->from;
  if (found->from == field_source::item) {
    field.item = static_cast<item_field>(found->what);
  } else if (found->from == field_source::traffic) {
    field.traffic = static_cast<traffic_part>(found->what);
  } else if (found->from == field_source::agent) {
    field.agent = static_cast<agent_part>(found->what);
    field.text = is_of_system(field.agent) ? text_field::os : text_field::browser;
  } else {
    field.text = static_cast<text_field>(found->what);
  }
  field.of_visit = name.starts_with("visit:") && found->from != field_source::customer_type &&
                   found->from != field_source::cohort;
  return field;
}

std::vector<std::string_view> scan_field_names() {
  std::vector<std::string_view> names;
  names.reserve(fields.size());
  for (const auto& f : fields) names.push_back(f.name);
  return names;
}

bool needs_visit(const scan_field& field) {
  return field.of_visit || field.from == field_source::customer_type ||
         field.from == field_source::cohort;
}

std::string_view label_of_absent(const scan_field& field) {
  if (field.from == field_source::traffic) {
    if (field.traffic == traffic_part::channel) return "Direct";
    if (field.traffic == traffic_part::source || field.traffic == traffic_part::referrer)
      return "Direct / None";
  }
  return "(none)";
}

}  // namespace tally

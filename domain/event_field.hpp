#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/event_columns.hpp"

namespace tally {

/// How the value of a field is found.
enum class field_source : std::uint8_t {
  text,           // a text of the event
  page,           // the path of its URL
  hostname,       // the host of its URL
  currency,       // of its order, the merchant's where the order names none
  property,       // of `props`
  item,           // of the lines of its order
  traffic,        // where the visit came from: referrer and URL (domain/traffic_source.hpp)
  entry_page,     // the visit's first page
  exit_page,      // the visit's last page
  agent,          // made of the user agent where the event does not say it
  customer_type,  // new or returning, by the customer's first order
  cohort,         // month of the customer's first order
  goal,           // a goal of the merchant that the event reaches: as a dimension only
};

/// What a traffic field says.
enum class traffic_part : std::uint8_t {
  source,
  referrer,
  channel,
  utm_source,
  utm_medium,
  utm_campaign,
  utm_content,
  utm_term,
  click_id_kind,
};
constexpr std::size_t traffic_parts = 9;

/// What a field made of the user agent says.
enum class agent_part : std::uint8_t { device, browser, browser_version, os, os_version };

/// A field that a question may name in dimensions and filters.
struct scan_field {
  std::string name;  // as written: "visit:source", "event:props:plan"
  field_source from = field_source::text;
  text_field text = text_field::name;
  item_field item = item_field::id;
  traffic_part traffic = traffic_part::source;
  agent_part agent = agent_part::device;
  std::string property;
  bool of_visit = false;  // one value for all events of a visit
  bool operator==(const scan_field&) const = default;
};

/// Nothing where there is no such field.
[[nodiscard]] std::optional<scan_field> find_scan_field(std::string_view name);
/// All names but those of properties.
[[nodiscard]] std::vector<std::string_view> scan_field_names();
/// Whether more than the event itself must be known: its visit, or its customer's orders.
[[nodiscard]] bool needs_visit(const scan_field& field);
/// What stands in an answer where an event or a visit has no value.
[[nodiscard]] std::string_view label_of_absent(const scan_field& field);

}  // namespace tally

#pragma once

#include <functional>

#include "api/foreign_event.hpp"

namespace tally::api {

/// The params of one GA4 event, wherever they stand on the wire.
struct ga4_params {
  std::function<const json_node*(std::string_view)> find;
  /// Gives the fields of one item after another.
  using item_field = std::function<bool(std::string_view key, const json_node& value)>;
  std::function<bool(const std::function<void()>& begin, const item_field& field)> each_item;
};

/// True for the params that an order is made of, in events that have one.
[[nodiscard]] bool is_ga4_order_param(std::string_view key);

/// Reads the order of the current event, if its name has one. Item fields beyond id, name,
/// category, brand, variant, price and quantity are not kept.
bool read_ga4_order(foreign_events& events, const ga4_params& params, const ingest_limits& limits,
                    refusal& why);

}  // namespace tally::api

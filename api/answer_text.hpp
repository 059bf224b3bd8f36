#pragma once

#include <string>

#include "actors/engine.hpp"
#include "domain/query.hpp"

namespace tally::api {

/// The answer as docs/reference/query.md describes it: Plausible's {results, meta, query} and more.
[[nodiscard]] std::string to_json(const question& q, const actors::query_reply& reply);

/// A header line, then a line per row: dimensions, metrics, and with a comparison those of the
/// compared row as "comparison:<name>". RFC 4180, but lines end with a line feed alone.
[[nodiscard]] std::string to_csv(const question& q, const actors::query_reply& reply);

/// One JSON object a line: dimensions and metrics by name, a comparison as an object in it.
[[nodiscard]] std::string to_ndjson(const question& q, const actors::query_reply& reply);

/// One value as text: "12.50", "33.3", "7"; empty where null. For tables.
[[nodiscard]] std::string to_text(const metric_value& value, std::string_view metric,
                                  std::string_view currency);

}  // namespace tally::api

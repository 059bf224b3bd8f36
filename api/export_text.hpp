#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "domain/event.hpp"
#include "domain/result.hpp"

namespace tally::api {

/// How exported events are written. Both end every event with a line feed.
enum class export_format : std::uint8_t { ndjson, csv };

/// The first line of a CSV file; nothing for NDJSON.
[[nodiscard]] std::string_view export_header(export_format format);

/// Appends one event. NDJSON gives the native event of docs/reference/http.md with its `offset` and
/// `received_at` (and `kind` where it is no data event), so that what was exported can be sent
/// again; CSV the columns of export_header, the lines of an order and properties as JSON.
void append_exported(std::string& out, const event& e, std::uint64_t offset, export_format format);

}  // namespace tally::api

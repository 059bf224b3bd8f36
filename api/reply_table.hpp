#pragma once

#include <string_view>

#include "api/text_table.hpp"
#include "domain/result.hpp"

namespace tally::api {

/// A console command's JSON reply as rows: those of its list where it has exactly one list of
/// objects, else name and value of every field, nested ones as "events.accepted".
/// corrupt_record where the text is no JSON object.
result<text_table> reply_table(std::string_view json_text);

/// CSV with a header line as a table.
[[nodiscard]] text_table csv_table(std::string_view csv_text);

/// The answer to a question about a funnel, a row for each step, or about retention, a row for each
/// cohort, or about journeys, a row for each value of each step. corrupt_record where the text is
/// none of them.
result<text_table> funnel_table(std::string_view json_text);
result<text_table> retention_table(std::string_view json_text);
result<text_table> journeys_table(std::string_view json_text);

/// Makes the first `columns` columns one, for charts, which have one label.
[[nodiscard]] text_table with_joined_labels(const text_table& table, std::size_t columns);

}  // namespace tally::api

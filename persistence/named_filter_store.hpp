#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "domain/named_filters.hpp"
#include "domain/result.hpp"
#include "persistence/journal.hpp"

namespace tally::persistence {

/// A goal or a segment of a merchant, in the journal's `merchants` family. Key: as merchant_prefix
/// has it, 'g' for a goal or 'v' for a segment, name. Value: JSON.
struct filter_record {
  filter_use use = filter_use::goal;
  std::string merchant, name;
  std::string filter;  // JSON, as in questions
  std::int64_t created_ms = 0;
};

/// Checks name and filter: bad_request. `filter` is then as compact JSON.
result<filter_record> make_filter_record(filter_record wanted);

[[nodiscard]] record to_record(const filter_record& f);
/// The record that removes it: an empty value.
[[nodiscard]] record removal_of(const filter_record& f);

/// By name; corrupt_record where one is not what to_record() writes.
result<std::vector<filter_record>> list_filters(const journal& log, std::string_view merchant,
                                                filter_use use);
/// The filter, as JSON, of the events of this name, and of the page views of this path, in which
/// `*` is anything but a slash and `**` anything.
[[nodiscard]] std::string filter_of_event(const std::string& name);
[[nodiscard]] std::string filter_of_page(const std::string& path);

/// All goals and segments of a merchant, compiled.
result<named_filters> read_named_filters(const journal& log, std::string_view merchant);

}  // namespace tally::persistence

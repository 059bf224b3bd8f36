#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/result.hpp"
#include "domain/zone.hpp"

namespace tally::api {

/// How rows of a CSV file become events: config/maps/ holds examples with every key explained.
struct import_mapping {
  /// What rows of one kind become. The first rule whose column fits is taken.
  struct rule {
    std::string column, starts_with;  // empty: fits every row
    std::string name;                 // of the event
    std::string refuse;               // code, instead of a name
    bool negate_quantity = false;
  };

  char separator = ',';
  const zone* times_in = nullptr;  // zone of times without an offset
  std::string time_pattern;        // of parse_wall_time(); empty: RFC 3339
  std::string currency;            // empty: from a column, or the merchant's
  std::string group_by;            // column; rows with equal values are one event
  std::size_t group_window_rows = 100'000;
  std::string drop_suffix;  // of users and visitors: ".0"
  /// Field of the event ("time", "id", "user", "visitor", "order", "item.id", ...) to column.
  std::map<std::string, std::string, std::less<>> columns;
  std::map<std::string, std::string, std::less<>> props;      // property to column
  std::map<std::string, std::string, std::less<>> countries;  // as written to ISO code
  std::vector<rule> rules;
};

/// bad_option with name, line and column of what is wrong; unknown keys are errors.
result<import_mapping> parse_mapping(std::string_view toml, const std::string& name);
result<import_mapping> read_mapping(const std::string& path);

}  // namespace tally::api

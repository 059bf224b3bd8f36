#pragma once

#include <string>
#include <string_view>

#include "domain/result.hpp"

namespace tally::api {

/// The body of POST /v1/rates: what it says as CSV, and of which base.
struct rates_body {
  std::string base;  // empty: not said
  std::string csv;
};

/// Reads CSV as it is, or {"base": "EUR", "rates": [{"date", "currency", "rate"}, ...]}. A rate is
/// a decimal number, as text or not: its digits are taken as they are written. bad_request with a
/// JSON pointer in front of the detail.
result<rates_body> read_rates_body(std::string_view body);

}  // namespace tally::api

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/http_message.hpp"

namespace tally::api {

/// One thing wrong with a request body, found by its JSON pointer ("/events/7/order").
struct pointer_error {
  std::string pointer;
  std::string detail;
};

/// An RFC 9457 answer: type, title, status, detail, code and errors. The server adds `instance`
/// and `request_id` when it sends it.
[[nodiscard]] http_response problem(unsigned status, std::string_view code, std::string_view detail,
                                    const std::vector<pointer_error>& errors = {});
/// Adds a member whose value is already JSON text. Only for answers made by problem().
void add_problem_member(http_response& response, std::string_view name, std::string_view json);
/// Adds Retry-After.
[[nodiscard]] http_response retry_later(http_response response, unsigned seconds);

/// Appends `text` as a JSON string with its quotes. Bytes that are no UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);

}  // namespace tally::api

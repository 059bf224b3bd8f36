#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "api/http_message.hpp"

namespace tally::api {

/// What an admin key may have done over HTTP: rulesets, generations and rates. Each request is a
/// console command (docs/reference/http.md has the table); its JSON text is the answer.
[[nodiscard]] bool is_admin_path(std::string_view path);

/// The words of the command that a request asks for, or the problem with the request.
[[nodiscard]] std::variant<std::vector<std::string>, http_response> admin_command(
    const http_request& request);

}  // namespace tally::api

#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "api/http_message.hpp"

namespace tally::api {

/// A file of web/, compiled in.
struct web_file {
  std::string_view name, text;
};
[[nodiscard]] std::span<const web_file> web_files();

/// The file that a path means: `/` is the dashboard, what it needs stands below `/dashboard/`, the
/// browser agent is `/js/tally.js`.
[[nodiscard]] const web_file* find_web_page(std::string_view path);

/// The file with what keeps it safe and fresh; 304 where the client has it already.
[[nodiscard]] http_response answer_with_page(const web_file& file, const http_request& request);

}  // namespace tally::api

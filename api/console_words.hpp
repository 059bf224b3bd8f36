#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "domain/result.hpp"

namespace tally::api {

/// Cuts a typed line into words at blanks; '...' and "..." keep blanks, and inside double quotes a
/// backslash keeps the next character. bad_request where a quote is left open.
result<std::vector<std::string>> console_words(std::string_view line);

/// Words that may stand where `line` ends, by the commands known ("merchant create"): sorted, each
/// once. `line` may end in a half word, which is left to the caller.
[[nodiscard]] std::vector<std::string> words_that_follow(const std::vector<std::string>& commands,
                                                         std::string_view line);

}  // namespace tally::api

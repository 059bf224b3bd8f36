#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "domain/result.hpp"

/// How planners say what is wrong with a question: a JSON pointer stands in front of the detail,
/// and in front of that a code where errc does not say enough.
namespace tally::question_failure {

inline std::string at_index(std::string_view pointer, std::size_t i) {
  return std::string{pointer} + "/" + std::to_string(i);
}

/// A name as the asker wrote it, cut where it is long.
inline std::string in_quotes(std::string_view text) {
  return "'" + std::string{text.substr(0, 64)} + "'";
}

inline failure bad(std::string_view pointer, std::string_view text) {
  return {errc::bad_request, std::string{pointer} + ": " + std::string{text}};
}

inline failure not_yet(std::string_view pointer, std::string_view text) {
  return {errc::unsupported, "not_yet: " + std::string{pointer} + ": " + std::string{text}};
}

}  // namespace tally::question_failure

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "domain/time.hpp"

namespace tally {

enum class log_form : std::uint8_t { common, combined };

/// One request as a web server logged it. Texts have their escapes resolved; "-" is empty.
struct access_line {
  std::string address, user;
  event_time at{};
  std::string method, target, protocol;  // of an odd request ("\x16\x03", "-") only `target` is set
  unsigned status = 0;
  std::uint64_t bytes = 0;      // of the answer's body; "-" is 0
  std::string referrer, agent;  // combined form only
};

/// Why a line is refused; `none` where it was read. The texts are codes of an import's summary.
enum class log_fault : std::uint8_t { none, torn_line, bad_line, bad_time, bad_status };
[[nodiscard]] std::string_view to_string(log_fault fault);

/// Reads a line without its line end. A request may be any quoted text; everything around it must
/// be as the form says. A line that ends before its form does is torn.
[[nodiscard]] log_fault parse_access_line(std::string_view text, log_form form, access_line& into);

/// True for a request that a person saw as a page: GET, status 200 to 299 or 304, and a path that
/// does not end like a picture, style, script or font.
[[nodiscard]] bool is_page_view(const access_line& line);

}  // namespace tally

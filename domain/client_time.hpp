#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "domain/time.hpp"

namespace tally {

/// How a client wrote its timestamp. With the instant it restores the text to the byte, so the
/// usual spellings cost one byte in the journal. Numbers rest on disk: append only.
enum class time_form : std::uint8_t {
  none = 0,        // the client gave no timestamp
  millis_z = 1,    // 2010-12-01T08:26:00.000Z
  seconds_z = 2,   // 2010-12-01T08:26:00Z
  integer_ms = 3,  // 1291191960000
  other_text = 4,  // any other RFC 3339 text, kept as sent
};

/// A client's timestamp: the instant and the spelling.
struct client_time {
  time_form form = time_form::none;
  event_time at{};
  std::string_view text;  // as sent where form is other_text, else empty; not owned
};

/// Reads RFC 3339 ("T" or space, any offset, any number of decimals, cut to milliseconds, seconds
/// 60 read as 59.999) or, where `text` is all digits with an optional minus, integer milliseconds.
/// Nothing where it is neither, or outside the years 0001 to 9999. Unusual digits ("007") are kept
/// as other_text.
[[nodiscard]] std::optional<client_time> parse_client_time(std::string_view text);
[[nodiscard]] client_time client_time_from_ms(std::int64_t ms);

/// "2010-12-01T08:26:00.000Z". For the years 0001 to 9999.
[[nodiscard]] std::string format_rfc3339(event_time at);
/// The text as sent: parse_client_time(x) gives a value whose as_sent is x.
[[nodiscard]] std::string as_sent(const client_time& t);

}  // namespace tally

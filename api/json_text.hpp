#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tally::api {

/// Unescapes the inside of a JSON string to `out`, which has room for text.size() bytes. Gives the
/// end of what was written, or nothing where an escape is none. A lone surrogate becomes U+FFFD.
[[nodiscard]] std::optional<char*> unescape_json(std::string_view text, char* out);

/// True for a number of the JSON grammar, nothing around it.
[[nodiscard]] bool is_json_number(std::string_view text);

/// Appends `text` as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD.
void append_json_text(std::string& out, std::string_view text);

/// At most `bytes_max` bytes of UTF-8 text, not cut inside a character.
[[nodiscard]] std::string_view cut_text(std::string_view text, std::size_t bytes_max);

/// Position of the first byte that is not part of well-formed UTF-8; text.size() where all is.
[[nodiscard]] std::size_t find_bad_utf8(std::string_view text);

}  // namespace tally::api

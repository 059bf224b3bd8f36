#include "api/json_text.hpp"

#include <cstdint>

namespace tally::api {
namespace {

constexpr std::uint32_t replacement = 0xFFFD;

char* put_utf8(std::uint32_t c, char* out) {
  const auto put = [&](std::uint32_t byte) { *out++ = static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6);
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3F));
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  }
  return out;
}

std::optional<std::uint32_t> hex4(std::string_view text, std::size_t at) {
  if (at > text.size() || text.size() - at < 4) return std::nullopt;
  std::uint32_t value = 0;
  for (const char c : text.substr(at, 4)) {
    std::uint32_t digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<std::uint32_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<std::uint32_t>(c - 'a' + 10);
    } else if (c >= 'A' && c <= 'F') {
      digit = static_cast<std::uint32_t>(c - 'A' + 10);
    } else {
      return std::nullopt;
    }
    value = value << 4 | digit;
  }
  return value;
}

constexpr bool is_high(std::uint32_t c) {
  return c >= 0xD800 && c < 0xDC00;
}
constexpr bool is_low(std::uint32_t c) {
  return c >= 0xDC00 && c < 0xE000;
}

// `at` is behind "\u" and moves behind what was read, a second surrogate included.
std::optional<std::uint32_t> read_unicode(std::string_view text, std::size_t& at) {
  const auto first = hex4(text, at);
  if (!first) return std::nullopt;
  at += 4;
  if (is_low(*first)) return replacement;
  if (!is_high(*first)) return first;
  if (text.substr(at, 2) != "\\u") return replacement;
  const auto second = hex4(text, at + 2);
  if (!second) return std::nullopt;
  if (!is_low(*second)) return replacement;
  at += 6;
  return 0x10000 + ((*first - 0xD800) << 10) + (*second - 0xDC00);
}

char plain_escape(char c) {
  switch (c) {
    case '"':
      return '"';
    case '\\':
      return '\\';
    case '/':
      return '/';
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return 0;
  }
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Length of the well-formed UTF-8 character that begins at `at`, 0 where there is none.
std::size_t utf8_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) -> std::uint32_t {
    return at + i < text.size() ? static_cast<std::uint8_t>(text[at + i]) : 0;
  };
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const auto b = byte(0);
  if (b < 0x80) return 1;
  if (b >= 0xC2 && b < 0xE0) return follows(1) ? 2 : 0;
  if (b >= 0xE0 && b < 0xF0) {
    if (!follows(1) || !follows(2)) return 0;
    const auto c = (b & 0x0F) << 12 | (byte(1) & 0x3F) << 6;
    return c >= 0x800 && !(c >= 0xD800 && c < 0xE000) ? 3 : 0;
  }
  if (b >= 0xF0 && b < 0xF5) {
    if (!follows(1) || !follows(2) || !follows(3)) return 0;
    const auto c = (b & 0x07) << 18 | (byte(1) & 0x3F) << 12;
    return c >= 0x10000 && c < 0x110000 ? 4 : 0;
  }
  return 0;
}

}  // namespace

std::optional<char*> unescape_json(std::string_view text, char* out) {
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != '\\') {
      *out++ = text[i++];
      continue;
    }
    if (i + 1 == text.size()) return std::nullopt;
    const char kind = text[i + 1];
    i += 2;
    if (kind == 'u') {
      const auto c = read_unicode(text, i);
      if (!c) return std::nullopt;
      out = put_utf8(*c, out);
      continue;
    }
    const char c = plain_escape(kind);
    if (c == 0) return std::nullopt;
    *out++ = c;
  }
  return out;
}

bool is_json_number(std::string_view text) {
  std::size_t i = 0;
  const auto digits = [&] {
    const auto from = i;
    while (i < text.size() && is_digit(text[i])) ++i;
    return i != from;
  };
  if (i < text.size() && text[i] == '-') ++i;
  if (i < text.size() && text[i] == '0') {
    ++i;
  } else if (!digits()) {
    return false;
  }
  if (i < text.size() && text[i] == '.') {
    ++i;
    if (!digits()) return false;
  }
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
    if (!digits()) return false;
  }
  return i == text.size();
}

void append_json_text(std::string& out, std::string_view text) {
  static constexpr char hex[] = "0123456789abcdef";
  out += '"';
  for (std::size_t i = 0; i < text.size();) {
    const auto length = utf8_length(text, i);
    const char c = text[i];
    if (length == 0) {
      out += "\xEF\xBF\xBD";
    } else if (length > 1) {
      out.append(text, i, length);
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (static_cast<std::uint8_t>(c) < 0x20) {
      out += "\\u00";
      out += hex[static_cast<std::uint8_t>(c) >> 4];
      out += hex[static_cast<std::uint8_t>(c) & 0xF];
    } else {
      out += c;
    }
    i += length == 0 ? 1 : length;
  }
  out += '"';
}

std::string_view cut_text(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  while (bytes_max > 0 && (static_cast<std::uint8_t>(text[bytes_max]) & 0xC0) == 0x80) --bytes_max;
  return text.substr(0, bytes_max);
}

std::size_t find_bad_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto length = utf8_length(text, i);
    if (length == 0) return i;
    i += length;
  }
  return text.size();
}

}  // namespace tally::api

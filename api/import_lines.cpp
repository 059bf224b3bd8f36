#include "api/import_lines.hpp"

#include <xxhash.h>

#include <utility>

namespace tally::api {

namespace {

constexpr std::size_t lines_remembered = 2'000'000;
constexpr std::string_view hex = "0123456789abcdef";

/// Length of the UTF-8 sequence at the start, or 0 where there is none.
std::size_t sequence_at(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead < 0xc2   ? 0
                             : lead < 0xe0 ? 2
                             : lead < 0xf0 ? 3
                             : lead < 0xf5 ? 4
                                           : 0;
  if (length == 0 || length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0U) != 0x80) return 0;
  }
  const bool overlong = (lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xf0 && byte(1) < 0x90);
  const bool surrogate = lead == 0xed && byte(1) >= 0xa0;
  const bool beyond = lead == 0xf4 && byte(1) >= 0x90;
  return overlong || surrogate || beyond ? 0 : length;
}

}  // namespace

std::string hash_text(std::string_view text) {
  const auto hash = XXH3_128bits(text.data(), text.size());
  std::string out;
  for (const auto half : {hash.high64, hash.low64}) {
    for (int shift = 60; shift >= 0; shift -= 4) {
      out += hex[(half >> static_cast<unsigned>(shift)) & 15U];
    }
  }
  return out;
}

std::string line_ids::next(std::string_view text) {
  const auto key = XXH3_64bits(text.data(), text.size());
  if (recent_.size() >= lines_remembered) older_ = std::exchange(recent_, {});
  auto [found, fresh] = recent_.try_emplace(key, 0);
  if (fresh) {
    const auto before = older_.find(key);
    if (before != older_.end()) found->second = before->second;
  }
  const auto count = ++found->second;
  auto id = hash_text(text);
  if (count > 1) id += "-" + std::to_string(count);
  return id;
}

void append_json_text(std::string& json, std::string_view text) {
  json += '"';
  while (!text.empty()) {
    const auto size = sequence_at(text);
    const auto c = static_cast<unsigned char>(text.front());
    if (size == 0) {
      json += "\xef\xbf\xbd";
    } else if (c == '"' || c == '\\') {
      json += '\\';
      json += static_cast<char>(c);
    } else if (c < 0x20) {
      json += "\\u00";
      json += hex[c >> 4U];
      json += hex[c & 15U];
    } else {
      json += text.substr(0, size);
    }
    text.remove_prefix(size == 0 ? 1 : size);
  }
  json += '"';
}

void append_field(std::string& json, std::string_view name, std::string_view text) {
  if (text.empty()) return;
  json += ",\"";
  json += name;
  json += "\":";
  append_json_text(json, text);
}

}  // namespace tally::api

#include "api/http_message.hpp"

#include <algorithm>
#include <array>
#include <iterator>

#include "domain/ensure.hpp"

namespace tally::api {

namespace {

constexpr char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (lower(c) >= 'a' && lower(c) <= 'f') return lower(c) - 'a' + 10;
  return -1;
}

void add_size(std::string& out, std::size_t size) {
  ensure(size <= 0xffff, "header field too long");
  out.push_back(static_cast<char>(size >> 8));
  out.push_back(static_cast<char>(size & 0xff));
}

std::size_t size_at(const std::string& bytes, std::size_t at) {
  return static_cast<std::size_t>(static_cast<unsigned char>(bytes[at])) << 8 |
         static_cast<unsigned char>(bytes[at + 1]);
}

constexpr std::pair<unsigned, std::string_view> phrases[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

}  // namespace

std::string_view to_string(http_method method) {
  static constexpr std::array<std::string_view, 8> names{"GET",   "HEAD",   "POST",    "PUT",
                                                         "PATCH", "DELETE", "OPTIONS", "OTHER"};
  return names.at(static_cast<std::size_t>(method));
}

bool same_token(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (lower(a[i]) != lower(b[i])) return false;
  return true;
}

void http_headers::add(std::string_view name, std::string_view value) {
  if (bytes_.empty()) bytes_.reserve(512);
  add_size(bytes_, name.size());
  add_size(bytes_, value.size());
  bytes_.append(name).append(value);
}

std::pair<std::string_view, std::string_view> http_headers::field_at(std::size_t at) const {
  const std::string_view all = bytes_;
  const auto name_size = size_at(bytes_, at);
  return {all.substr(at + 4, name_size), all.substr(at + 4 + name_size, size_at(bytes_, at + 2))};
}

std::optional<std::string_view> http_headers::find(std::string_view name) const {
  for (std::size_t at = 0; at < bytes_.size();) {
    const auto [key, value] = field_at(at);
    if (same_token(key, name)) return value;
    at += 4 + key.size() + value.size();
  }
  return std::nullopt;
}

std::optional<std::string> http_request::parameter(std::string_view name) const {
  std::string_view rest = query;
  while (!rest.empty()) {
    const auto pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    const auto equals = pair.find('=');
    if (percent_decode(pair.substr(0, equals), true) != name) continue;
    return equals == std::string_view::npos ? std::string{}
                                            : percent_decode(pair.substr(equals + 1), true);
  }
  return std::nullopt;
}

std::string percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '+' && plus_is_space) {
      out.push_back(' ');
      continue;
    }
    if (c == '%' && i + 2 < text.size()) {
      const int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
      if (high >= 0 && low >= 0) {
        out.push_back(static_cast<char>(high * 16 + low));
        i += 2;
        continue;
      }
    }
    out.push_back(c);
  }
  return out;
}

std::string_view reason_phrase(unsigned status) {
  const auto at = std::lower_bound(std::begin(phrases), std::end(phrases), status,
                                   [](const auto& entry, unsigned s) { return entry.first < s; });
  return at != std::end(phrases) && at->first == status ? at->second : "Unknown";
}

}  // namespace tally::api

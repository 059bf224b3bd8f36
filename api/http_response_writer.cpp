#include <algorithm>
#include <array>
#include <charconv>

#include "api/compression.hpp"
#include "api/http_connection.hpp"
#include "api/problem.hpp"

namespace tally::api {

namespace {

void append_number(std::string& out, std::uint64_t number) {
  std::array<char, 20> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), end);
}

bool has_header(const http_response& response, std::string_view name) {
  return std::any_of(response.headers.begin(), response.headers.end(),
                     [&](const auto& field) { return same_token(field.first, name); });
}

bool is_compressible(std::string_view type) {
  static constexpr std::array<std::string_view, 6> known{
      "application/json",     "text/",        "application/problem+json", "application/javascript",
      "application/x-ndjson", "image/svg+xml"};
  return std::any_of(known.begin(), known.end(), [&](auto k) { return type.starts_with(k); });
}

/// A header that a handler made from input must not begin another one.
bool is_safe(std::string_view text) {
  return text.find_first_of(std::string_view{"\r\n\0", 3}) == std::string_view::npos;
}

bool has_no_body(unsigned status) {
  return status == 204 || status == 304 || status < 200;
}

void append_fields(std::string& out, const http_response& response) {
  for (const auto& [name, value] : response.headers)
    if (is_safe(name) && is_safe(value)) out.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

void compress_response(http_response& response, std::size_t bytes_min) {
  constexpr std::size_t quick_from = 256 << 10;
  // A problem gets its last members later, and is small.
  if (response.is_problem || response.body.size() < bytes_min ||
      !is_compressible(response.content_type) || has_header(response, "content-encoding"))
    return;
  response.body = gzip(response.body, response.body.size() < quick_from ? 5 : 1);
  response.headers.emplace_back("Content-Encoding", "gzip");
}

void append_response(std::string& out, http_response&& response, const http_exchange& exchange,
                     const cors_policy& cors, std::string_view date) {
  if (response.is_problem) {
    std::string instance, id;
    append_json_string(instance, exchange.path);
    append_json_string(id, exchange.request_id);
    if (!exchange.path.empty()) add_problem_member(response, "instance", instance);
    add_problem_member(response, "request_id", id);
  }
  out.reserve(out.size() + response.body.size() + 384);
  out += "HTTP/1.1 ";
  append_number(out, response.status);
  out.append(" ").append(reason_phrase(response.status)).append("\r\nDate: ").append(date);
  if (!response.content_type.empty() && is_safe(response.content_type))
    out.append("\r\nContent-Type: ").append(response.content_type);
  if (!has_no_body(response.status) && !response.take_over) {
    out += "\r\nContent-Length: ";
    append_number(out, response.body.size());
  }
  out.append("\r\nX-Request-Id: ").append(exchange.request_id).append("\r\n");
  append_fields(out, response);
  if (is_compressible(response.content_type) && !has_no_body(response.status) &&
      !response.take_over)
    out += "Vary: Accept-Encoding\r\n";
  append_cors_headers(out, cors, exchange.path, exchange.origin);
  if (exchange.close)
    out += "Connection: close\r\n";
  else if (exchange.is_http10)
    out += "Connection: keep-alive\r\n";
  out += "\r\n";
  if (!exchange.is_head && !has_no_body(response.status)) out += response.body;
}

}  // namespace tally::api

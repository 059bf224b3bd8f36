#include "api/problem.hpp"

#include <array>

#include "domain/ensure.hpp"

namespace tally::api {

namespace {

/// Bytes of the well-formed UTF-8 sequence at the front of `text`, 0 where there is none.
std::size_t sequence_size(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  std::size_t size = 0;
  if (first < 0x80)
    size = 1;
  else if (first >= 0xc2 && first <= 0xdf)
    size = 2;
  else if ((first & 0xf0) == 0xe0)
    size = 3;
  else if (first >= 0xf0 && first <= 0xf4)
    size = 4;
  if (size == 0 || size > text.size()) return 0;
  for (std::size_t i = 1; i < size; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  if (first == 0xe0 && byte(1) < 0xa0) return 0;  // longer than needed
  if (first == 0xed && byte(1) > 0x9f) return 0;  // surrogates
  if (first == 0xf0 && byte(1) < 0x90) return 0;
  if (first == 0xf4 && byte(1) > 0x8f) return 0;
  return size;
}

void append_escaped(std::string& out, unsigned char c) {
  static constexpr std::string_view hex = "0123456789abcdef";
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  out += "\\u00";
  out.push_back(hex[c >> 4]);
  out.push_back(hex[c & 15]);
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out.push_back('"');
  while (!text.empty()) {
    const auto c = static_cast<unsigned char>(text.front());
    const auto size = sequence_size(text);
    if (size == 0) {
      out += "\xef\xbf\xbd";
    } else if (size == 1 && (c < 0x20 || c == '"' || c == '\\')) {
      append_escaped(out, c);
    } else {
      out.append(text.substr(0, size));
    }
    text.remove_prefix(size == 0 ? 1 : size);
  }
  out.push_back('"');
}

void add_problem_member(http_response& response, std::string_view name, std::string_view json) {
  ensure(response.is_problem && response.body.ends_with('}'), "not an answer of problem()");
  response.body.back() = ',';
  append_json_string(response.body, name);
  response.body.push_back(':');
  response.body.append(json).push_back('}');
}

http_response problem(unsigned status, std::string_view code, std::string_view detail,
                      const std::vector<pointer_error>& errors) {
  http_response response;
  response.status = status;
  response.content_type = "application/problem+json";
  response.is_problem = true;
  auto& body = response.body;
  body.reserve(256 + detail.size());
  body += R"({"type":"about:blank","title":)";
  append_json_string(body, reason_phrase(status));
  body += R"(,"status":)" + std::to_string(status) + R"(,"code":)";
  append_json_string(body, code);
  body += R"(,"detail":)";
  append_json_string(body, detail);
  if (!errors.empty()) {
    char separator = '[';
    body += R"(,"errors":)";
    for (const auto& e : errors) {
      body.push_back(separator);
      body += R"({"pointer":)";
      append_json_string(body, e.pointer);
      body += R"(,"detail":)";
      append_json_string(body, e.detail);
      body.push_back('}');
      separator = ',';
    }
    body.push_back(']');
  }
  body.push_back('}');
  return response;
}

http_response retry_later(http_response response, unsigned seconds) {
  response.headers.emplace_back("Retry-After", std::to_string(seconds));
  return response;
}

}  // namespace tally::api

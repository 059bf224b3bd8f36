#include "api/ingest_fields.hpp"

#include "api/json_text.hpp"

namespace tally::api {
namespace {

bool text_of(const json_node& value, const field_path& path, std::string_view& out, refusal& why) {
  if (value.is(json_kind::text) || is_integer(value)) {
    out = value.text;
    return true;
  }
  if (value.is(json_kind::null)) return true;
  return refuse(why, "bad_type", path.text() + ": must be text");
}

}  // namespace

std::string field_path::text() const {
  std::string out{base};
  if (index >= 0) out += '[' + std::to_string(index) + ']';
  if (!leaf.empty()) {
    out += '.';
    out += leaf;
  }
  return out;
}

bool refuse(refusal& why, std::string_view code, std::string detail) {
  why.code = code;
  why.detail = std::move(detail);
  return false;
}

bool read_text(const json_node& value, const field_path& path, std::size_t bytes_max,
               std::string_view& out, refusal& why) {
  if (!text_of(value, path, out, why)) return false;
  if (out.size() <= bytes_max) return true;
  return refuse(why, "too_long",
                path.text() + ": has " + std::to_string(out.size()) + " bytes, at most " +
                    std::to_string(bytes_max) + " are allowed");
}

bool read_hint(const json_node& value, const field_path& path, std::size_t bytes_max,
               std::string_view& out, refusal& why) {
  if (!text_of(value, path, out, why)) return false;
  out = cut_text(out, bytes_max);
  return true;
}

bool read_decimal(const json_node& value, const field_path& path, std::string_view code,
                  std::optional<money>& out, refusal& why) {
  if (value.is(json_kind::null)) return true;
  if (!value.is(json_kind::text) && !value.is(json_kind::number)) {
    return refuse(why, "bad_type", path.text() + ": must be a decimal number, as text or number");
  }
  out = parse_decimal(value.text);
  if (out) return true;
  const bool number = value.is(json_kind::number) || is_json_number(value.text);
  return refuse(why, code,
                path.text() + ": " + quoted(value.text) +
                    (number ? " is more than 9000000000000 units" : " is not a decimal number"));
}

bool read_time(const json_node& value, std::string_view path, client_time& out, refusal& why) {
  if (value.is(json_kind::null)) return true;
  if (value.is(json_kind::text) || is_integer(value)) {
    if (const auto t = parse_client_time(value.text)) {
      out = *t;
      return true;
    }
  }
  const bool plain = value.is(json_kind::text) || value.is(json_kind::number);
  return refuse(why, "bad_at",
                std::string{path} + ": " + (plain ? quoted(value.text) + " is not" : "must be") +
                    " an RFC 3339 time or integer milliseconds");
}

bool is_integer(const json_node& value) {
  return value.is(json_kind::number) && value.text.find_first_of(".eE") == std::string_view::npos;
}

std::string quoted(std::string_view text) {
  constexpr std::size_t shown_max = 64;
  const auto shown = cut_text(text, shown_max);
  return '\'' + std::string{shown} + (shown.size() < text.size() ? "...'" : "'");
}

}  // namespace tally::api

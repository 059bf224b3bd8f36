#include "api/export_request.hpp"

#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>

#include "persistence/event_codec.hpp"

namespace tally::api {
namespace {

constexpr std::uint64_t limit_max = 100'000;
constexpr std::chrono::seconds command_timeout{60};

failure bad(std::string_view name, std::string_view text) {
  return {errc::bad_request, "/" + std::string{name} + ": " + std::string{text}};
}

std::optional<std::uint64_t> number_in(std::string_view text) {
  std::uint64_t n = 0;
  const auto* const end = text.data() + text.size();
  const auto [read, error] = std::from_chars(text.data(), end, n);
  if (error != std::errc{} || read != end) return std::nullopt;
  return n;
}

exported_text text_of(const actors::export_page& page, export_format format, bool first) {
  exported_text text;
  if (first) text.body = export_header(format);
  event e;
  for (const auto& one : page.events)
    if (persistence::decode_event(one.bytes, e)) append_exported(text.body, e, one.offset, format);
  text.cursor = std::to_string(page.next);
  text.more = page.more;
  return text;
}

}  // namespace

result<export_request> parse_export(const parameter_source& parameter) {
  export_request request;
  auto& wish = request.wish;
  if (const auto limit = parameter("limit")) {
    const auto n = number_in(*limit);
    if (!n || *n == 0 || *n > limit_max) return bad("limit", "must be a number from 1 to 100000");
    wish.events_max = static_cast<std::uint32_t>(*n);
  }
  if (const auto cursor = parameter("cursor")) {
    const auto n = number_in(*cursor);
    if (!n) return bad("cursor", "is none that an export gave");
    wish.after = *n;
  }
  if (const auto format = parameter("format")) {
    if (*format != "ndjson" && *format != "csv") return bad("format", "must be ndjson or csv");
    request.format = *format == "csv" ? export_format::csv : export_format::ndjson;
  }
  wish.from = parameter("from").value_or(std::string{});
  wish.to = parameter("to").value_or(std::string{});
  if (wish.from.empty() != wish.to.empty())
    return bad(wish.from.empty() ? "from" : "to", "is missing: give both or neither");
  return request;
}

http_response export_answer(exported_text page, export_format format) {
  const bool csv = format == export_format::csv;
  http_response response{200,
                         csv ? "text/csv; charset=utf-8" : "application/x-ndjson",
                         std::move(page.body),
                         {},
                         false,
                         false};
  response.headers.emplace_back("Tally-Cursor", page.cursor);
  response.headers.emplace_back("Tally-More", page.more ? "true" : "false");
  return response;
}

void run_export(actors::engine& engine, export_request request, std::chrono::milliseconds timeout,
                actors::callback<exported_text> then) {
  const bool first = request.wish.after == 0;
  engine.export_events(std::move(request.wish), timeout,
                       [format = request.format, first,
                        then = std::move(then)](const result<actors::export_page>& page) {
                         if (!page) return then(page.error());
                         then(text_of(*page, format, first));
                       });
}

void run_export_command(actors::engine& engine, const std::string& request,
                        actors::callback<std::string> then) {
  const auto asked = nlohmann::json::parse(request, nullptr, false);
  if (!asked.is_object()) return then(failure{errc::bad_request, "usage: export JSON"});
  const auto member = [&](std::string_view name) -> std::optional<std::string> {
    const auto found = asked.find(name);
    if (found == asked.end() || !found->is_string()) return std::nullopt;
    return found->get<std::string>();
  };
  auto parsed = parse_export(member);
  if (!parsed) return then(parsed.error());
  parsed->wish.merchant = member("merchant").value_or(std::string{});
  if (!is_merchant_id(parsed->wish.merchant))
    return then(failure{errc::bad_request, "/merchant: name the merchant"});
  run_export(
      engine, std::move(*parsed), command_timeout,
      [then = std::move(then)](const result<exported_text>& text) {
        if (!text) return then(text.error());
        then(nlohmann::json{{"body", text->body}, {"cursor", text->cursor}, {"more", text->more}}
                 .dump());
      });
}

}  // namespace tally::api

#include "api/pixel.hpp"

#include "api/ingest_native.hpp"
#include "api/json_text.hpp"

namespace tally::api {
namespace {

constexpr std::string_view image{
    "GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff\x21\xf9\4\1\0\0\0\0\x2c\0\0\0\0\1\0\1\0\0\2\2\x44"
    "\1\0\x3b",
    43};

http_response error_reply(unsigned status, std::string_view detail) {
  std::string body = R"({"error":)";
  append_json_text(body, detail);
  return plain_reply(status, "application/json", body + '}');
}

void add_field(std::string& object, std::string_view key, std::string_view value) {
  if (object.size() > 1) object += ',';
  append_json_text(object, key);
  object += ':';
  append_json_text(object, value);
}

/// The query as the text of a native event.
std::string native_event(const foreign_call& call, const json_node& query,
                         std::string_view merchant) {
  constexpr std::string_view prop = "props.", order_field = "order.";
  std::string event = "{", props = "{", order = "{";
  for (const auto& [key, value] : json_fields(query)) {
    if (key == "key" || key == "merchant" || key == "agent") continue;
    if (key.starts_with(prop)) {
      add_field(props, key.substr(prop.size()), value.text);
    } else if (key.starts_with(order_field)) {
      add_field(order, key.substr(order_field.size()), value.text);
    } else if (key != "props" && key != "order") {
      add_field(event, key, value.text);
    }
  }
  const auto lacks = [&](std::string_view key) { return find_field(&query, key) == nullptr; };
  if (lacks("name")) add_field(event, "name", "page_view");
  if (lacks("url") && !call.referer.empty())
    add_field(event, "url", cut_text(call.referer, call.context.limits.url_bytes_max));
  if (lacks("visitor") && lacks("user"))
    add_field(event, "visitor",
              call.visitors.name({merchant, call.address, call.context.agent}, call.context.now));
  if (props.size() > 1) event += R"(,"props":)" + props + '}';
  if (order.size() > 1) event += R"(,"order":)" + order + '}';
  return event + '}';
}

}  // namespace

http_response pixel_reply() {
  auto reply = plain_reply(200, "image/gif", std::string{image});
  reply.headers.emplace_back("Cache-Control", "no-store");
  return reply;
}

foreign_result parse_pixel(const foreign_call& call) {
  const auto* const merchant = call.aliases.merchant_of("segment", call.key);
  if (merchant == nullptr) return {{}, error_reply(401, "key: no merchant has this write key")};
  auto& memory = foreign_memory::of_thread();
  read_form(call.query, memory.inner[0]);
  auto body = native_event(call, memory.inner[0].nodes.front(), *merchant);
  auto context = call.context;
  context.merchant = *merchant;
  context.is_private = context.opted_out && call.aliases.honours_gpc(*merchant);
  body.reserve(body.size() + json_reader::padding);
  auto read = parse_native(body, context);
  if (const auto* const bad = std::get_if<unreadable_body>(&read))
    return {{}, error_reply(400, bad->detail)};
  auto batch = std::move(std::get<parsed_batch>(read));
  if (batch.rejected.empty()) return {std::move(batch), pixel_reply()};
  auto reply = error_reply(400, batch.rejected.front().detail);
  return {std::move(batch), std::move(reply)};
}

}  // namespace tally::api

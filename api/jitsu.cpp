#include "api/jitsu.hpp"

#include "api/json_text.hpp"
#include "api/segment.hpp"

namespace tally::api {
namespace {

http_response error_reply(unsigned status, std::string_view detail) {
  std::string body = R"({"ok":false,"error":)";
  append_json_text(body, detail);
  return plain_reply(status, "application/json", body + '}');
}

segment_call call_of(std::string_view path) {
  if (path == "/api/s/page") return segment_call::page;
  return path == "/api/s/identify" ? segment_call::identify : segment_call::track;
}

}  // namespace

foreign_result parse_jitsu(const foreign_call& call) {
  const auto* const merchant = call.aliases.merchant_of("segment", call.key);
  if (merchant == nullptr) return {{}, error_reply(401, "no merchant has this write key")};
  auto context = call.context;
  context.merchant = *merchant;
  auto read = parse_segment(call_of(call.path), call.body, context);
  if (const auto* const bad = std::get_if<unreadable_body>(&read))
    return {{}, error_reply(400, bad->detail)};
  return {std::move(std::get<parsed_batch>(read)),
          plain_reply(200, "application/json", R"({"ok":true})")};
}

}  // namespace tally::api

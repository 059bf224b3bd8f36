#include "api/ga4.hpp"

#include <algorithm>
#include <array>

#include "api/ga4_event.hpp"
#include "api/json_text.hpp"
#include "api/segment_order.hpp"

namespace tally::api {
namespace {

constexpr std::uint32_t events_max = 25;
constexpr std::uint32_t params_max = 25;
constexpr std::size_t name_chars_max = 40;
constexpr std::chrono::hours age_max{72};
// Params that have a field of their own.
constexpr std::array<std::string_view, 6> known_params{
    "session_id", "page_location", "page_referrer", "page_title", "language", "screen_resolution"};

struct message {
  std::string field, description, code;
};

http_response no_content() {
  return plain_reply(204, "", "");
}

http_response debug_reply(const std::vector<message>& messages) {
  std::string body = R"({"validationMessages":[)";
  for (const auto& m : messages) {
    if (&m != &messages.front()) body += ',';
    body += R"({"fieldPath":)";
    append_json_text(body, m.field);
    body += R"(,"description":)";
    append_json_text(body, m.description);
    body += R"(,"validationCode":)";
    append_json_text(body, m.code);
    body += '}';
  }
  return plain_reply(200, "application/json", body + "]}");
}

bool is_event_name(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  return !name.empty() && name.size() <= name_chars_max && letter(name.front()) &&
         std::all_of(name.begin(), name.end(),
                     [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '_'; });
}

/// One body of the Measurement Protocol.
class body_reader {
 public:
  body_reader(const foreign_call& call, foreign_memory& memory, const json_node& body)
      : call_{call}, body_{body}, events_{call, memory} {}

  std::vector<message> store(const std::string* merchant) {
    const auto* const list = find_field(&body_, "events");
    const auto client = client_id();
    if (client.empty()) say("client_id", "is missing", "VALUE_REQUIRED");
    if (list == nullptr || !list->is(json_kind::array) || list->count == 0)
      say("events", "must be an array with 1 to 25 events", "VALUE_REQUIRED");
    if (merchant == nullptr) {
      say("measurement_id", "no merchant has this id as alias", "VALUE_INVALID");
      return std::move(messages_);
    }
    if (list == nullptr) return std::move(messages_);
    std::uint32_t index = 0;
    for (const auto& node : json_elements(*list)) {
      auto& e = events_.begin(*merchant);
      e.visitor = client;
      refusal why;
      if (!take(node, index, why)) {
        say("events[" + std::to_string(index) + "]", why.detail,
            why.code == "bad_name" ? "NAME_INVALID" : "VALUE_INVALID");
        events_.reject(why, node.text);
      } else if (!events_.finish(node.text, why)) {
        say("events[" + std::to_string(index) + "]", why.detail, "VALUE_INVALID");
      }
      ++index;
    }
    return std::move(messages_);
  }

  [[nodiscard]] parsed_batch batch() { return events_.take(); }

 private:
  void say(std::string field, std::string description, std::string code) {
    messages_.push_back({std::move(field), std::move(description), std::move(code)});
  }

  [[nodiscard]] std::string_view client_id() const {
    const auto id = soft_text(&body_, "client_id", call_.context.limits.text_bytes_max);
    return id.empty() ? soft_text(&body_, "app_instance_id", call_.context.limits.text_bytes_max)
                      : id;
  }

  bool take(const json_node& node, std::uint32_t index, refusal& why) {
    const auto& limits = call_.context.limits;
    if (index >= events_max)
      return refuse(why, "too_many_events", "a request holds at most 25 events");
    const auto* const params = find_field(&node, "params");
    const auto name = soft_text(&node, "name", limits.name_bytes_max + 1);
    if (!is_event_name(name))
      return refuse(why, "bad_name",
                    "name: " + quoted(name) +
                        " must begin with a letter and have 1 to 40 letters, "
                        "digits and underscores");
    if (params != nullptr && params->count > params_max)
      say("events[" + std::to_string(index) + "].params", "has more than 25 fields",
          "VALUE_OUT_OF_BOUNDS");
    auto& e = events_.current();
    if (!events_.set_name(name, why) || !read_time(node, why)) return false;
    e.user = soft_text(&body_, "user_id", limits.text_bytes_max);
    e.session = soft_text(params, "session_id", limits.text_bytes_max);
    e.url = soft_text(params, "page_location", limits.url_bytes_max);
    e.referrer = soft_text(params, "page_referrer", limits.hint_bytes_max);
    e.title = soft_text(params, "page_title", limits.hint_bytes_max);
    e.language = soft_text(params, "language", limits.hint_bytes_max);
    e.screen = soft_text(params, "screen_resolution", limits.hint_bytes_max);
    keep_body_field("user_properties");
    keep_body_field("consent");
    const bool order = has_order_properties(e.name);
    const auto is_taken = [&](std::string_view key) {
      return std::find(known_params.begin(), known_params.end(), key) != known_params.end() ||
             (order && is_ga4_order_param(key));
    };
    return events_.add_props(params, "params", is_taken, why) && read_order(params, why);
  }

  void keep_body_field(std::string_view key) {
    const auto* const value = find_field(&body_, key);
    if (value != nullptr && value->is(json_kind::object) && value->count != 0 &&
        value->depth <= call_.context.limits.depth_max)
      events_.add_extra(key, *value);
  }

  bool read_time(const json_node& node, refusal& why) {
    auto micros = soft_integer(&node, "timestamp_micros");
    if (!micros) micros = soft_integer(&body_, "timestamp_micros");
    if (!micros) return true;
    auto& e = events_.current();
    const auto at = time_from_ms(*micros / 1'000);
    if (call_.context.now - at > age_max)
      return refuse(why, "bad_at", "timestamp_micros: is more than 72 hours ago");
    if (!check_at(at, "timestamp_micros", call_.context, why)) return false;
    e.sent = client_time_from_ms(*micros / 1'000);
    e.at = at;
    return true;
  }

  bool read_order(const json_node* params, refusal& why) {
    ga4_params wire;
    wire.find = [params](std::string_view key) { return find_field(params, key); };
    wire.each_item = [&](const std::function<void()>& begin, const ga4_params::item_field& field) {
      const auto* const items = find_field(params, "items");
      if (items == nullptr || items->is(json_kind::null)) return true;
      if (!items->is(json_kind::array))
        return refuse(why, "bad_type", "params.items: must be an array of objects");
      for (const auto& item : json_elements(*items)) {
        begin();
        for (const auto& [key, value] : json_fields(item))
          if (!field(key, value)) return false;
      }
      return true;
    };
    return read_ga4_order(events_, wire, call_.context.limits, why);
  }

  const foreign_call& call_;
  const json_node& body_;
  foreign_events events_;
  std::vector<message> messages_;
};

}  // namespace

foreign_result parse_ga4(const foreign_call& call) {
  auto& memory = foreign_memory::of_thread();
  const bool debug = call.path.starts_with("/debug/");
  call.body.reserve(call.body.size() + json_reader::padding);
  read_form(call.query, memory.inner[0]);
  const auto& query = memory.inner[0].nodes.front();
  auto id = soft_text(&query, "measurement_id", 200);
  if (id.empty()) id = soft_text(&query, "firebase_app_id", 200);
  const auto* const merchant = call.aliases.merchant_of("ga4", id);
  if (is_blank_body(call.body) || memory.json.read_object(call.body, memory.scratch.tree)) {
    if (!debug) return {{}, no_content()};
    return {{}, debug_reply({{"", "the body is no JSON object", "VALUE_INVALID"}})};
  }
  body_reader reader{call, memory, memory.scratch.tree.nodes.front()};
  const auto messages = reader.store(merchant);
  if (debug) return {{}, debug_reply(messages)};
  return {reader.batch(), no_content()};
}

}  // namespace tally::api

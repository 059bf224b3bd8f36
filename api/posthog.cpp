#include "api/posthog.hpp"

#include <algorithm>

#include "api/json_text.hpp"
#include "api/segment_order.hpp"

namespace tally::api {
namespace {

constexpr std::size_t key_bytes_max = 200;

http_response error_reply(unsigned status, std::string_view code, std::string_view detail) {
  std::string body = status == 401 ? R"({"type":"authentication_error","code":)"
                                   : R"({"type":"validation_error","code":)";
  append_json_text(body, code);
  body += R"(,"detail":)";
  append_json_text(body, detail);
  return plain_reply(status, "application/json", body + '}');
}

std::string_view key_in(const json_node& node) {
  for (const auto* name : {"api_key", "token"})
    if (const auto key = soft_text(&node, name, key_bytes_max); !key.empty()) return key;
  const auto* const properties = find_field(&node, "properties");
  return soft_text(properties, "token", key_bytes_max);
}

class capture_reader {
 public:
  capture_reader(const foreign_call& call, foreign_memory& memory)
      : call_{call}, events_{call, memory} {}

  /// What stands beside a batch.
  void set_envelope(const json_node& body) {
    const auto* const history = find_field(&body, "historical_migration");
    corrects_ = history == nullptr || !history->truth;
    sent_at_ = find_field(&body, "sent_at");
    batch_key_ = key_in(body);
  }

  void take(const json_node& node) {
    const auto own = batch_key_.empty() ? key_in(node) : batch_key_;
    const auto* const merchant =
        call_.aliases.merchant_of("posthog", own.empty() ? call_.key : own);
    if (merchant == nullptr) {
      ++unknown_;
      return;
    }
    events_.begin(*merchant);
    refusal why;
    if (events_.next_index() >= call_.context.limits.events_max) {
      refuse(why, "too_many_events", "batch: holds too many events");
      events_.reject(why, node.text);
    } else if (check_size(node, call_.context.limits, why) && fill(node, why)) {
      static_cast<void>(events_.finish(node.text, why));
    } else {
      events_.reject(why, node.text);
    }
  }

  foreign_result result() {
    auto batch = events_.take();
    if (batch.count == 0 && unknown_ != 0)
      return {{}, error_reply(401, "invalid_api_key", "no merchant has this project key as alias")};
    return {std::move(batch), plain_reply(200, "application/json", R"({"status":1})")};
  }

 private:
  bool fill(const json_node& node, refusal& why) {
    if (!node.is(json_kind::object)) return refuse(why, "bad_type", "an event must be an object");
    const auto& limits = call_.context.limits;
    const auto name = soft_text(&node, "event", limits.name_bytes_max + 1);
    if (!events_.set_name(name, why)) return false;
    auto& e = events_.current();
    e.id = soft_text(&node, "uuid", limits.id_bytes_max);
    if (!read_when(node, why)) return false;
    const auto* const properties = find_field(&node, "properties");
    read_who(node, properties);
    read_page(properties);
    if (name == "$identify" || name == "$set") return read_person(node, properties, name, why);
    return read_properties(properties, why);
  }

  bool read_when(const json_node& node, refusal& why) {
    auto& e = events_.current();
    const auto* const stamp = find_field(&node, "timestamp");
    if (stamp != nullptr && !read_time(*stamp, "timestamp", e.sent, why)) return false;
    if (e.sent.form == time_form::none) return true;
    e.at = e.sent.at;
    const auto* const handed = sent_at_ != nullptr ? sent_at_ : find_field(&node, "sent_at");
    client_time sent;
    refusal ignored;
    if (corrects_ && handed != nullptr && read_time(*handed, "sent_at", sent, ignored) &&
        sent.form != time_form::none) {
      constexpr auto first = time_from_ms(-62'135'596'800'000);  // 0001-01-01
      const auto at = call_.context.now - (sent.at - e.sent.at);
      if (at >= first) e.at = at;
    }
    return check_at(e.at, "timestamp", call_.context, why);
  }

  void read_who(const json_node& node, const json_node* properties) {
    const auto bytes_max = call_.context.limits.text_bytes_max;
    auto& e = events_.current();
    auto who = soft_text(&node, "distinct_id", bytes_max);
    if (who.empty()) who = soft_text(properties, "distinct_id", bytes_max);
    auto device = soft_text(properties, "$device_id", bytes_max);
    if (device.empty()) device = soft_text(properties, "$anon_distinct_id", bytes_max);
    const auto* const identified = find_field(properties, "$is_identified");
    const bool is_user =
        (!device.empty() && device != who) || (identified != nullptr && identified->truth);
    e.visitor = device.empty() ? who : device;
    if (is_user) e.user = who;
    e.session = soft_text(properties, "$session_id", bytes_max);
    if (e.visitor.empty()) events_.name_visitor(call_.address);
  }

  void read_page(const json_node* properties) {
    const auto& limits = call_.context.limits;
    auto& e = events_.current();
    e.url = soft_text(properties, "$current_url", limits.url_bytes_max);
    e.referrer = soft_text(properties, "$referrer", limits.hint_bytes_max);
    if (e.referrer == "$direct") e.referrer = {};
    e.title = soft_text(properties, "title", limits.hint_bytes_max);
    e.language = soft_text(properties, "$browser_language", limits.hint_bytes_max);
    events_.scratch().timezone = soft_text(properties, "$timezone", 100);
    const auto width = soft_text(properties, "$screen_width", 8);
    const auto height = soft_text(properties, "$screen_height", 8);
    if (!width.empty() && !height.empty())
      e.screen = events_.keep(std::string{width} + 'x' + std::string{height});
    const auto agent = soft_text(properties, "$raw_user_agent", limits.agent_bytes_max);
    if (!agent.empty()) e.agent = agent;
  }

  /// The traits are under $set, of the event or of its properties.
  bool read_person(const json_node& node, const json_node* properties, std::string_view name,
                   refusal& why) {
    auto& e = events_.current();
    e.kind = event_kind::identify;
    e.name = "identify";
    if (name == "$set" && e.user.empty()) e.user = e.visitor;
    if (e.user.empty())
      e.user = soft_text(&node, "distinct_id", call_.context.limits.text_bytes_max);
    const auto* traits = find_field(properties, "$set");
    if (traits == nullptr) traits = find_field(&node, "$set");
    return events_.add_props(
        traits, "properties.$set", [](std::string_view) { return false; }, why);
  }

  bool read_properties(const json_node* properties, refusal& why) {
    if (properties == nullptr || properties->is(json_kind::null)) return true;
    const auto& limits = call_.context.limits;
    if (!properties->is(json_kind::object))
      return refuse(why, "bad_type", "properties: must be an object");
    if (properties->depth > limits.depth_max)
      return refuse(why, "too_deep", "properties: is nested too deep");
    auto& rest = events_.scratch().rest;
    if (has_order_properties(events_.current().name)) {
      if (!read_segment_order(*properties, limits, events_.scratch(), why)) return false;
    } else {
      for (const auto& [key, value] : json_fields(*properties)) rest.emplace_back(key, &value);
    }
    std::erase_if(rest, [](const auto& field) {
      return field.first.starts_with('$') || field.first == "title" || field.first == "token" ||
             field.first == "distinct_id";
    });
    const bool fits = std::all_of(rest.begin(), rest.end(), [&](const auto& field) {
      return field.first.size() <= limits.key_bytes_max;
    });
    return fits || refuse(why, "bad_props", "properties: a key is too long");
  }

  const foreign_call& call_;
  foreign_events events_;
  const json_node* sent_at_ = nullptr;
  std::string_view batch_key_;
  bool corrects_ = true;
  std::size_t unknown_ = 0;
};

}  // namespace

foreign_result parse_posthog(const foreign_call& call) {
  auto& memory = foreign_memory::of_thread();
  call.body.reserve(call.body.size() + json_reader::padding);
  capture_reader reader{call, memory};
  auto& tree = memory.scratch.tree;
  const auto begin = call.body.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos)
    return {{}, error_reply(400, "invalid_payload", "the body is empty")};
  if (call.body[begin] == '[') {
    const auto fault = memory.json.read_array(call.body, tree, [&](const json_node& one) {
      reader.take(one);
      return true;
    });
    if (fault) return {{}, error_reply(400, "invalid_payload", describe(*fault, call.body))};
    return reader.result();
  }
  if (const auto fault = memory.json.read_object(call.body, tree))
    return {{}, error_reply(400, "invalid_payload", describe(*fault, call.body))};
  const auto& body = tree.nodes.front();
  const auto* const list = find_field(&body, "batch");
  if (list != nullptr) {
    if (!list->is(json_kind::array))
      return {{}, error_reply(400, "invalid_payload", "batch: must be an array of events")};
    reader.set_envelope(body);
    for (const auto& one : json_elements(*list)) reader.take(one);
  } else {
    reader.take(body);
  }
  return reader.result();
}

}  // namespace tally::api

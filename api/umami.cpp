#include "api/umami.hpp"

#include "api/json_text.hpp"
#include "api/visitor_facts.hpp"

namespace tally::api {
namespace {

constexpr std::size_t name_bytes_max = 50;
constexpr std::size_t host_bytes_max = 100;
constexpr std::size_t shown_errors_max = 100;

std::string error_json(std::string_view detail) {
  std::string body = R"({"error":{"message":)";
  append_json_text(body, detail);
  return body + R"(,"code":"bad-request","status":400}})";
}

/// One payload of a request, read as an event.
class payload_reader {
 public:
  explicit payload_reader(const foreign_call& call, foreign_memory& memory)
      : call_{call}, events_{call, memory}, believed_{call.aliases.is_platform_key(call.key)} {}

  /// The answer to one object; `good` tells which.
  std::string take(const json_node& root, bool& good) {
    refusal why;
    const auto* const merchant = find_merchant(root, why);
    good = merchant != nullptr;
    if (!good) return error_json(why.detail);
    events_.begin(*merchant);
    const auto type = soft_text(&root, "type", name_bytes_max);
    const auto& payload = *find_field(&root, "payload");
    good = fill(type, payload, why);
    if (!good) {
      events_.reject(why, root.text);
    } else if (type != "performance") {
      good = events_.finish(root.text, why);
    }
    return good ? receipt() : error_json(why.detail);
  }

  [[nodiscard]] parsed_batch batch() { return events_.take(); }

 private:
  const std::string* find_merchant(const json_node& root, refusal& why) {
    const auto* const payload = find_field(&root, "payload");
    if (payload == nullptr || !payload->is(json_kind::object)) {
      refuse(why, "bad_type", "payload: must be an object");
      return nullptr;
    }
    const auto website = soft_text(payload, "website", name_bytes_max);
    if (website.empty()) {
      refuse(why, "bad_merchant", "payload.website: is missing (links and pixels are not taken)");
      return nullptr;
    }
    const auto* const merchant = call_.aliases.merchant_of("umami", website);
    if (merchant == nullptr) refuse(why, "bad_merchant", "payload.website: Website not found.");
    return merchant;
  }

  bool fill(std::string_view type, const json_node& payload, refusal& why) {
    const auto& limits = call_.context.limits;
    auto& e = events_.current();
    const auto* const name = find_field(&payload, "name");
    if (type == "identify") {
      e.name = "identify";
      e.kind = event_kind::identify;
    } else if (type != "event" && type != "performance") {
      return refuse(why, "bad_type", "type: must be event, identify or performance");
    } else if (name == nullptr || name->is(json_kind::null) || name->text.empty()) {
      e.name = "page_view";
    } else if (!name->is(json_kind::text) || name->text.size() > name_bytes_max) {
      return refuse(why, "bad_name", "payload.name: must be text of at most 50 characters");
    } else if (!events_.set_name(name->text, why)) {
      return false;
    }
    e.user = soft_text(&payload, "id", limits.text_bytes_max);
    e.referrer = soft_text(&payload, "referrer", limits.hint_bytes_max);
    e.title = soft_text(&payload, "title", limits.hint_bytes_max);
    e.language = soft_text(&payload, "language", limits.hint_bytes_max);
    e.screen = soft_text(&payload, "screen", limits.hint_bytes_max);
    if (const auto* const tag = find_field(&payload, "tag"); tag != nullptr && tag->depth == 0)
      events_.add_extra("tag", *tag);
    return read_url(payload, why) && read_believed(payload, why) && read_data(payload, why);
  }

  /// Older trackers send a path, which is completed by the host.
  bool read_url(const json_node& payload, refusal& why) {
    const auto* const url = find_field(&payload, "url");
    if (url == nullptr || url->is(json_kind::null)) return true;
    if (!url->is(json_kind::text)) return refuse(why, "bad_type", "payload.url: must be text");
    auto& e = events_.current();
    const auto host = soft_text(&payload, "hostname", host_bytes_max);
    const bool path = url->text.starts_with('/') && !host.empty();
    e.url =
        path ? events_.keep("https://" + std::string{host} + std::string{url->text}) : url->text;
    if (e.url.size() <= call_.context.limits.url_bytes_max) return true;
    return refuse(why, "too_long", "payload.url: is longer than 2000 bytes");
  }

  bool read_believed(const json_node& payload, refusal& why) {
    auto& e = events_.current();
    const auto& limits = call_.context.limits;
    auto address = call_.address;
    if (believed_) {
      const auto ip = soft_text(&payload, "ip", limits.hint_bytes_max);
      const auto agent = soft_text(&payload, "userAgent", limits.agent_bytes_max);
      if (!agent.empty()) e.agent = agent;
      if (!ip.empty()) {
        address = ip;
        const auto facts = facts_of(ip, call_.context.geo);
        e.network = events_.keep(facts.network);
        e.country = facts.country;
      }
      constexpr std::int64_t seconds_max = 253'402'300'799;  // 9999-12-31
      if (const auto seconds = soft_integer(&payload, "timestamp");
          seconds && *seconds >= 0 && *seconds <= seconds_max) {
        e.sent = client_time_from_ms(*seconds * 1'000);
        e.at = e.sent.at;
        if (!check_at(e.at, "payload.timestamp", call_.context, why)) return false;
      }
    }
    events_.name_visitor(address);
    return true;
  }

  bool read_data(const json_node& payload, refusal& why) {
    const auto* const data = find_field(&payload, "data");
    const auto none = [](std::string_view) { return false; };
    if (!events_.add_props(data, "payload.data", none, why)) return false;
    auto& e = events_.current();
    if (e.kind == event_kind::identify) return true;
    events_.set_revenue(find_field(data, "revenue"), soft_text(data, "currency", 8));
    if (e.has_order) e.order.id = soft_text(data, "order_id", call_.context.limits.text_bytes_max);
    return true;
  }

  /// Of the event before: the answer that trackers keep and show again.
  [[nodiscard]] std::string receipt() const {
    const auto& e = events_.current();
    const auto hour = std::chrono::floor<std::chrono::hours>(call_.context.now);
    const auto session = uuid_of(std::string{e.merchant} + '/' + std::string{e.visitor});
    const auto visit = uuid_of(session + std::to_string(hour.time_since_epoch().count()));
    return R"({"cache":")" + session + '.' + visit + R"(","sessionId":")" + session +
           R"(","visitId":")" + visit + "\"}";
  }

  const foreign_call& call_;
  foreign_events events_;
  bool believed_;
};

http_response unreadable(std::string_view detail) {
  return plain_reply(400, "application/json", error_json(detail));
}

foreign_result parse_one(const foreign_call& call, foreign_memory& memory) {
  if (const auto fault = memory.json.read_object(call.body, memory.scratch.tree))
    return {{}, unreadable(describe(*fault, call.body))};
  payload_reader reader{call, memory};
  bool good = false;
  auto text = reader.take(memory.scratch.tree.nodes.front(), good);
  return {reader.batch(), plain_reply(good ? 200 : 400, "application/json", std::move(text))};
}

foreign_result parse_batch(const foreign_call& call, foreign_memory& memory) {
  payload_reader reader{call, memory};
  std::size_t size = 0, errors = 0;
  std::string details, last;
  const auto fault =
      memory.json.read_array(call.body, memory.scratch.tree, [&](const json_node& element) {
        bool good = false;
        auto text = size < call.context.limits.events_max
                        ? reader.take(element, good)
                        : error_json("a batch holds at most " +
                                     std::to_string(call.context.limits.events_max) + " events");
        if (good) {
          last = std::move(text);
        } else if (++errors <= shown_errors_max) {
          if (!details.empty()) details += ',';
          details += R"({"index":)" + std::to_string(size) + R"(,"response":)" + text + '}';
        }
        ++size;
        return true;
      });
  if (fault) return {{}, unreadable(describe(*fault, call.body))};
  std::string body = R"({"size":)" + std::to_string(size) + R"(,"processed":)" +
                     std::to_string(size - errors) + R"(,"errors":)" + std::to_string(errors) +
                     R"(,"details":[)" + details + R"(],"cache":)";
  const auto cache_begin = last.find(':') + 1;
  body += last.empty() ? "null" : last.substr(cache_begin, last.find(',') - cache_begin);
  return {reader.batch(), plain_reply(200, "application/json", body + '}')};
}

}  // namespace

foreign_result parse_umami(const foreign_call& call) {
  auto& memory = foreign_memory::of_thread();
  call.body.reserve(call.body.size() + json_reader::padding);
  if (is_blank_body(call.body)) return {{}, unreadable("the body is empty")};
  return call.path == "/api/batch" ? parse_batch(call, memory) : parse_one(call, memory);
}

}  // namespace tally::api

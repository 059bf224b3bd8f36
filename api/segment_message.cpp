#include "api/segment_message.hpp"

#include <algorithm>
#include <array>

#include "api/json_text.hpp"
#include "api/segment_order.hpp"
#include "api/visitor_facts.hpp"

namespace tally::api {
namespace {

// Fields of a message that have a meaning of their own or are of no use behind the gateway.
constexpr std::array<std::string_view, 21> known_fields{
    "type",         "event",      "userId",  "anonymousId", "messageId", "timestamp",
    "sentAt",       "properties", "traits",  "context",     "writeKey",  "receivedAt",
    "_metadata",    "channel",    "version", "merchant",    "rudderId",  "originalTimestamp",
    "integrations", "request_ip", "ip"};

constexpr std::size_t zone_bytes_max = 100;

// What clients collect by themselves is never a reason to refuse: no text reads as nothing.
std::string_view lenient_text(const json_node* value, std::size_t bytes_max) {
  if (value == nullptr || (!value->is(json_kind::text) && !is_integer(*value))) return {};
  return cut_text(value->text, bytes_max);
}

const json_node* object_or_null(const json_node* value) {
  return value != nullptr && value->is(json_kind::object) ? value : nullptr;
}

void append_encoded(std::string& out, std::string_view text) {
  static constexpr char hex[] = "0123456789ABCDEF";
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      out += c;
      continue;
    }
    out += '%';
    out += hex[static_cast<std::uint8_t>(c) >> 4];
    out += hex[static_cast<std::uint8_t>(c) & 0xF];
  }
}

std::string with_campaign(std::string_view url, const json_node& campaign) {
  constexpr std::array<std::string_view, 5> names{"source", "medium", "name", "term", "content"};
  const auto fragment = std::min(url.find('#'), url.size());
  std::string out{url.substr(0, fragment)};
  char separator = out.find('?') == std::string::npos ? '?' : '&';
  for (const auto name : names) {
    const auto* const value = find_field(&campaign, name);
    if (value == nullptr || !value->is(json_kind::text) || value->text.empty()) continue;
    out += separator;
    out += "utm_";
    out += name == "name" ? "campaign" : name;
    out += '=';
    append_encoded(out, value->text);
    separator = '&';
  }
  out += url.substr(fragment);
  return out;
}

class message_reader {
 public:
  message_reader(const segment_message& message, const ingest_context& context,
                 event_scratch& scratch, refusal& why)
      : message_{message},
        node_{message.node},
        context_{context},
        limits_{context.limits},
        scratch_{scratch},
        e_{scratch.e},
        why_{why},
        own_context_{object_or_null(find_field(&node_, "context"))},
        batch_context_{message.envelope.context} {}

  bool read(std::uint32_t index) {
    if (!read_who() || !read_when() || !read_what()) return false;
    read_page();
    read_surroundings();
    if (!keep_unknown()) return false;
    if (!scratch_.extras.empty()) {
      pack_fields(scratch_.extra, scratch_.extras);
      e_.extra = scratch_.extra;
    }
    e_.props = scratch_.props;
    e_.received_at = context_.now;
    if (e_.id.empty()) assign_id(e_, context_, index, scratch_.id);
    return true;
  }

 private:
  // A field of the message's context, else of the batch's.
  [[nodiscard]] const json_node* of_context(std::string_view key) const {
    const auto* const own = find_field(own_context_, key);
    return own != nullptr ? own : find_field(batch_context_, key);
  }

  bool read_field(std::string_view key, std::string_view& out) {
    const auto* const value = find_field(&node_, key);
    return value == nullptr || read_text(*value, {key, -1, {}}, limits_.text_bytes_max, out, why_);
  }

  bool read_who() {
    std::string_view anonymous;
    if (!read_field("messageId", e_.id) || !read_field("userId", e_.user) ||
        !read_field("anonymousId", anonymous)) {
      return false;
    }
    e_.visitor = anonymous.empty() ? e_.user : anonymous;
    e_.session = lenient_text(of_context("sessionId"), limits_.text_bytes_max);
    if (e_.id.size() <= limits_.id_bytes_max) return true;
    return refuse(why_, "bad_id",
                  "messageId: has " + std::to_string(e_.id.size()) + " bytes, must have 1 to " +
                      std::to_string(limits_.id_bytes_max));
  }

  bool read_when() {
    std::string_view name = "originalTimestamp";
    const auto* stamp = find_field(&node_, name);
    if (stamp == nullptr || stamp->is(json_kind::null)) {
      name = "timestamp";
      stamp = find_field(&node_, name);
    }
    if (stamp != nullptr && !read_time(*stamp, name, e_.sent, why_)) return false;
    if (e_.sent.form == time_form::none) {
      e_.at = context_.now;
      return true;
    }
    e_.at = e_.sent.at;
    const auto* sent_at = find_field(&node_, "sentAt");
    if (sent_at == nullptr) sent_at = message_.envelope.sent_at;
    client_time handed_over;
    refusal ignored;
    if (sent_at != nullptr && read_time(*sent_at, "sentAt", handed_over, ignored) &&
        handed_over.form != time_form::none) {
      e_.at = corrected(handed_over.at);
    }
    return check_at(e_.at, name, context_, why_);
  }

  // A correction that leaves the years that a timestamp may have is none.
  [[nodiscard]] event_time corrected(event_time handed_over) const {
    const auto at = context_.now - (handed_over - e_.sent.at);
    constexpr auto first = time_from_ms(-62'135'596'800'000);  // 0001-01-01
    return at < first ? e_.sent.at : at;
  }

  bool read_what() {
    const auto* const properties = find_field(&node_, "properties");
    switch (message_.call) {
      case segment_call::track:
        return read_track(properties);
      case segment_call::page:
        e_.name = "page_view";
        return read_props("properties", properties);
      case segment_call::screen:
        e_.name = "screen";
        return read_props("properties", properties);
      case segment_call::group:
        e_.name = "group";
        break;
      case segment_call::alias:
        e_.name = "alias";
        return read_props("properties", properties);
      case segment_call::identify:
      case segment_call::batch:
        e_.name = "identify";
        e_.kind = event_kind::identify;
        break;
    }
    return read_props("traits", find_field(&node_, "traits"));
  }

  bool read_track(const json_node* properties) {
    const auto* const name = find_field(&node_, "event");
    if (name == nullptr || name->is(json_kind::null)) {
      return refuse(why_, "missing_name", "event: is missing");
    }
    if (!check_name(*name, "event", limits_, why_)) return false;
    e_.name = standard_name(name->text);
    if (!has_order_properties(e_.name)) return read_props("properties", properties);
    static constexpr json_node nothing{.kind = json_kind::object};
    if (properties == nullptr || properties->is(json_kind::null)) properties = &nothing;
    if (!check_props(*properties, "properties", limits_, why_)) return false;
    if (!read_segment_order(*properties, limits_, scratch_, why_)) return false;
    if (!scratch_.rest.empty()) pack_fields(scratch_.props, scratch_.rest);
    return true;
  }

  bool read_props(std::string_view path, const json_node* value) {
    if (value == nullptr || value->is(json_kind::null)) return true;
    if (!check_props(*value, path, limits_, why_)) return false;
    if (message_.call != segment_call::page) {
      if (value->count != 0) pack_value(scratch_.props, *value);
      return true;
    }
    for (const auto& [key, field] : json_fields(*value)) {
      if (key != "url" && key != "referrer" && key != "title") {
        scratch_.rest.emplace_back(key, &field);
      }
    }
    if (!scratch_.rest.empty()) pack_fields(scratch_.props, scratch_.rest);
    return true;
  }

  void read_page() {
    const auto* const page = object_or_null(of_context("page"));
    const auto* const properties =
        message_.call == segment_call::page ? find_field(&node_, "properties") : nullptr;
    const auto of_page = [&](std::string_view key, std::size_t bytes_max) {
      const auto own = lenient_text(find_field(properties, key), bytes_max);
      return own.empty() ? lenient_text(find_field(page, key), bytes_max) : own;
    };
    e_.url = of_page("url", limits_.url_bytes_max);
    e_.referrer = of_page("referrer", limits_.hint_bytes_max);
    e_.title = of_page("title", limits_.hint_bytes_max);
  }

  void read_surroundings() {
    e_.agent = lenient_text(of_context("userAgent"), limits_.agent_bytes_max);
    if (e_.agent.empty() && !context_.platform) {
      e_.agent = cut_text(context_.agent, limits_.agent_bytes_max);
    }
    e_.language = lenient_text(of_context("locale"), limits_.hint_bytes_max);
    if (!context_.platform) {
      e_.network = context_.address_network;
    } else if (const auto ip = lenient_text(of_context("ip"), limits_.hint_bytes_max);
               !ip.empty()) {
      auto facts = facts_of(ip, context_.geo);
      scratch_.network = std::move(facts.network);
      e_.network = scratch_.network;
      e_.country = facts.country;
    }
    read_screen();
    scratch_.timezone = lenient_text(of_context("timezone"), zone_bytes_max);
    read_campaign();
  }

  void read_screen() {
    const auto* const screen = object_or_null(of_context("screen"));
    const auto width = lenient_text(find_field(screen, "width"), 8);
    const auto height = lenient_text(find_field(screen, "height"), 8);
    if (width.empty() || height.empty()) return;
    e_.screen = scratch_.tree.texts.keep(std::string{width} + 'x' + std::string{height});
  }

  void read_campaign() {
    const auto* const campaign = object_or_null(of_context("campaign"));
    if (campaign == nullptr || campaign->count == 0) return;
    if (campaign->text.size() > limits_.url_bytes_max) return;
    if (e_.url.empty() && campaign->depth <= limits_.depth_max) {
      scratch_.extras.emplace_back("campaign", campaign);
    }
    if (e_.url.empty() || e_.url.find("utm_") != std::string_view::npos) return;
    const auto url = with_campaign(e_.url, *campaign);
    if (url.size() <= limits_.url_bytes_max) e_.url = scratch_.tree.texts.keep(url);
  }

  bool keep_unknown() {
    for (const auto& [key, value] : json_fields(node_)) {
      if (value.is(json_kind::null)) continue;
      if (std::find(known_fields.begin(), known_fields.end(), key) != known_fields.end()) continue;
      if (key.size() > limits_.key_bytes_max) {
        return refuse(
            why_, "bad_props",
            "a field's name is longer than " + std::to_string(limits_.key_bytes_max) + " bytes");
      }
      if (value.depth > limits_.depth_max) {
        return refuse(
            why_, "too_deep",
            std::string{key} + ": is nested deeper than " + std::to_string(limits_.depth_max));
      }
      scratch_.extras.emplace_back(key, &value);
    }
    return true;
  }

  const segment_message& message_;
  const json_node& node_;
  const ingest_context& context_;
  const ingest_limits& limits_;
  event_scratch& scratch_;
  event& e_;
  refusal& why_;
  const json_node* own_context_;
  const json_node* batch_context_;
};

}  // namespace

segment_envelope segment_envelope::of(const json_node& batch) {
  constexpr std::uint32_t context_fields_max = 256;
  const auto* context = object_or_null(find_field(&batch, "context"));
  if (context != nullptr && context->count > context_fields_max) context = nullptr;
  return {context, find_field(&batch, "sentAt"), find_field(&batch, "merchant")};
}

bool read_segment_message(const segment_message& message, const ingest_context& context,
                          std::uint32_t index, event_scratch& scratch, refusal& why) {
  return message_reader{message, context, scratch, why}.read(index);
}

}  // namespace tally::api

#include "api/segment.hpp"

#include <algorithm>
#include <array>

#include "api/ingest_event.hpp"
#include "api/json_text.hpp"
#include "api/json_tree.hpp"
#include "api/segment_message.hpp"

namespace tally::api {
namespace {

struct call_name {
  std::string_view name;
  segment_call call;
};
constexpr std::array<call_name, 7> call_names{{{"batch", segment_call::batch},
                                               {"track", segment_call::track},
                                               {"page", segment_call::page},
                                               {"screen", segment_call::screen},
                                               {"identify", segment_call::identify},
                                               {"group", segment_call::group},
                                               {"alias", segment_call::alias}}};

struct thread_memory {
  json_reader json;
  event_scratch scratch;
};

thread_memory& memory() {
  thread_local thread_memory m;
  return m;
}

std::optional<segment_call> call_of_type(const json_node* type) {
  if (type == nullptr) return std::nullopt;
  for (const auto& [name, call] : call_names) {
    if (call != segment_call::batch && type->is(json_kind::text) && type->text == name) return call;
  }
  return std::nullopt;
}

// Reads one message after another, as itself or as refused.
class message_taker {
 public:
  message_taker(const ingest_context& context, const segment_envelope& envelope,
                event_scratch& scratch, batch_builder& batch)
      : context_{context}, envelope_{envelope}, scratch_{scratch}, batch_{batch} {}

  void take(const json_node& message, std::optional<segment_call> call) {
    refusal why;
    scratch_.clear();
    scratch_.e.merchant = context_.merchant;
    if (read(message, call, why)) {
      batch_.accept(scratch_);
    } else {
      batch_.reject(std::move(why), scratch_.e.merchant, message.text);
    }
  }

 private:
  bool read(const json_node& message, std::optional<segment_call> call, refusal& why) {
    if (!message.is(json_kind::object)) {
      return refuse(why, "bad_type", "a message must be an object");
    }
    if (context_.platform) {
      const auto* merchant = find_field(&message, "merchant");
      if (merchant == nullptr) merchant = envelope_.merchant;
      if (!read_merchant_name(merchant, scratch_.e.merchant, why)) return false;
    }
    if (batch_.next_index() >= context_.limits.segment_events_max) {
      return refuse(why, "too_many_events",
                    "a batch holds at most " + std::to_string(context_.limits.segment_events_max) +
                        " messages");
    }
    if (!check_size(message, context_.limits, why)) return false;
    const auto* const type = find_field(&message, "type");
    if (!call) call = call_of_type(type);
    if (!call) {
      const bool text = type != nullptr && type->is(json_kind::text);
      return refuse(why, "bad_type",
                    text ? "type: " + quoted(type->text) + " is no Segment call"
                         : std::string{"type: is missing"});
    }
    return read_segment_message({message, envelope_, *call}, context_, batch_.next_index(),
                                scratch_, why);
  }

  const ingest_context& context_;
  const segment_envelope& envelope_;
  event_scratch& scratch_;
  batch_builder& batch_;
};

// Behind the string that begins at `at`, or npos where it does not end.
std::size_t string_end(std::string_view body, std::size_t at) {
  for (++at; at < body.size(); ++at) {
    if (body[at] == '\\') {
      ++at;
    } else if (body[at] == '"') {
      return at + 1;
    }
  }
  return std::string_view::npos;
}

std::string_view read_key_value(std::string_view body, std::size_t at) {
  const auto colon = body.find_first_not_of(" \t\r\n", at);
  if (colon == std::string_view::npos || body[colon] != ':') return {};
  const auto begin = body.find_first_not_of(" \t\r\n", colon + 1);
  if (begin == std::string_view::npos || body[begin] != '"') return {};
  const auto end = string_end(body, begin);
  if (end == std::string_view::npos) return {};
  const auto value = body.substr(begin + 1, end - begin - 2);
  return value.find('\\') == std::string_view::npos ? value : std::string_view{};
}

}  // namespace

std::optional<segment_call> segment_call_of(std::string_view path) {
  constexpr std::string_view prefix = "/v1/";
  if (path.substr(0, prefix.size()) != prefix) return std::nullopt;
  path.remove_prefix(prefix.size());
  for (const auto& [name, call] : call_names) {
    if (path == name || path == name.substr(0, 1)) return call;
  }
  return std::nullopt;
}

std::string_view find_write_key(std::string_view body) {
  constexpr std::string_view key = "\"writeKey\"";
  if (body.find(key) == std::string_view::npos) return {};
  unsigned depth = 0;
  for (std::size_t i = 0; i < body.size();) {
    const char c = body[i];
    if (c == '"') {
      const auto end = string_end(body, i);
      if (end == std::string_view::npos) return {};
      if (depth == 1 && body.substr(i, end - i) == key) {
        if (const auto value = read_key_value(body, end); !value.empty()) return value;
      }
      i = end;
      continue;
    }
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && depth > 0) --depth;
    ++i;
  }
  return {};
}

ingest_result parse_segment(segment_call call, std::string& body, const ingest_context& context) {
  body.reserve(body.size() + json_reader::padding);
  auto& [json, scratch] = memory();
  if (body.find_first_not_of(" \t\r\n") == std::string::npos) {
    return unreadable_body{400, "empty_body", "the body holds no message"};
  }
  if (const auto fault = json.read_object(body, scratch.tree)) {
    return unreadable_body{400, "bad_json", describe(*fault, body)};
  }
  batch_builder batch{context};
  batch.reserve(body.size());
  const auto& root = scratch.tree.nodes.front();
  if (call != segment_call::batch) {
    const segment_envelope none;
    message_taker{context, none, scratch, batch}.take(root, call);
    return batch.take();
  }
  const auto* const messages = find_field(&root, "batch");
  if (messages == nullptr || !messages->is(json_kind::array)) {
    return unreadable_body{400, "bad_type", "batch: must be an array of messages"};
  }
  const auto envelope = segment_envelope::of(root);
  message_taker taker{context, envelope, scratch, batch};
  for (const auto& message : json_elements(*messages)) taker.take(message, std::nullopt);
  return batch.take();
}

}  // namespace tally::api

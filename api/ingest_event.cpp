#include "api/ingest_event.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "api/ids.hpp"
#include "api/visitor_facts.hpp"
#include "domain/shard.hpp"
#include "persistence/event_codec.hpp"

namespace tally::api {

void event_scratch::clear() {
  e.clear();
  extras.clear();
  rest.clear();
  props.clear();
  extra.clear();
  refused_id.clear();
  refused_text.clear();
  timezone = {};
  is_private = false;
}

batch_builder::batch_builder(const ingest_context& context)
    : context_{context}, merchant_hash_{merchant_hash(context.merchant)} {}

void batch_builder::accept(event_scratch& scratch) {
  auto& e = scratch.e;
  add_agent_facts(e);
  tidy_language(e);
  add_country(e, scratch.timezone, context_);
  if (scratch.is_private || context_.is_private) forget_visitor(e);
  const auto begin = batch_.bytes.size();
  persistence::encode_event(e, batch_.bytes);
  const auto hash = e.merchant == context_.merchant ? merchant_hash_ : merchant_hash(e.merchant);
  batch_.events.push_back({static_cast<std::uint32_t>(begin),
                           static_cast<std::uint32_t>(batch_.bytes.size() - begin), hash,
                           batch_.count++});
}

void batch_builder::reject(refusal&& why, std::string_view merchant, std::string_view sent,
                           std::string id) {
  if (context_.is_private) sent = {};  // it may tell who it was
  batch_.rejected.push_back(
      {batch_.count++, std::move(why.code), std::move(why.detail), std::string{merchant},
       std::string{sent.substr(0, context_.limits.raw_bytes_max)}, std::move(id)});
}

void assign_id(event& e, const ingest_context& context, std::uint32_t index, std::string& text) {
  constexpr std::string_view order_prefix = "order:";
  const bool by_order = e.name == "purchase" && e.sent.form == time_form::none &&
                        !e.order.id.empty() &&
                        order_prefix.size() + e.order.id.size() <= context.limits.id_bytes_max;
  if (by_order) {
    text = order_prefix;
    text += e.order.id;
  } else if (!context.idempotency_key.empty()) {
    text = repeatable_id(context.idempotency_key, index);
  } else {
    text = mint_id();
    e.origin = id_origin::minted;
  }
  e.id = text;
}

bool check_at(event_time at, std::string_view path, const ingest_context& context, refusal& why) {
  if (at < context.limits.at_oldest) {
    return refuse(why, "at_too_old",
                  std::string{path} + ": " + format_rfc3339(at) + " is before " +
                      format_rfc3339(context.limits.at_oldest));
  }
  if (at <= context.now + context.limits.ahead_max) return true;
  return refuse(why, "at_in_future",
                std::string{path} + ": " + format_rfc3339(at) + " is too far ahead of now, " +
                    format_rfc3339(context.now));
}

bool check_name(const json_node& value, std::string_view path, const ingest_limits& limits,
                refusal& why) {
  const std::string field{path};
  if (!value.is(json_kind::text)) return refuse(why, "bad_type", field + ": must be text");
  if (value.text.empty() || value.text.size() > limits.name_bytes_max) {
    return refuse(why, "bad_name",
                  field + ": has " + std::to_string(value.text.size()) + " bytes, must have 1 to " +
                      std::to_string(limits.name_bytes_max));
  }
  const auto control = [](char c) { return static_cast<std::uint8_t>(c) < 0x20 || c == 0x7f; };
  if (std::none_of(value.text.begin(), value.text.end(), control)) return true;
  return refuse(why, "bad_name", field + ": holds a control character");
}

bool read_merchant_name(const json_node* value, std::string_view& merchant, refusal& why) {
  if (value == nullptr || value->is(json_kind::null)) {
    return refuse(why, "bad_merchant", "merchant: is missing");
  }
  if (!value->is(json_kind::text) || !is_merchant_id(value->text)) {
    return refuse(why, "bad_merchant", "merchant: must be 1 to 64 characters of A-Z a-z 0-9 . _ -");
  }
  merchant = value->text;
  return true;
}

bool check_size(const json_node& event_node, const ingest_limits& limits, refusal& why) {
  const auto size = event_node.text.size();
  if (size <= limits.event_bytes_max) return true;
  return refuse(why, "too_large",
                "the event has " + std::to_string(size) + " bytes, at most " +
                    std::to_string(limits.event_bytes_max) + " are allowed");
}

bool check_props(const json_node& value, std::string_view path, const ingest_limits& limits,
                 refusal& why) {
  const std::string name{path};
  if (!value.is(json_kind::object)) return refuse(why, "bad_type", name + ": must be an object");
  if (value.count > limits.props_max) {
    return refuse(why, "bad_props",
                  name + ": has " + std::to_string(value.count) + " keys, at most " +
                      std::to_string(limits.props_max) + " are allowed");
  }
  if (value.depth > limits.depth_max) {
    return refuse(why, "too_deep",
                  name + ": is nested deeper than " + std::to_string(limits.depth_max));
  }
  for (const auto& [key, field] : json_fields(value)) {
    if (key.size() > limits.key_bytes_max) {
      return refuse(
          why, "bad_props",
          name + ": a key is longer than " + std::to_string(limits.key_bytes_max) + " bytes");
    }
  }
  return true;
}

std::string network_of(std::string_view address) {
  const std::string text{address.substr(0, INET6_ADDRSTRLEN)};
  std::array<std::uint8_t, 16> bytes{};
  std::array<char, INET6_ADDRSTRLEN> out{};
  if (inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) {
    bytes[3] = 0;
    inet_ntop(AF_INET, bytes.data(), out.data(), out.size());
    return std::string{out.data()} + "/24";
  }
  if (inet_pton(AF_INET6, text.c_str(), bytes.data()) != 1) return {};
  std::fill(bytes.begin() + 6, bytes.end(), std::uint8_t{0});
  inet_ntop(AF_INET6, bytes.data(), out.data(), out.size());
  return std::string{out.data()} + "/48";
}

}  // namespace tally::api

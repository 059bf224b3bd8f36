#include "api/foreign_event.hpp"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "api/ingest_order.hpp"
#include "api/json_text.hpp"
#include "api/segment_order.hpp"

namespace tally::api {
namespace {

constexpr std::size_t form_fields_max = 256;

struct standard {
  std::string_view foreign, name;
};
constexpr std::array<standard, 8> standards{{{"pageview", "page_view"},
                                             {"$pageview", "page_view"},
                                             {"begin_checkout", "checkout"},
                                             {"Add to Cart", "add_to_cart"},
                                             {"Begin Checkout", "checkout"},
                                             {"Checkout", "checkout"},
                                             {"Purchase", "purchase"},
                                             {"Refund", "refund"}}};

/// Decoded, and UTF-8 whatever was sent.
std::string_view keep_decoded(json_tree& tree, std::string_view text) {
  auto decoded = percent_decode(text, true);
  for (auto bad = find_bad_utf8(decoded); bad < decoded.size();
       bad += 3, bad += find_bad_utf8(std::string_view{decoded}.substr(bad)))
    decoded.replace(bad, 1, "\xef\xbf\xbd");
  return tree.texts.keep(decoded);
}

}  // namespace

foreign_memory& foreign_memory::of_thread() {
  thread_local foreign_memory memory;
  return memory;
}

const json_node* foreign_memory::object_of(const json_node* value, unsigned slot) {
  if (value == nullptr || value->is(json_kind::object)) return value;
  if (!value->is(json_kind::text)) return nullptr;
  auto& text = inner_text[slot];
  text = value->text;
  text.reserve(text.size() + json_reader::padding);
  if (inner_json.read_object(text, inner[slot])) return nullptr;
  return &inner[slot].nodes.front();
}

event& foreign_events::begin(const std::string& merchant) {
  scratch_.clear();
  auto& e = scratch_.e;
  e.merchant = merchant;
  e.at = e.received_at = call_.context.now;
  e.agent = cut_text(call_.context.agent, call_.context.limits.agent_bytes_max);
  e.network = call_.context.address_network;
  scratch_.is_private = call_.context.opted_out && call_.aliases.honours_gpc(merchant);
  return e;
}

bool foreign_events::finish(std::string_view sent, refusal& why) {
  auto& e = scratch_.e;
  if (e.has_order && !check_order(e, "order", "order.items", why)) {
    reject(why, sent);
    return false;
  }
  if (scratch_.rest.size() > call_.context.limits.props_max) {
    refuse(why, "bad_props",
           "props: has " + std::to_string(scratch_.rest.size()) + " keys, at most " +
               std::to_string(call_.context.limits.props_max) + " are allowed");
    reject(why, sent);
    return false;
  }
  if (!scratch_.rest.empty()) pack_fields(scratch_.props, scratch_.rest);
  if (!scratch_.extras.empty()) pack_fields(scratch_.extra, scratch_.extras);
  e.props = scratch_.props;
  e.extra = scratch_.extra;
  if (e.id.empty()) assign_id(e, call_.context, batch_.next_index(), scratch_.id);
  batch_.accept(scratch_);
  return true;
}

void foreign_events::reject(refusal why, std::string_view sent) {
  if (scratch_.is_private) sent = {};  // it may tell who it was
  batch_.reject(std::move(why), scratch_.e.merchant, sent);
}

bool foreign_events::set_name(std::string_view name, refusal& why) {
  json_node value;
  value.kind = json_kind::text;
  value.text = name;
  if (!check_name(value, "name", call_.context.limits, why)) return false;
  const auto* const found = std::find_if(standards.begin(), standards.end(),
                                         [&](const standard& s) { return s.foreign == name; });
  scratch_.e.name = found == standards.end() ? standard_name(name) : found->name;
  return true;
}

void foreign_events::name_visitor(std::string_view address) {
  auto& e = scratch_.e;
  if (scratch_.is_private) return;
  e.visitor = keep(call_.visitors.name({e.merchant, address, e.agent}, call_.context.now));
}

std::string_view foreign_events::capital_currency(std::string_view currency) {
  std::string capitals{currency};
  for (auto& c : capitals)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return is_currency(capitals) ? keep(capitals) : std::string_view{};
}

void foreign_events::set_revenue(const json_node* amount, std::string_view currency) {
  auto& e = scratch_.e;
  std::optional<money> value;
  refusal ignored;
  const auto code = capital_currency(currency);
  if (amount == nullptr || code.empty()) return;
  if (!read_decimal(*amount, {"revenue", -1, {}}, "bad_amount", value, ignored) || !value) return;
  if (e.name == "refund" && value->millionths <= 0) return;
  e.has_order = true;
  e.order.currency = code;
  (e.name == "refund" ? e.order.amount : e.order.total) = value;
}

std::string_view soft_text(const json_node* object, std::string_view key, std::size_t bytes_max) {
  const auto* const value = find_field(object, key);
  if (value == nullptr || (!value->is(json_kind::text) && !is_integer(*value))) return {};
  return cut_text(value->text, bytes_max);
}

std::optional<std::int64_t> soft_integer(const json_node* object, std::string_view key) {
  const auto text = soft_text(object, key, 24);
  std::int64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || read.ec != std::errc{} || read.ptr != text.data() + text.size())
    return std::nullopt;
  return value;
}

bool is_blank_body(std::string_view body) {
  return body.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

void read_form(std::string_view form, json_tree& tree) {
  tree.clear();
  json_node root;
  root.kind = json_kind::object;
  root.text = form;
  root.depth = 1;
  tree.nodes.push_back(root);
  std::uint32_t count = 0;
  while (!form.empty() && count < form_fields_max) {
    const auto pair = form.substr(0, form.find('&'));
    form.remove_prefix(std::min(form.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const auto equals = std::min(pair.find('='), pair.size());
    json_node text;
    text.kind = json_kind::text;
    text.text = keep_decoded(tree, pair.substr(0, equals));
    tree.nodes.push_back(text);
    text.text = keep_decoded(tree, pair.substr(std::min(equals + 1, pair.size())));
    tree.nodes.push_back(text);
    ++count;
  }
  tree.nodes.front().count = count;
  tree.nodes.front().span = 1 + 2 * count;
}

std::string host_of(std::string_view url) {
  const auto scheme = url.find("://");
  if (scheme == std::string_view::npos) return {};
  url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find_first_of("/?#"));
  if (const auto at = url.rfind('@'); at != std::string_view::npos) url.remove_prefix(at + 1);
  if (url.empty() || url.front() != '[') url = url.substr(0, url.find(':'));
  std::string host{url};
  for (auto& c : host)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  if (host.starts_with("www.")) host.erase(0, 4);
  return host;
}

std::string uuid_of(std::string_view text) {
  static constexpr char digits[] = "0123456789abcdef";
  const auto hash = XXH3_128bits(text.data(), text.size());
  std::string out;
  for (const auto word : {hash.high64, hash.low64})
    for (int shift = 60; shift >= 0; shift -= 4) out += digits[word >> shift & 0xF];
  out[12] = '8';  // version: made by the application; then the usual variant
  out[16] = digits[8 | (out[16] & 3)];
  for (const std::size_t at : {8u, 13u, 18u, 23u}) out.insert(at, 1, '-');
  return out;
}

http_response plain_reply(unsigned status, std::string type, std::string body) {
  return {status, std::move(type), std::move(body), {}, false, false};
}

}  // namespace tally::api

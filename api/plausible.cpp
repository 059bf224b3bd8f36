#include "api/plausible.hpp"

#include "api/json_text.hpp"

namespace tally::api {
namespace {

constexpr std::uint32_t props_max = 30;
constexpr std::size_t name_chars_max = 120;
constexpr std::size_t prop_value_bytes_max = 2'000;
constexpr std::size_t sites_max = 20;

/// The short or the long name of a field.
const json_node* either(const json_node& body, std::string_view brief, std::string_view name) {
  const auto* const found = find_field(&body, brief);
  return found != nullptr ? found : find_field(&body, name);
}

std::string_view text_of(const json_node* value) {
  if (value == nullptr || (!value->is(json_kind::text) && !is_integer(*value))) return {};
  return value->text;
}

http_response accepted(std::size_t dropped) {
  auto reply = plain_reply(202, "text/plain; charset=utf-8", "ok");
  if (dropped != 0) reply.headers.emplace_back("x-plausible-dropped", std::to_string(dropped));
  return reply;
}

http_response invalid(std::string_view field, std::string_view detail) {
  std::string body = "{\"errors\":{";
  append_json_text(body, field);
  body += ":[";
  append_json_text(body, detail);
  return plain_reply(400, "application/json", body + "]}}");
}

/// The field that a refusal's detail begins with.
http_response invalid(const refusal& why) {
  const auto colon = std::min(why.detail.find_first_of(":.["), why.detail.size());
  return invalid(std::string_view{why.detail}.substr(0, colon), why.detail);
}

class event_reader {
 public:
  event_reader(const foreign_call& call, foreign_memory& memory, const json_node& body)
      : call_{call}, memory_{memory}, body_{body}, events_{call, memory} {}

  foreign_result read() {
    std::size_t dropped = 0;
    refusal why;
    bool good = check(why);
    if (good && text_of(either(body_, "n", "name")) == "engagement") return {{}, accepted(0)};
    const auto list = sites();
    if (list.empty() && good) good = refuse(why, "missing_domain", "domain: is missing");
    for (const auto& site : list) {
      const auto* const merchant = call_.aliases.merchant_of("plausible", site);
      if (merchant == nullptr) {
        ++dropped;
        continue;
      }
      events_.begin(*merchant);
      if (!good) {
        events_.reject(why, body_.text);
      } else if (!fill(why)) {
        events_.reject(why, body_.text);
        good = false;
      } else if (!events_.finish(body_.text, why)) {
        good = false;
      }
    }
    return {events_.take(), good ? accepted(dropped) : invalid(why)};
  }

 private:
  /// What is wrong whatever the site.
  bool check(refusal& why) {
    const auto name = text_of(either(body_, "n", "name"));
    url_ = text_of(either(body_, "u", "url"));
    if (name.empty()) return refuse(why, "missing_name", "event_name: can't be blank");
    if (cut_text(name, name_chars_max).size() < name.size())
      return refuse(why, "bad_name", "event_name: must have at most 120 characters");
    if (url_.empty()) return refuse(why, "missing_url", "url: is required");
    if (url_.size() > call_.context.limits.url_bytes_max)
      return refuse(why, "too_long", "url: must be at most 2000 bytes");
    if (url_.starts_with("data:")) return refuse(why, "bad_url", "url: scheme is not allowed");
    return true;
  }

  [[nodiscard]] std::vector<std::string> sites() const {
    std::vector<std::string> list;
    auto rest = text_of(either(body_, "d", "domain"));
    if (rest.empty()) {
      if (auto host = host_of(url_); !host.empty()) list.push_back(std::move(host));
      return list;
    }
    while (!rest.empty() && list.size() < sites_max) {
      auto one = rest.substr(0, rest.find(','));
      rest.remove_prefix(std::min(rest.size(), one.size() + 1));
      while (!one.empty() && one.front() == ' ') one.remove_prefix(1);
      while (!one.empty() && one.back() == ' ') one.remove_suffix(1);
      if (!one.empty()) list.emplace_back(one);
    }
    return list;
  }

  bool fill(refusal& why) {
    const auto& limits = call_.context.limits;
    auto& e = events_.current();
    if (!events_.set_name(text_of(either(body_, "n", "name")), why)) return false;
    const auto* const hash_mode = either(body_, "h", "hashMode");
    const bool with_fragment =
        hash_mode != nullptr && (hash_mode->truth || text_of(hash_mode) == "1");
    e.url = with_fragment ? url_ : url_.substr(0, url_.find('#'));
    e.referrer = cut_text(text_of(either(body_, "r", "referrer")), limits.hint_bytes_max);
    events_.name_visitor(call_.address);
    const auto* const interactive = either(body_, "i", "interactive");
    if (interactive != nullptr && interactive->is(json_kind::boolean) && !interactive->truth)
      events_.add_extra("interactive", *interactive);
    read_revenue();
    return read_props(why);
  }

  void read_revenue() {
    const auto* const revenue = memory_.object_of(either(body_, "$", "revenue"), 1);
    events_.set_revenue(find_field(revenue, "amount"), text_of(find_field(revenue, "currency")));
  }

  bool read_props(refusal& why) {
    const json_node* props = nullptr;
    for (const auto* name : {"m", "meta", "p", "props"})
      if (const auto* const found = find_field(&body_, name)) props = found;
    props = memory_.object_of(props, 0);
    if (props == nullptr) return true;
    if (props->count > props_max)
      return refuse(why, "bad_props", "props: must have at most 30 keys");
    if (!check_props(*props, "props", call_.context.limits, why)) return false;
    auto& e = events_.current();
    for (const auto& [key, value] : json_fields(*props)) {
      if (value.depth != 0)
        return refuse(why, "bad_props", "props: values must be text, numbers or booleans");
      if (value.text.size() > prop_value_bytes_max)
        return refuse(why, "bad_props", "props: a value is longer than 2000 bytes");
      const bool blank =
          value.is(json_kind::null) || (value.is(json_kind::text) && is_blank_body(value.text));
      if (blank) continue;
      events_.add_prop(key, value);
      if (key == "order_id" && e.has_order)
        e.order.id = cut_text(text_of(&value), call_.context.limits.text_bytes_max);
    }
    return true;
  }

  const foreign_call& call_;
  foreign_memory& memory_;
  const json_node& body_;
  foreign_events events_;
  std::string_view url_;
};

}  // namespace

foreign_result parse_plausible(const foreign_call& call) {
  auto& memory = foreign_memory::of_thread();
  call.body.reserve(call.body.size() + json_reader::padding);
  if (is_blank_body(call.body) || memory.json.read_object(call.body, memory.scratch.tree))
    return {{}, invalid("request", "Unable to parse request body as valid JSON")};
  return event_reader{call, memory, memory.scratch.tree.nodes.front()}.read();
}

}  // namespace tally::api

#include "api/ingest_native_event.hpp"

#include <algorithm>
#include <array>

#include "api/ids.hpp"
#include "api/ingest_order.hpp"
#include "api/json_text.hpp"
#include "api/visitor_facts.hpp"

namespace tally::api {
namespace {

enum class field : std::uint8_t {
  unknown,
  id,
  at,
  received_at,
  name,
  visitor,
  user,
  session,
  url,
  referrer,
  title,
  language,
  screen,
  country,
  device,
  browser,
  os,
  agent,
  address,
  merchant,
  props,
  order,
  refused,
  timezone,
};

struct field_name {
  std::string_view text;
  field what;
};

// Sorted by length, so that a look-up compares only names of its own length.
constexpr std::array<field_name, 24> field_names{{{"os", field::os},
                                                  {"at", field::at},
                                                  {"id", field::id},
                                                  {"ip", field::address},
                                                  {"url", field::url},
                                                  {"name", field::name},
                                                  {"user", field::user},
                                                  {"agent", field::agent},
                                                  {"order", field::order},
                                                  {"props", field::props},
                                                  {"title", field::title},
                                                  {"device", field::device},
                                                  {"screen", field::screen},
                                                  {"address", field::address},
                                                  {"browser", field::browser},
                                                  {"country", field::country},
                                                  {"refused", field::refused},
                                                  {"session", field::session},
                                                  {"visitor", field::visitor},
                                                  {"language", field::language},
                                                  {"merchant", field::merchant},
                                                  {"referrer", field::referrer},
                                                  {"timezone", field::timezone},
                                                  {"received_at", field::received_at}}};

constexpr std::size_t name_length_max = 11;
constexpr std::size_t refused_code_bytes_max = 64;

// Index of the first name of each length.
constexpr auto length_begins = [] {
  std::array<std::uint8_t, name_length_max + 2> begins{};
  for (std::size_t length = 0; length < begins.size(); ++length) {
    std::size_t i = 0;
    while (i < field_names.size() && field_names[i].text.size() < length) ++i;
    begins[length] = static_cast<std::uint8_t>(i);
  }
  return begins;
}();

field find_field(std::string_view key) {
  if (key.size() > name_length_max) return field::unknown;
  for (std::size_t i = length_begins[key.size()]; i < length_begins[key.size() + 1]; ++i) {
    if (field_names[i].text == key) return field_names[i].what;
  }
  return field::unknown;
}

class event_reader {
 public:
  event_reader(const ingest_context& context, event_scratch& scratch, refusal& why)
      : context_{context}, limits_{context.limits}, scratch_{scratch}, e_{scratch.e}, why_{why} {}

  bool read(const json_node& node, std::uint32_t index) {
    if (read_all(node, index)) return true;
    // Who may write for any merchant imports, and an import may be run again.
    if (!context_.platform || !node.is(json_kind::object)) return false;
    const auto* const id = tally::api::find_field(&node, "id");
    if (id != nullptr && id->is(json_kind::text) && !id->text.empty()) {
      scratch_.refused_id = repeatable_id("refused:" + std::string{id->text}, 0);
    }
    return false;
  }

 private:
  bool read_all(const json_node& node, std::uint32_t index) {
    scratch_.clear();
    e_.merchant = context_.merchant;
    if (!node.is(json_kind::object)) {
      return refuse(why_, "bad_type", "an event must be an object");
    }
    if (!check_size(node, limits_, why_)) return false;
    // First, so that a refused event has its merchant.
    if (context_.platform && context_.merchant.empty() &&
        !read_merchant_name(tally::api::find_field(&node, "merchant"), e_.merchant, why_)) {
      return false;
    }
    for (const auto& [key, value] : json_fields(node)) {
      if (!read_field(key, value)) return false;
    }
    return finish(index);
  }

  bool read_field(std::string_view key, const json_node& value) {
    const field_path path{key, -1, {}};
    switch (find_field(key)) {
      case field::id:
        return read_id(value);
      case field::at:
        return read_time(value, key, e_.sent, why_);
      case field::received_at:
        return !context_.platform || read_received_at(value);
      case field::name:
        return read_name(value);
      case field::visitor:
        return read_text(value, path, limits_.text_bytes_max, e_.visitor, why_);
      case field::user:
        return read_text(value, path, limits_.text_bytes_max, e_.user, why_);
      case field::session:
        return read_text(value, path, limits_.text_bytes_max, e_.session, why_);
      case field::url:
        return read_text(value, path, limits_.url_bytes_max, e_.url, why_);
      case field::referrer:
        return hint(value, path, e_.referrer);
      case field::title:
        return hint(value, path, e_.title);
      case field::language:
        return hint(value, path, e_.language);
      case field::screen:
        return hint(value, path, e_.screen);
      case field::country:
        return trusted_hint(value, path, e_.country);
      case field::device:
        return trusted_hint(value, path, e_.device);
      case field::browser:
        return trusted_hint(value, path, e_.browser);
      case field::os:
        return trusted_hint(value, path, e_.os);
      case field::agent:
        return trusted_hint(value, path, e_.agent);
      case field::address:
        return !context_.platform || read_address(value, path);
      case field::merchant:
        return read_merchant(value);
      case field::props:
        return read_props(value);
      case field::order:
        return read_order(value, limits_, scratch_, why_);
      case field::refused:
        return context_.platform ? read_refused(value) : keep_unknown(key, value);
      case field::timezone:
        return hint(value, path, scratch_.timezone);
      case field::unknown:
        return keep_unknown(key, value);
    }
    return true;
  }

  /// A line that an import could make no event of, for the ledger of its merchant.
  bool read_refused(const json_node& value) {
    if (!value.is(json_kind::object)) return refuse(why_, "bad_type", "refused: must be an object");
    std::string_view code, detail, text;
    for (const auto& [key, part] : json_fields(value)) {
      const field_path path{"refused", -1, key};
      const bool good = key == "code" ? read_text(part, path, refused_code_bytes_max, code, why_)
                        : key == "detail"
                            ? read_hint(part, path, limits_.hint_bytes_max, detail, why_)
                        : key == "text" ? read_hint(part, path, limits_.raw_bytes_max, text, why_)
                                        : refuse(why_, "bad_type", path.text() + ": is not known");
      if (!good) return false;
    }
    const auto is_good = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    };
    if (code.empty() || !std::all_of(code.begin(), code.end(), is_good)) {
      return refuse(why_, "bad_type", "refused.code: must be of a-z 0-9 _");
    }
    scratch_.refused_text = text;
    return refuse(why_, code, std::string{detail});
  }

  bool hint(const json_node& value, const field_path& path, std::string_view& out) {
    return read_hint(value, path, limits_.hint_bytes_max, out, why_);
  }
  bool trusted_hint(const json_node& value, const field_path& path, std::string_view& out) {
    return !context_.platform || hint(value, path, out);
  }

  bool read_agent(const json_node& value, const field_path& path) {
    return read_hint(value, path, limits_.agent_bytes_max, e_.agent, why_);
  }

  bool read_id(const json_node& value) {
    if (value.is(json_kind::null)) return true;
    if (!value.is(json_kind::text) && !is_integer(value)) {
      return refuse(why_, "bad_type", "id: must be text");
    }
    if (value.text.empty() || value.text.size() > limits_.id_bytes_max) {
      return refuse(why_, "bad_id",
                    "id: has " + std::to_string(value.text.size()) + " bytes, must have 1 to " +
                        std::to_string(limits_.id_bytes_max));
    }
    e_.id = value.text;
    return true;
  }

  bool read_name(const json_node& value) {
    if (value.is(json_kind::null)) return true;
    if (!check_name(value, "name", limits_, why_)) return false;
    e_.name = value.text;
    return true;
  }

  bool read_merchant(const json_node& value) {
    if (context_.merchant.empty() || value.is(json_kind::null)) return true;
    if (value.is(json_kind::text) && value.text == context_.merchant) return true;
    return refuse(why_, "bad_merchant",
                  "merchant: this key writes for '" + std::string{context_.merchant} + "' only");
  }

  bool read_received_at(const json_node& value) {
    client_time t;
    if (!read_time(value, "received_at", t, why_)) return false;
    if (t.form == time_form::none) return true;
    if (t.at > context_.now) {
      return refuse(why_, "at_in_future",
                    "received_at: " + format_rfc3339(t.at) + " is later than now, " +
                        format_rfc3339(context_.now));
    }
    if (!check_at(t.at, "received_at", context_, why_)) return false;
    e_.received_at = t.at;
    received_ = true;
    return true;
  }

  bool read_address(const json_node& value, const field_path& path) {
    std::string_view address;
    if (!hint(value, path, address) || address.empty()) return why_.code.empty();
    auto facts = facts_of(address, context_.geo);
    scratch_.network = std::move(facts.network);
    if (scratch_.network.empty()) {
      return refuse(why_, "bad_type", path.text() + ": " + quoted(address) + " is no IP address");
    }
    e_.network = scratch_.network;
    if (e_.country.empty()) e_.country = facts.country;
    return true;
  }

  bool read_props(const json_node& value) {
    if (value.is(json_kind::null)) return true;
    if (!check_props(value, "props", limits_, why_)) return false;
    scratch_.props.clear();
    if (value.count != 0) pack_value(scratch_.props, value);
    return true;
  }

  bool keep_unknown(std::string_view key, const json_node& value) {
    // A key that stands in the body is no part of the event: only hashes of keys are stored.
    if (value.is(json_kind::null) || key == "writeKey") return true;
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
    return true;
  }

  bool finish(std::uint32_t index) {
    if (e_.name.empty()) return refuse(why_, "missing_name", "name: is missing");
    if (e_.sent.form == time_form::none) e_.sent = context_.sent_at;
    if (e_.visitor.empty() && e_.user.empty()) e_.visitor = context_.visitor_name;
    if (e_.sent.form != time_form::none && !check_at(e_.sent.at, "at", context_, why_)) {
      return false;
    }
    e_.at = e_.sent.form == time_form::none ? context_.now : e_.sent.at;
    if (!received_) e_.received_at = context_.now;
    if (!context_.platform) {
      e_.agent = cut_text(context_.agent, limits_.agent_bytes_max);
      e_.network = context_.address_network;
    }
    if ((e_.has_order || e_.name == "refund") && !check_order(e_, "order", "order.items", why_)) {
      return false;
    }
    e_.props = scratch_.props;
    if (!scratch_.extras.empty()) {
      pack_fields(scratch_.extra, scratch_.extras);
      e_.extra = scratch_.extra;
    }
    if (e_.id.empty()) assign_id(e_, context_, index, scratch_.id);
    return true;
  }

  const ingest_context& context_;
  const ingest_limits& limits_;
  event_scratch& scratch_;
  event& e_;
  refusal& why_;
  bool received_ = false;
};

}  // namespace

bool read_native_event(const json_node& node, const ingest_context& context, std::uint32_t index,
                       event_scratch& scratch, refusal& why) {
  return event_reader{context, scratch, why}.read(node, index);
}

}  // namespace tally::api

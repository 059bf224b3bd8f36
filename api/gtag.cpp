#include <algorithm>
#include <array>
#include <charconv>

#include "api/ga4.hpp"
#include "api/ga4_event.hpp"
#include "api/segment_order.hpp"

namespace tally::api {
namespace {

constexpr std::size_t lines_max = 100;
constexpr std::size_t items_max = 200;

/// Splits "idp1~nmShirt~pr12.75~qt2": two letters name the field, the rest is its value.
template <class Take>
void split_item(std::string_view text, Take take) {
  while (!text.empty()) {
    const auto part = text.substr(0, text.find('~'));
    text.remove_prefix(std::min(text.size(), part.size() + 1));
    if (part.size() > 2) take(part.substr(0, 2), part.substr(2));
  }
}

class line_reader {
 public:
  line_reader(const foreign_call& call, foreign_memory& memory)
      : call_{call}, memory_{memory}, events_{call, memory} {}

  void take(const std::string& form) {
    read_form(form, memory_.scratch.tree);
    const auto& fields = memory_.scratch.tree.nodes.front();
    const auto tid = soft_text(&fields, "tid", 200);
    const auto* const merchant = call_.aliases.merchant_of("ga4", tid);
    if (merchant == nullptr) return;
    events_.begin(*merchant);
    refusal why;
    if (fill(fields, why)) {
      static_cast<void>(events_.finish(form, why));
    } else {
      events_.reject(why, form);
    }
  }
  [[nodiscard]] parsed_batch batch() { return events_.take(); }

 private:
  bool fill(const json_node& fields, refusal& why) {
    const auto& limits = call_.context.limits;
    auto& e = events_.current();
    if (!events_.set_name(soft_text(&fields, "en", limits.name_bytes_max + 1), why)) return false;
    e.visitor = soft_text(&fields, "cid", limits.text_bytes_max);
    if (e.visitor.empty()) events_.name_visitor(call_.address);
    e.user = soft_text(&fields, "uid", limits.text_bytes_max);
    e.session = soft_text(&fields, "sid", limits.text_bytes_max);
    e.url = soft_text(&fields, "dl", limits.url_bytes_max);
    e.referrer = soft_text(&fields, "dr", limits.hint_bytes_max);
    e.title = soft_text(&fields, "dt", limits.hint_bytes_max);
    e.language = soft_text(&fields, "ul", limits.hint_bytes_max);
    e.screen = soft_text(&fields, "sr", limits.hint_bytes_max);
    read_params(fields);
    return read_order(fields, why);
  }

  /// "ep." params are texts, "epn." ones numbers, "up." and "upn." those of the user.
  void read_params(const json_node& fields) {
    const bool order = has_order_properties(events_.current().name);
    for (const auto& [key, value] : json_fields(fields)) {
      const bool text = key.starts_with("ep."), number = key.starts_with("epn.");
      if (!text && !number) continue;
      const auto name = key.substr(text ? 3 : 4);
      if (name.empty() || name.size() > call_.context.limits.key_bytes_max) continue;
      if (!order || !is_ga4_order_param(name)) events_.add_prop(name, value);
    }
  }

  bool read_order(const json_node& fields, refusal& why) {
    ga4_params wire;
    wire.find = [&fields](std::string_view key) {
      if (key == "currency") return find_field(&fields, "cu");
      const auto* const number = find_field(&fields, "epn." + std::string{key});
      return number != nullptr ? number : find_field(&fields, "ep." + std::string{key});
    };
    wire.each_item = [&fields](const std::function<void()>& begin,
                               const ga4_params::item_field& field) {
      bool good = true;
      for (std::size_t i = 1; i <= items_max && good; ++i) {
        const auto* const item = find_field(&fields, "pr" + std::to_string(i));
        if (item == nullptr) break;
        begin();
        split_item(item->text, [&](std::string_view key, std::string_view value) {
          json_node node;
          node.kind = json_kind::text;
          node.text = value;
          good = good && field(key, node);
        });
      }
      return good;
    };
    return read_ga4_order(events_, wire, call_.context.limits, why);
  }

  const foreign_call& call_;
  foreign_memory& memory_;
  foreign_events events_;
};

}  // namespace

foreign_result parse_gtag(const foreign_call& call) {
  line_reader reader{call, foreign_memory::of_thread()};
  const std::string query{call.query};
  std::string_view rest = call.body;
  if (is_blank_body(rest)) reader.take(query);
  for (std::size_t line = 0; line < lines_max && !is_blank_body(rest); ++line) {
    auto one = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    while (!one.empty() && one.back() == '\r') one.remove_suffix(1);
    // What the line says itself comes last and so goes before what the query says.
    if (!one.empty()) reader.take(query + '&' + std::string{one});
  }
  return {reader.batch(), plain_reply(204, "", "")};
}

}  // namespace tally::api

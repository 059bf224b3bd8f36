#include "api/matomo.hpp"

#include <array>

#include "api/json_text.hpp"
#include "api/pixel.hpp"
#include "api/visitor_facts.hpp"

namespace tally::api {
namespace {

constexpr std::chrono::hours open_age_max{24};
constexpr std::size_t requests_max = 2'000;

http_response error_reply(std::string_view detail) {
  return plain_reply(400, "text/plain; charset=utf-8", std::string{detail} + "\n");
}

class request_reader {
 public:
  request_reader(const foreign_call& call, foreign_memory& memory)
      : call_{call}, memory_{memory}, events_{call, memory} {}

  /// True where it was kept, or needs not be.
  bool take(const json_node& fields, std::string_view sent, std::string_view batch_token,
            refusal& why) {
    const auto site = soft_text(&fields, "idsite", 24);
    const auto* const merchant = call_.aliases.merchant_of("matomo", site);
    if (merchant == nullptr)
      return refuse(why, "bad_merchant", "idsite: An unexpected website was found in the request");
    if (soft_text(&fields, "ping", 2) == "1") return true;
    auto token = soft_text(&fields, "token_auth", 256);
    if (token.empty()) token = batch_token;
    believed_ = call_.aliases.is_platform_key(token.empty() ? call_.key : token);
    events_.begin(*merchant);
    if (!fill(fields, why)) {
      events_.reject(why, sent);
      return false;
    }
    return events_.finish(sent, why);
  }
  [[nodiscard]] parsed_batch batch() { return events_.take(); }

 private:
  bool fill(const json_node& fields, refusal& why) {
    const auto& limits = call_.context.limits;
    auto& e = events_.current();
    e.url = soft_text(&fields, "url", limits.url_bytes_max);
    e.referrer = soft_text(&fields, "urlref", limits.hint_bytes_max);
    e.title = soft_text(&fields, "action_name", limits.hint_bytes_max);
    e.language = soft_text(&fields, "lang", limits.hint_bytes_max);
    e.screen = soft_text(&fields, "res", limits.hint_bytes_max);
    return read_when(fields, why) && read_what(fields, why) && read_who(fields);
  }

  bool read_who(const json_node& fields) {
    const auto& limits = call_.context.limits;
    auto& e = events_.current();
    auto address = call_.address;
    if (believed_) {
      const auto ip = soft_text(&fields, "cip", limits.hint_bytes_max);
      const auto agent = soft_text(&fields, "ua", limits.agent_bytes_max);
      if (!agent.empty()) e.agent = agent;
      if (!ip.empty()) {
        address = ip;
        const auto facts = facts_of(ip, call_.context.geo);
        e.network = events_.keep(facts.network);
        e.country = facts.country;
      }
    }
    e.user = soft_text(&fields, "uid", limits.text_bytes_max);
    for (const auto* name : {"cid", "_id"})
      if (e.visitor.empty()) e.visitor = soft_text(&fields, name, limits.text_bytes_max);
    if (e.visitor.empty() && e.user.empty()) events_.name_visitor(address);
    if (e.visitor.empty()) e.visitor = e.user;
    return true;
  }

  /// "2011-04-05 00:11:42" in UTC, or Unix seconds.
  bool read_when(const json_node& fields, refusal& why) {
    const auto text = soft_text(&fields, "cdt", 64);
    if (text.empty()) return true;
    auto& e = events_.current();
    std::optional<client_time> time;
    if (const auto seconds = soft_integer(&fields, "cdt")) {
      constexpr std::int64_t seconds_max = 253'402'300'799;  // 9999-12-31
      if (*seconds >= 0 && *seconds <= seconds_max) time = client_time_from_ms(*seconds * 1'000);
    } else {
      time = parse_client_time(events_.keep(std::string{text} + 'Z'));
    }
    if (!time) return refuse(why, "bad_at", "cdt: " + quoted(text) + " is no time");
    if (!believed_ && call_.context.now - time->at > open_age_max)
      return refuse(why, "bad_at", "cdt: is more than 24 hours ago, which needs a token_auth");
    e.sent = *time;
    e.at = time->at;
    return check_at(e.at, "cdt", call_.context, why);
  }

  bool read_what(const json_node& fields, refusal& why) {
    auto& e = events_.current();
    const auto action = soft_text(&fields, "e_a", call_.context.limits.name_bytes_max + 1);
    if (!action.empty()) return read_event(fields, action, why);
    if (const auto goal = soft_text(&fields, "idgoal", 24); !goal.empty())
      return goal == "0" ? read_sale(fields, why) : read_goal(fields);
    const std::pair<std::string_view, std::string_view> kinds[] = {
        {"search", "site_search"}, {"download", "download"}, {"link", "link"}};
    for (const auto& [field, name] : kinds)
      if (const auto* const value = find_field(&fields, field)) {
        e.name = name;
        events_.add_prop(field, *value);
        return true;
      }
    e.name = "page_view";
    return true;
  }

  bool read_event(const json_node& fields, std::string_view action, refusal& why) {
    const std::pair<std::string_view, std::string_view> props[] = {
        {"e_c", "category"}, {"e_n", "name"}, {"e_v", "value"}};
    for (const auto& [field, prop] : props)
      if (const auto* const value = find_field(&fields, field)) events_.add_prop(prop, *value);
    return events_.set_name(action, why);
  }

  bool read_goal(const json_node& fields) {
    events_.current().name = "goal";
    events_.add_prop("idgoal", *find_field(&fields, "idgoal"));
    if (const auto* const revenue = find_field(&fields, "revenue"))
      events_.add_prop("revenue", *revenue);
    return true;
  }

  bool read_sale(const json_node& fields, refusal& why) {
    auto& e = events_.current();
    auto& order = e.order;
    e.has_order = true;
    order.id = soft_text(&fields, "ec_id", call_.context.limits.text_bytes_max);
    e.name = order.id.empty() ? "cart_update" : "purchase";
    const std::pair<std::string_view, std::optional<money>*> amounts[] = {
        {"revenue", &order.total},
        {"ec_st", &order.subtotal},
        {"ec_tx", &order.tax},
        {"ec_sh", &order.shipping},
        {"ec_dt", &order.discount}};
    for (const auto& [field, amount] : amounts) {
      const auto* const value = find_field(&fields, field);
      // "ec_dt=0" and "ec_dt=" both say that there was none.
      if (value == nullptr || value->text.empty()) continue;
      if (!read_decimal(*value, {field, -1, {}}, "bad_amount", *amount, why)) return false;
    }
    return read_items(find_field(&fields, "ec_items"), why);
  }

  /// [["sku","name",["category"],price,quantity], ...] in JSON, all but the first may be missing.
  bool read_items(const json_node* text, refusal& why) {
    if (text == nullptr || text->text.empty()) return true;
    auto& copy = memory_.inner_text[1];
    copy = R"({"items":)" + std::string{text->text} + '}';
    copy.reserve(copy.size() + json_reader::padding);
    auto& tree = memory_.inner[1];
    if (memory_.inner_json.read_object(copy, tree))
      return refuse(why, "bad_items", "ec_items: is no JSON");
    const auto& items = *find_field(&tree.nodes.front(), "items");
    if (!items.is(json_kind::array))
      return refuse(why, "bad_items", "ec_items: must be an array of arrays");
    for (const auto& item : json_elements(items))
      if (!read_item(item, why)) return false;
    return true;
  }

  bool read_item(const json_node& parts, refusal& why) {
    if (!parts.is(json_kind::array))
      return refuse(why, "bad_items", "ec_items: must be an array of arrays");
    auto& items = events_.current().order.items;
    auto& item = items.emplace_back();
    const auto bytes_max = call_.context.limits.text_bytes_max;
    const field_path path{"ec_items", static_cast<std::int64_t>(items.size()) - 1, {}};
    std::size_t index = 0;
    std::optional<money> price, quantity;
    bool good = true;
    for (const auto& part : json_elements(parts)) {
      switch (index++) {
        case 0:
          good = read_text(part, path, bytes_max, item.sku, why);
          break;
        case 1:
          good = read_text(part, path, bytes_max, item.name, why);
          break;
        case 2:
          good = read_category(part, path, item, why);
          break;
        case 3:
          good = read_decimal(part, path, "bad_amount", price, why);
          break;
        case 4:
          good = read_decimal(part, path, "bad_quantity", quantity, why);
          break;
        default:
          break;
      }
      if (!good) return false;
    }
    item.id = item.sku = events_.keep(item.sku);
    item.name = events_.keep(item.name);
    item.category = events_.keep(item.category);
    if (price) item.price = *price;
    if (quantity) item.quantity = *quantity;
    return true;
  }

  /// One category, or the first of a list.
  bool read_category(const json_node& part, const field_path& path, order_item& item,
                     refusal& why) const {
    const bool list = part.is(json_kind::array);
    if (list && part.count == 0) return true;
    return read_text(list ? *json_elements(part).begin() : part, path,
                     call_.context.limits.text_bytes_max, item.category, why);
  }

  const foreign_call& call_;
  foreign_memory& memory_;
  foreign_events events_;
  bool believed_ = false;
};

foreign_result parse_bulk(const foreign_call& call, foreign_memory& memory) {
  auto& outer = memory.inner[0];
  if (const auto fault = memory.json.read_object(call.body, outer))
    return {{}, error_reply(describe(*fault, call.body))};
  const auto& body = outer.nodes.front();
  const auto* const requests = find_field(&body, "requests");
  if (requests == nullptr || !requests->is(json_kind::array))
    return {{}, error_reply("requests: must be an array of texts")};
  const auto token = soft_text(&body, "token_auth", 256);
  request_reader reader{call, memory};
  std::size_t tracked = 0, invalid = 0;
  for (const auto& request : json_elements(*requests)) {
    refusal why;
    auto form = request.text;
    if (form.starts_with('?')) form.remove_prefix(1);
    bool good = request.is(json_kind::text) && tracked + invalid < requests_max;
    if (good) {
      read_form(form, memory.scratch.tree);
      good = reader.take(memory.scratch.tree.nodes.front(), form, token, why);
    }
    ++(good ? tracked : invalid);
  }
  return {reader.batch(),
          plain_reply(200, "application/json",
                      R"({"status":"success","tracked":)" + std::to_string(tracked) +
                          R"(,"invalid":)" + std::to_string(invalid) + '}')};
}

}  // namespace

foreign_result parse_matomo(const foreign_call& call) {
  auto& memory = foreign_memory::of_thread();
  call.body.reserve(call.body.size() + json_reader::padding);
  const auto begin = call.body.find_first_not_of(" \t\r\n");
  if (begin != std::string::npos && call.body[begin] == '{') return parse_bulk(call, memory);
  std::string form{call.query};
  if (begin != std::string::npos) form += '&' + call.body;
  request_reader reader{call, memory};
  read_form(form, memory.scratch.tree);
  const auto& fields = memory.scratch.tree.nodes.front();
  refusal why;
  const bool good = reader.take(fields, form, {}, why);
  auto reply = !good                                        ? error_reply(why.detail)
               : soft_text(&fields, "send_image", 2) == "0" ? plain_reply(204, "", "")
                                                            : pixel_reply();
  return {reader.batch(), std::move(reply)};
}

}  // namespace tally::api

#include "api/export_text.hpp"

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/text_table.hpp"

namespace tally::api {
namespace {

using json = nlohmann::ordered_json;

constexpr unsigned shortest = 0;  // decimals of an amount

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

/// A MessagePack map as JSON; an empty one where there is none.
json table_of(std::string_view map) {
  if (map.empty()) return json::object();
  const auto* const begin = reinterpret_cast<const std::uint8_t*>(map.data());
  auto made = json::from_msgpack(begin, begin + map.size(), true, false);
  return made.is_object() ? made : json::object();
}

std::string amount(money m) {
  return format_decimal(m.millionths, shortest);
}

/// As the client wrote it where that is the event's time: so it is the same event when sent again.
std::string time_of(const event& e) {
  if (e.sent.form != time_form::none && e.sent.at == e.at) return as_sent(e.sent);
  return format_rfc3339(e.at);
}

void add(json& into, const char* name, std::string_view text) {
  if (!text.empty()) into[name] = text;
}

void add(json& into, const char* name, const std::optional<money>& m) {
  if (m) into[name] = amount(*m);
}

json items_of(const event_order& order) {
  auto items = json::array();
  for (const auto& item : order.items) {
    json one = json::object();
    add(one, "id", item.id);
    add(one, "sku", item.sku);
    add(one, "name", item.name);
    add(one, "category", item.category);
    add(one, "brand", item.brand);
    add(one, "variant", item.variant);
    one["quantity"] = amount(item.quantity);
    one["price"] = amount(item.price);
    items.push_back(std::move(one));
  }
  return items;
}

json order_of(const event_order& order) {
  json made = json::object();
  add(made, "id", order.id);
  add(made, "currency", order.currency);
  add(made, "coupon", order.coupon);
  add(made, "payment_method", order.payment_method);
  add(made, "sales_channel", order.sales_channel);
  add(made, "discount", order.discount);
  add(made, "tax", order.tax);
  add(made, "shipping", order.shipping);
  add(made, "total", order.total);
  add(made, "subtotal", order.subtotal);
  add(made, "amount", order.amount);
  if (!order.items.empty()) made["items"] = items_of(order);
  return made;
}

/// Texts that both formats have, under their names.
constexpr std::array<std::pair<const char*, std::string_view event::*>, 14> texts{{
    {"visitor", &event::visitor},
    {"user", &event::user},
    {"session", &event::session},
    {"url", &event::url},
    {"referrer", &event::referrer},
    {"title", &event::title},
    {"language", &event::language},
    {"screen", &event::screen},
    {"country", &event::country},
    {"device", &event::device},
    {"browser", &event::browser},
    {"os", &event::os},
    {"agent", &event::agent},
    {"network", &event::network},
}};

std::string_view kind_name(event_kind kind) {
  switch (kind) {
    case event_kind::rejected:
      return "rejected";
    case event_kind::settings:
      return "settings";
    case event_kind::identify:
      return "identify";
    case event_kind::promotion:
      return "promotion";
    case event_kind::registry:
      return "registry";
    case event_kind::data:
      break;
  }
  return "data";
}

void append_ndjson(std::string& out, const event& e, std::uint64_t offset) {
  // Unknown fields first: ours win where a name is both.
  auto line = table_of(e.extra);
  line["offset"] = offset;
  line["received_at"] = format_rfc3339(e.received_at);
  if (e.kind != event_kind::data) line["kind"] = kind_name(e.kind);
  add(line, "id", e.id);
  const bool as_number = e.sent.form == time_form::integer_ms && e.sent.at == e.at;
  if (as_number) {
    line["at"] = to_ms(e.at);
  } else {
    line["at"] = time_of(e);
  }
  add(line, "name", e.name);
  for (const auto& [name, text] : texts) add(line, name, e.*text);
  if (!e.props.empty()) line["props"] = table_of(e.props);
  if (e.has_order) line["order"] = order_of(e.order);
  out += dump(line);
  out += '\n';
}

void append_csv(std::string& out, const event& e, std::uint64_t offset) {
  const auto next = [&](std::string_view text) {
    out += ',';
    append_csv_field(out, text);
  };
  const auto next_amount = [&](const std::optional<money>& m) { next(m ? amount(*m) : ""); };
  out += std::to_string(offset);
  next(kind_name(e.kind));
  next(format_rfc3339(e.received_at));
  next(e.id);
  next(time_of(e));
  next(e.name);
  for (const auto& [name, text] : texts) next(e.*text);
  next(e.order.id);
  next(e.order.currency);
  next(e.order.coupon);
  next(e.order.payment_method);
  next(e.order.sales_channel);
  next_amount(e.order.discount);
  next_amount(e.order.tax);
  next_amount(e.order.shipping);
  next_amount(e.order.total);
  next_amount(e.order.subtotal);
  next_amount(e.order.amount);
  next(e.order.items.empty() ? "" : dump(items_of(e.order)));
  next(e.props.empty() ? "" : dump(table_of(e.props)));
  next(e.extra.empty() ? "" : dump(table_of(e.extra)));
  out += '\n';
}

}  // namespace

std::string_view export_header(export_format format) {
  if (format == export_format::ndjson) return {};
  return "offset,kind,received_at,id,at,name,visitor,user,session,url,referrer,title,language,"
         "screen,country,device,browser,os,agent,network,order_id,currency,coupon,payment_method,"
         "sales_channel,discount,tax,shipping,total,subtotal,amount,items,props,extra\n";
}

void append_exported(std::string& out, const event& e, std::uint64_t offset, export_format format) {
  if (format == export_format::ndjson) {
    append_ndjson(out, e, offset);
  } else {
    append_csv(out, e, offset);
  }
}

}  // namespace tally::api

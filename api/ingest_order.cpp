#include "api/ingest_order.hpp"

namespace tally::api {
namespace {

constexpr std::string_view order_base = "order";
constexpr std::string_view items_base = "order.items";

std::string_view* order_text(event_order& order, std::string_view key) {
  if (key == "id") return &order.id;
  if (key == "coupon") return &order.coupon;
  if (key == "currency") return &order.currency;
  if (key == "payment_method") return &order.payment_method;
  if (key == "sales_channel") return &order.sales_channel;
  return nullptr;
}

std::optional<money>* order_amount(event_order& order, std::string_view key) {
  if (key == "discount") return &order.discount;
  if (key == "tax") return &order.tax;
  if (key == "shipping") return &order.shipping;
  if (key == "total") return &order.total;
  if (key == "subtotal") return &order.subtotal;
  if (key == "amount") return &order.amount;
  return nullptr;
}

std::string_view* item_text(order_item& item, std::string_view key) {
  if (key == "id") return &item.id;
  if (key == "name") return &item.name;
  if (key == "sku") return &item.sku;
  if (key == "category") return &item.category;
  if (key == "brand") return &item.brand;
  if (key == "variant") return &item.variant;
  return nullptr;
}

class order_reader {
 public:
  order_reader(const ingest_limits& limits, event_scratch& scratch, refusal& why)
      : limits_{limits}, scratch_{scratch}, order_{scratch.e.order}, why_{why} {}

  bool read(const json_node& value) {
    for (const auto& [key, field] : json_fields(value)) {
      if (!read_field(key, field)) return false;
    }
    if (order_.currency.empty() || is_currency(order_.currency)) return true;
    return refuse(why_, "bad_currency",
                  "order.currency: " + quoted(order_.currency) + " is not three letters A to Z");
  }

 private:
  bool read_field(std::string_view key, const json_node& field) {
    const field_path path{order_base, -1, key};
    if (key == "items") return read_items(field);
    if (auto* const text = order_text(order_, key)) {
      return read_text(field, path, limits_.text_bytes_max, *text, why_);
    }
    if (auto* const amount = order_amount(order_, key)) {
      return read_decimal(field, path, "bad_amount", *amount, why_);
    }
    return keep_unknown(path, field);
  }

  bool read_items(const json_node& items) {
    if (items.is(json_kind::null)) return true;
    if (!items.is(json_kind::array)) {
      return refuse(why_, "bad_type", "order.items: must be an array of objects");
    }
    order_.items.reserve(items.count);
    std::int64_t index = 0;
    for (const auto& item : json_elements(items)) {
      if (!item.is(json_kind::object)) {
        return refuse(why_, "bad_type",
                      field_path{items_base, index, {}}.text() + ": must be an object");
      }
      order_.items.emplace_back();
      for (const auto& [key, field] : json_fields(item)) {
        if (!read_item_field({items_base, index, key}, field)) return false;
      }
      ++index;
    }
    return true;
  }

  bool read_item_field(const field_path& path, const json_node& field) {
    auto& item = order_.items.back();
    if (auto* const text = item_text(item, path.leaf)) {
      return read_text(field, path, limits_.text_bytes_max, *text, why_);
    }
    const bool quantity = path.leaf == "quantity";
    if (!quantity && path.leaf != "price") return keep_unknown(path, field);
    std::optional<money> number;
    if (!read_decimal(field, path, quantity ? "bad_quantity" : "bad_amount", number, why_)) {
      return false;
    }
    if (number) (quantity ? item.quantity : item.price) = *number;
    return true;
  }

  bool keep_unknown(const field_path& path, const json_node& field) {
    if (field.is(json_kind::null)) return true;
    if (path.leaf.size() > limits_.key_bytes_max) {
      return refuse(why_, "bad_props",
                    field_path{path.base, path.index, {}}.text() +
                        ": a field's name is longer than " + std::to_string(limits_.key_bytes_max) +
                        " bytes");
    }
    if (field.depth > limits_.depth_max) {
      return refuse(why_, "too_deep",
                    path.text() + ": is nested deeper than " + std::to_string(limits_.depth_max));
    }
    scratch_.extras.emplace_back(scratch_.tree.texts.keep(path.text()), &field);
    return true;
  }

  const ingest_limits& limits_;
  event_scratch& scratch_;
  event_order& order_;
  refusal& why_;
};

bool overflow(refusal& why, std::string detail) {
  return refuse(why, "amount_overflow", std::move(detail) + " is more than 9000000000000 units");
}

// total - tax - shipping + discount is what an order without items sold.
bool check_totals(const event_order& order, std::string_view where, refusal& why) {
  const auto of = [](const std::optional<money>& m) { return m ? int128{m->millionths} : 0; };
  const auto sold = of(order.total) - of(order.tax) - of(order.shipping) + of(order.discount);
  if (sold <= amount_millionths_max && sold >= -int128{amount_millionths_max}) return true;
  return overflow(why, std::string{where} + ": total - tax - shipping + discount");
}

bool check_refund(const event_order& order, std::string_view where, refusal& why) {
  if (order.amount && order.amount->millionths <= 0) {
    return refuse(why, "bad_amount",
                  field_path{where, -1, "amount"}.text() + ": a refund must be positive");
  }
  if (!order.items.empty() || order.amount) return true;
  return refuse(why, "bad_amount",
                field_path{where, -1, "amount"}.text() + ": a refund needs items or an amount");
}

}  // namespace

bool read_order(const json_node& value, const ingest_limits& limits, event_scratch& scratch,
                refusal& why) {
  if (value.is(json_kind::null)) return true;
  if (!value.is(json_kind::object)) {
    return refuse(why, "bad_type", "order: must be an object");
  }
  scratch.e.has_order = true;
  return order_reader{limits, scratch, why}.read(value);
}

bool check_order(const event& e, std::string_view where, std::string_view lines, refusal& why) {
  const bool refund = e.name == "refund";
  money sum;
  for (std::size_t i = 0; i < e.order.items.size(); ++i) {
    const auto& item = e.order.items[i];
    const auto index = static_cast<std::int64_t>(i);
    if (item.quantity.millionths < 0) {
      return refuse(why, "bad_quantity",
                    field_path{lines, index, "quantity"}.text() + ": must not be negative");
    }
    if (refund && item.price.millionths < 0) {
      return refuse(why, "bad_amount",
                    field_path{lines, index, "price"}.text() + ": a refund must be positive");
    }
    const auto line = multiply(item.quantity, item.price);
    if (!line) {
      return overflow(why, field_path{lines, index, {}}.text() + ": quantity x price");
    }
    const auto next = checked_add(sum, *line);
    if (!next) return overflow(why, std::string{lines} + ": the sum of quantity x price");
    sum = *next;
  }
  if (refund && !check_refund(e.order, where, why)) return false;
  return check_totals(e.order, where, why);
}

}  // namespace tally::api

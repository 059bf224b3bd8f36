#include "api/segment_order.hpp"

#include <algorithm>

#include "api/ingest_order.hpp"

namespace tally::api {
namespace {

constexpr std::string_view properties_base = "properties";
constexpr std::string_view products_base = "properties.products";

std::string_view* product_text(order_item& item, std::string_view key) {
  if (key == "product_id") return &item.id;
  if (key == "sku") return &item.sku;
  if (key == "name") return &item.name;
  if (key == "category") return &item.category;
  if (key == "brand") return &item.brand;
  if (key == "variant") return &item.variant;
  if (key == "id" && item.id.empty()) return &item.id;
  return nullptr;
}

std::string_view* order_text(event_order& order, std::string_view key) {
  if (key == "order_id") return &order.id;
  if (key == "currency") return &order.currency;
  if (key == "coupon") return &order.coupon;
  if (key == "payment_method") return &order.payment_method;
  return nullptr;
}

class segment_order_reader {
 public:
  segment_order_reader(const ingest_limits& limits, event_scratch& scratch, refusal& why)
      : limits_{limits}, scratch_{scratch}, e_{scratch.e}, order_{e_.order}, why_{why} {}

  bool read(const json_node& properties) {
    e_.has_order = true;
    const auto* const products = find_field(&properties, "products");
    const bool listed = products != nullptr && products->is(json_kind::array);
    flat_ = e_.name == "add_to_cart" && !listed;
    if (flat_) order_.items.emplace_back();
    for (const auto& [key, value] : json_fields(properties)) {
      if (!read_property(key, value)) return false;
    }
    if (!capitalize_currency() || !combine_totals() || !settle_refund()) return false;
    return check_order(e_, properties_base, products_base, why_);
  }

 private:
  bool read_property(std::string_view key, const json_node& value) {
    const field_path path{properties_base, -1, key};
    if (key == "products") return read_products(value);
    if (auto* const text = order_text(order_, key)) {
      return read_text(value, path, limits_.text_bytes_max, *text, why_);
    }
    if (auto* const amount = order_amount(key)) {
      return read_decimal(value, path, "bad_amount", *amount, why_);
    }
    if (flat_) {
      bool known = false;
      if (!read_product_field(path, value, known)) return false;
      if (known) return true;
    }
    scratch_.rest.emplace_back(key, &value);
    return true;
  }

  std::optional<money>* order_amount(std::string_view key) {
    if (key == "total") return &order_.total;
    if (key == "tax") return &order_.tax;
    if (key == "shipping") return &order_.shipping;
    if (key == "discount") return &order_.discount;
    if (key == "subtotal") return &subtotal_;
    if (key == "revenue") return &revenue_;
    return nullptr;
  }

  bool read_products(const json_node& products) {
    if (products.is(json_kind::null)) return true;
    if (!products.is(json_kind::array)) {
      return refuse(why_, "bad_type", "properties.products: must be an array of objects");
    }
    order_.items.reserve(products.count);
    std::int64_t index = 0;
    for (const auto& product : json_elements(products)) {
      if (!product.is(json_kind::object)) {
        return refuse(why_, "bad_type",
                      field_path{products_base, index, {}}.text() + ": must be an object");
      }
      order_.items.emplace_back();
      for (const auto& [key, value] : json_fields(product)) {
        const field_path path{products_base, index, key};
        bool known = false;
        if (!read_product_field(path, value, known)) return false;
        if (!known && !value.is(json_kind::null)) {
          scratch_.extras.emplace_back(scratch_.tree.texts.keep(path.text()), &value);
        }
      }
      ++index;
    }
    return true;
  }

  bool read_product_field(const field_path& path, const json_node& value, bool& known) {
    auto& item = order_.items.back();
    known = true;
    if (auto* const text = product_text(item, path.leaf)) {
      return read_text(value, path, limits_.text_bytes_max, *text, why_);
    }
    std::optional<money> number;
    if (path.leaf == "quantity") {
      if (!read_decimal(value, path, "bad_quantity", number, why_)) return false;
      if (number) item.quantity = *number;
    } else if (path.leaf == "price") {
      if (!read_decimal(value, path, "bad_amount", number, why_)) return false;
      if (number) item.price = *number;
      priced_ = priced_ || number;
    } else {
      known = false;
    }
    return true;
  }

  bool capitalize_currency() {
    if (order_.currency.empty()) return true;
    std::string capitals{order_.currency};
    for (auto& c : capitals) {
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    if (!is_currency(capitals)) {
      return refuse(why_, "bad_currency",
                    "properties.currency: " + quoted(order_.currency) + " is not three letters");
    }
    if (capitals != order_.currency) order_.currency = scratch_.tree.texts.keep(capitals);
    return true;
  }

  bool combine_totals() {
    if (!subtotal_) {
      if (!order_.total) order_.subtotal = revenue_;
      return true;
    }
    order_.subtotal = checked_add(*subtotal_, order_.discount.value_or(money{}));
    if (order_.subtotal) return true;
    return refuse(why_, "amount_overflow",
                  "properties: subtotal + discount is more than 9000000000000 units");
  }

  bool settle_refund() {
    if (e_.name != "refund" || priced_) return true;
    order_.amount = order_.total ? order_.total : revenue_ ? revenue_ : subtotal_;
    if (!order_.amount) {
      return refuse(why_, "bad_amount",
                    "properties: a refund needs products with prices, a total or a revenue");
    }
    // Items count before the amount, and these would count as nothing.
    order_.items.clear();
    if (order_.amount->millionths > 0) return true;
    return refuse(why_, "bad_amount", "properties: a refund's total or revenue must be positive");
  }

  const ingest_limits& limits_;
  event_scratch& scratch_;
  event& e_;
  event_order& order_;
  refusal& why_;
  std::optional<money> subtotal_, revenue_;
  bool flat_ = false;    // the properties are the product
  bool priced_ = false;  // a product has a price
};

}  // namespace

std::string_view standard_name(std::string_view segment_event) {
  if (segment_event == "Product Added") return "add_to_cart";
  if (segment_event == "Checkout Started") return "checkout";
  if (segment_event == "Order Completed") return "purchase";
  if (segment_event == "Order Refunded") return "refund";
  return segment_event;
}

bool has_order_properties(std::string_view name) {
  return name == "purchase" || name == "refund" || name == "add_to_cart" || name == "checkout";
}

bool read_segment_order(const json_node& properties, const ingest_limits& limits,
                        event_scratch& scratch, refusal& why) {
  return segment_order_reader{limits, scratch, why}.read(properties);
}

}  // namespace tally::api

#include "api/ga4_event.hpp"

#include <algorithm>
#include <array>

#include "api/segment_order.hpp"

namespace tally::api {
namespace {

constexpr std::array<std::string_view, 7> order_params{
    "transaction_id", "value", "currency", "tax", "shipping", "coupon", "items"};

std::string_view* item_text(order_item& item, std::string_view key) {
  if (key == "item_id" || key == "id") return &item.id;
  if (key == "item_name" || key == "nm") return &item.name;
  if (key == "item_category" || key == "ca") return &item.category;
  if (key == "item_brand" || key == "br") return &item.brand;
  if (key == "item_variant" || key == "va") return &item.variant;
  return nullptr;
}

class order_reader {
 public:
  order_reader(foreign_events& events, const ga4_params& params, const ingest_limits& limits,
               refusal& why)
      : events_{events},
        params_{params},
        limits_{limits},
        order_{events.current().order},
        why_{why} {}

  bool read() {
    events_.current().has_order = true;
    if (!read_texts() || !read_amounts()) return false;
    const bool good = params_.each_item(
        [this] { order_.items.emplace_back(); },
        [this](std::string_view key, const json_node& value) { return read_item(key, value); });
    if (!good) return false;
    settle();
    return true;
  }

 private:
  bool read_texts() {
    const std::pair<std::string_view, std::string_view*> texts[] = {
        {"transaction_id", &order_.id}, {"coupon", &order_.coupon}, {"currency", &currency_}};
    for (const auto& [key, text] : texts) {
      const auto* const value = params_.find(key);
      if (value != nullptr &&
          !read_text(*value, {"params", -1, key}, limits_.text_bytes_max, *text, why_))
        return false;
    }
    if (currency_.empty()) return true;
    order_.currency = events_.capital_currency(currency_);
    if (!order_.currency.empty()) return true;
    return refuse(why_, "bad_currency",
                  "params.currency: " + quoted(currency_) + " is not three letters");
  }

  bool read_amounts() {
    const std::pair<std::string_view, std::optional<money>*> amounts[] = {
        {"value", &value_}, {"tax", &order_.tax}, {"shipping", &order_.shipping}};
    for (const auto& [key, amount] : amounts) {
      const auto* const value = params_.find(key);
      if (value != nullptr &&
          !read_decimal(*value, {"params", -1, key}, "bad_amount", *amount, why_))
        return false;
    }
    return true;
  }

  bool read_item(std::string_view key, const json_node& value) {
    auto& item = order_.items.back();
    const auto index = static_cast<std::int64_t>(order_.items.size()) - 1;
    const field_path path{"params.items", index, key};
    if (auto* const text = item_text(item, key))
      return read_text(value, path, limits_.text_bytes_max, *text, why_);
    const bool price = key == "price" || key == "pr";
    if (!price && key != "quantity" && key != "qt") return true;
    std::optional<money> number;
    if (!read_decimal(value, path, price ? "bad_amount" : "bad_quantity", number, why_))
      return false;
    if (number) (price ? item.price : item.quantity) = *number;
    priced_ = priced_ || (price && number);
    return true;
  }

  /// Items count before amounts, and unpriced ones would count as nothing.
  void settle() {
    if (priced_ || !value_) return;
    order_.items.clear();
    (events_.current().name == "refund" ? order_.amount : order_.subtotal) = value_;
  }

  foreign_events& events_;
  const ga4_params& params_;
  const ingest_limits& limits_;
  event_order& order_;
  refusal& why_;
  std::string_view currency_;
  std::optional<money> value_;
  bool priced_ = false;
};

}  // namespace

bool is_ga4_order_param(std::string_view key) {
  return std::find(order_params.begin(), order_params.end(), key) != order_params.end();
}

bool read_ga4_order(foreign_events& events, const ga4_params& params, const ingest_limits& limits,
                    refusal& why) {
  if (!has_order_properties(events.current().name)) return true;
  return order_reader{events, params, limits, why}.read();
}

}  // namespace tally::api

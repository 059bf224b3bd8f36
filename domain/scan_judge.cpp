#include <array>
#include <unordered_map>

#include "domain/scan_work.hpp"

namespace tally {
namespace {

/// Texts of an event that rules may look at or set.
struct text_place {
  text_field field;
  std::string_view event::*text = nullptr;
  std::string_view event_order::*order_text = nullptr;
};

constexpr std::array<text_place, 22> texts{{
    {text_field::id, &event::id},
    {text_field::name, &event::name},
    {text_field::visitor, &event::visitor},
    {text_field::user, &event::user},
    {text_field::session, &event::session},
    {text_field::url, &event::url},
    {text_field::referrer, &event::referrer},
    {text_field::title, &event::title},
    {text_field::language, &event::language},
    {text_field::screen, &event::screen},
    {text_field::country, &event::country},
    {text_field::device, &event::device},
    {text_field::browser, &event::browser},
    {text_field::os, &event::os},
    {text_field::agent, &event::agent},
    {text_field::network, &event::network},
    {text_field::props, &event::props},
    {text_field::order_id, nullptr, &event_order::id},
    {text_field::order_currency, nullptr, &event_order::currency},
    {text_field::coupon, nullptr, &event_order::coupon},
    {text_field::payment_method, nullptr, &event_order::payment_method},
    {text_field::sales_channel, nullptr, &event_order::sales_channel},
}};

struct amount_place {
  number_field field;
  std::optional<money> event_order::*amount;
};

constexpr std::array<amount_place, 6> amounts{{
    {number_field::discount, &event_order::discount},
    {number_field::tax, &event_order::tax},
    {number_field::shipping, &event_order::shipping},
    {number_field::total, &event_order::total},
    {number_field::subtotal, &event_order::subtotal},
    {number_field::amount, &event_order::amount},
}};

std::string_view& text_of(event& e, const text_place& place) {
  return place.text != nullptr ? e.*place.text : e.order.*place.order_text;
}

const std::string_view& text_of(const event& e, const text_place& place) {
  return place.text != nullptr ? e.*place.text : e.order.*place.order_text;
}

void read_items(const item_columns& items, std::size_t row, event& e) {
  using text = std::string_view order_item::*;
  constexpr std::array<text, item_fields> places{&order_item::id,    &order_item::sku,
                                                 &order_item::name,  &order_item::category,
                                                 &order_item::brand, &order_item::variant};
  e.order.items.clear();
  for (auto line = items.begins[row]; line < items.begins[row + 1]; ++line) {
    order_item item;
    for (std::size_t i = 0; i < item_fields; ++i) item.*places[i] = items.texts[i].at(line);
    item.quantity = money{items.quantity[line]};
    item.price = money{items.price[line]};
    e.order.items.push_back(item);
  }
}

void read_row(const event_columns& block, std::size_t row, event& e) {
  for (const auto& place : texts) text_of(e, place) = block.text(place.field).at(row);
  for (const auto& place : amounts) {
    const auto n = block.number(place.field)[row];
    e.order.*place.amount = n == no_number ? std::nullopt : std::optional{money{n}};
  }
  e.at = time_from_ms(block.number(number_field::at)[row]);
  e.has_order = block.number(number_field::has_order)[row] != 0;
  read_items(block.items, row, e);
}

/// Writes changed texts into columns.
class text_writer {
 public:
  explicit text_writer(event_columns& block) : block_{block} {}
  void write(std::size_t row, text_field f, std::string_view text) {
    auto& column = block_.texts[static_cast<std::size_t>(f)];
    if (column.at(row) == text) return;
    auto& added = added_[static_cast<std::size_t>(f)];
    const auto next = static_cast<std::uint32_t>(column.words.size());
    const auto [entry, fresh] = added.emplace(text, next);
    if (fresh) column.words.push_back(text);
    column.codes[row] = entry->second;
  }

 private:
  event_columns& block_;
  std::array<std::unordered_map<std::string_view, std::uint32_t>, text_fields> added_;
};

std::int64_t& number_of(event_columns& block, number_field f, std::size_t row) {
  return block.numbers[static_cast<std::size_t>(f)][row];
}

}  // namespace

event_columns judged_columns(const scan_plan& p, const event_columns& block) {
  event_columns judged = block;
  text_writer writer{judged};
  const auto fresh = static_cast<std::int64_t>(row_outcome::fresh);
  const auto left_out = static_cast<std::int64_t>(row_outcome::rejected);
  event e, changed;
  for (std::size_t row = 0; row < block.rows; ++row) {
    if (block.number(number_field::outcome)[row] != fresh) continue;
    read_row(block, row, e);
    const auto made = judge(*p.rules, e, *p.facts.reporting_zone, changed);
    if (!made.filtered_reason.empty()) {
      number_of(judged, number_field::outcome, row) = left_out;
    } else if (made.counted == &changed) {
      for (const auto& place : texts) writer.write(row, place.field, text_of(*made.counted, place));
      for (const auto& place : amounts) {
        const auto& amount = made.counted->order.*place.amount;
        number_of(judged, place.field, row) = amount ? amount->millionths : no_number;
      }
      number_of(judged, number_field::at, row) = to_ms(changed.at);
    }
  }
  return judged;
}

}  // namespace tally

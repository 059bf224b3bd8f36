#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "domain/event.hpp"
#include "domain/event_columns.hpp"

/// Which column holds which member of an event. Internal to persistence/.
namespace tally::persistence {

inline constexpr std::array<std::pair<text_field, std::string_view event::*>, 19>
    event_text_members{{{text_field::id, &event::id},
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
                        {text_field::extra, &event::extra},
                        {text_field::raw, &event::raw}}};

inline constexpr std::array<std::pair<text_field, std::string_view event_order::*>, 5>
    order_text_members{{{text_field::order_id, &event_order::id},
                        {text_field::order_currency, &event_order::currency},
                        {text_field::coupon, &event_order::coupon},
                        {text_field::payment_method, &event_order::payment_method},
                        {text_field::sales_channel, &event_order::sales_channel}}};

inline constexpr std::array<std::pair<number_field, std::optional<money> event_order::*>, 6>
    order_amount_members{{{number_field::discount, &event_order::discount},
                          {number_field::tax, &event_order::tax},
                          {number_field::shipping, &event_order::shipping},
                          {number_field::total, &event_order::total},
                          {number_field::subtotal, &event_order::subtotal},
                          {number_field::amount, &event_order::amount}}};

inline constexpr std::array<std::string_view order_item::*, item_fields> item_text_members{
    &order_item::id,       &order_item::sku,   &order_item::name,
    &order_item::category, &order_item::brand, &order_item::variant};

/// What a number is where its column is left out.
[[nodiscard]] constexpr std::int64_t absent_value(number_field f) {
  if (f == number_field::sent_at) return no_number;
  if (f >= number_field::discount && f <= number_field::amount) return no_number;
  return f == number_field::count ? 1 : 0;
}

/// The column from which a number is told apart, if any.
[[nodiscard]] constexpr std::optional<number_field> base_of(number_field f) {
  if (f == number_field::received_at) return number_field::stamped_at;
  if (f == number_field::sent_at) return number_field::at;
  return std::nullopt;
}

}  // namespace tally::persistence

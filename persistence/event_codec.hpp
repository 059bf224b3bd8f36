#pragma once

#include <string>
#include <string_view>

#include "domain/event.hpp"
#include "domain/result.hpp"

namespace tally::persistence {

/// An event's bytes, made once by the gateway: what travels, what is stored, what is applied.
///
/// A MessagePack map with small integers as keys, ascending, absent fields left out:
///    0 merchant str      1 kind uint (absent: data)   2 id str        3 origin uint (absent:
///    client) 4 time_form uint (absent: none)   5 sent.at int ms (absent: `at`, or 0 where 4 is
///    absent) 6 sent.text str     7 at int ms (absent: 0) 8 received_at int ms, as the difference
///    to `at` (absent: 0) 9 name str, or uint for a standard name: 0 page_view 1 add_to_cart 2
///    checkout 3 purchase
///      4 refund         10 visitor str 11 user str    12 session str 13 url str  14 referrer str
///   15 title str        16 language    17 screen      18 country     19 device   20 browser
///   21 os               22 agent       23 network     24 props map   25 extra map
///   26 raw bin          27 count uint (absent: 1)     28 order map
/// The order map, the same way: 0 id 1 currency 2 coupon 3 payment_method 4 sales_channel
///    5 discount 6 tax 7 shipping 8 total 9 subtotal 10 amount (int millionths)
///   11 items array of maps: 0 id 1 sku 2 name 3 category 4 brand 5 variant
///      6 quantity int millionths (absent: 1'000'000) 7 price int millionths (absent: 0)
/// Unknown keys are skipped by this reader; unknown kinds, origins, forms and names are refused.
///
/// Appends to `out`. `props` and `extra` are copied as they are: each must be one whole MessagePack
/// map or empty, else the event will not decode. `order` is written where has_order.
void encode_event(const event& e, std::string& out);

/// Decodes one event, the keys of its properties included; texts point into `bytes`, standard names
/// into constants. `into` is cleared first and keeps its capacity. False where the bytes are torn,
/// malformed or more than one event; `into` then means nothing. Never reads outside `bytes`, never
/// recurses without a limit.
[[nodiscard]] bool decode_event(std::string_view bytes, event& into);

/// Only the merchant of an encoded event, without looking at the rest; empty where there is none.
[[nodiscard]] std::string_view peek_merchant(std::string_view bytes);
/// Its kind, without decoding the rest; `data` where the bytes are no event.
[[nodiscard]] event_kind peek_kind(std::string_view bytes);

/// True for exactly one whole MessagePack map: what `props` and `extra` of an event must be.
[[nodiscard]] bool is_whole_map(std::string_view bytes);

}  // namespace tally::persistence

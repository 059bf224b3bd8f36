#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "domain/client_time.hpp"
#include "domain/money.hpp"
#include "domain/time.hpp"

namespace tally {

/// What a journal entry is. Numbers rest on disk: append only.
enum class event_kind : std::uint8_t {
  data = 0,       // something happened at the shop
  rejected = 1,   // a refused event of a known merchant: `name` is the code, `title` the detail,
                  // `raw` up to 4 KiB of what was sent, `count` how many alike
  settings = 2,   // the merchant's zone (`title`) and currency (`order.currency`) from here on;
                  // only the first one of a merchant, before any data, takes effect
  identify = 3,   // visitor `visitor` is user `user`; traits in `props`
  promotion = 4,  // questions see generation `count` from here on; counts nothing
  registry = 5,   // `raw`: settings and keys that every copy of the shard keeps; counts nothing
};

/// Where the id came from; decides how long a repeat is recognised. Numbers rest on disk.
enum class id_origin : std::uint8_t { client = 0, minted = 1 };

/// One line of an order.
struct order_item {
  std::string_view id, sku, name, category, brand, variant;
  money quantity{1'000'000};  // a decimal of 6 places, not negative
  money price;                // of one unit
};

/// The commerce part of an event. Texts are not owned.
struct event_order {
  std::string_view id, currency, coupon, payment_method, sales_channel;
  std::optional<money> discount, tax, shipping, total, subtotal, amount;
  std::vector<order_item> items;
};

/// One entry of the journal: immutable once journaled. Every text points into a buffer that the
/// holder keeps alive (the request body while parsing, the chunk while applying). Empty means
/// absent. `clear()` keeps the capacity of its vectors, so one object serves many events.
struct event {
  event_kind kind = event_kind::data;
  std::string_view merchant;
  std::string_view id;
  id_origin origin = id_origin::client;
  client_time sent;          // the client's own timestamp, as sent
  event_time at{};           // when it happened: `sent.at`, corrected where the protocol says so
  event_time received_at{};  // the gateway's clock
  std::string_view name;     // page_view, add_to_cart, checkout, purchase, refund, or custom
  std::string_view visitor, user, session;
  std::string_view url, referrer, title, language, screen, country, device, browser, os;
  std::string_view agent;    // user agent text, as a header or a trusted field gave it
  std::string_view network;  // class of the client's address (such as its /24); never the address
  std::string_view props;    // a MessagePack map, or empty
  std::string_view extra;    // unknown top-level fields, a MessagePack map, or empty
  std::vector<std::string_view> property_keys;  // of props and extra; filled by decoding
  std::string_view raw;                         // see event_kind::rejected
  std::uint32_t count = 1;                      // see event_kind::rejected
  bool has_order = false;
  event_order order;

  void clear() {
    auto kept = std::move(order.items);
    auto kept_keys = std::move(property_keys);
    kept.clear();
    kept_keys.clear();
    *this = event{};
    order.items = std::move(kept);
    property_keys = std::move(kept_keys);
  }
};

/// True for 1 to 64 characters of [A-Za-z0-9._-].
[[nodiscard]] constexpr bool is_merchant_id(std::string_view id) {
  constexpr auto is_good = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !id.empty() && id.size() <= 64 && std::all_of(id.begin(), id.end(), is_good);
}

}  // namespace tally

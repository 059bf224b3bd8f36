#pragma once

#include <deque>
#include <random>
#include <string>
#include <vector>

#include "domain/event.hpp"
#include "persistence/event_codec.hpp"

namespace tally::testing {

/// An encoded event with its place in the journal.
struct placed_event {
  std::string bytes;
  std::uint64_t offset = 0;
  event_time stamped_at{};
};

/// Random but believable events of one merchant: visitors that come back, carts, orders, refunds,
/// late events and repeats. The same seed gives the same events.
inline std::vector<placed_event> random_events(std::uint32_t seed, std::size_t count) {
  std::mt19937 random{seed};
  const auto pick = [&](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
  std::vector<placed_event> events;
  std::int64_t now = 1'700'000'000'000 + pick(1'000'000'000);
  const std::uint32_t visitors = 1 + pick(40);
  std::uint64_t offset = 0;
  for (std::size_t i = 0; i < count; ++i) {
    now += pick(pick(10) == 0 ? 3'000'000 : 60'000);
    offset += 1 + pick(3);  // other merchants of the shard in between
    if (!events.empty() && pick(20) == 0) {
      auto again = events[pick(static_cast<std::uint32_t>(events.size()))];
      again.offset = offset;
      again.stamped_at = time_from_ms(now);
      events.push_back(again);
      continue;
    }
    event e;
    const auto id = "e" + std::to_string(seed) + "-" + std::to_string(i);
    const auto visitor = "v" + std::to_string(pick(visitors));
    const std::string names[] = {"page_view", "page_view", "page_view",  "add_to_cart", "checkout",
                                 "purchase",  "refund",    "newsletter", "engagement"};
    const auto& name = names[pick(9)];
    const std::int64_t late = pick(15) == 0 ? pick(40'000'000) : pick(6) == 0 ? pick(3'000'000) : 0;
    e.merchant = "shop";
    e.id = id;
    e.name = name;
    if (pick(12) != 0) e.visitor = visitor;
    if (pick(4) == 0) e.user = visitor;
    e.at = time_from_ms(now - late);
    if (pick(5) != 0) e.sent = client_time_from_ms(now - late);
    e.received_at = time_from_ms(now);
    if (name == "purchase" || name == "refund") {
      e.has_order = true;
      e.order.id = id;
      e.order.currency = pick(4) == 0 ? "USD" : "EUR";
      e.order.amount = money{static_cast<std::int64_t>(pick(100'000'000))};
      order_item item;
      item.id = "p1";
      item.quantity = money{static_cast<std::int64_t>(pick(5)) * 1'000'000};
      item.price = money{static_cast<std::int64_t>(pick(99'999'999))};
      if (pick(3) != 0) e.order.items.push_back(item);
      e.order.tax = money{static_cast<std::int64_t>(pick(1'000'000))};
    }
    placed_event placed;
    persistence::encode_event(e, placed.bytes);
    placed.offset = offset;
    placed.stamped_at = time_from_ms(now);
    events.push_back(std::move(placed));
  }
  return events;
}

}  // namespace tally::testing

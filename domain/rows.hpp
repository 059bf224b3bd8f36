#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "domain/bucket.hpp"
#include "domain/bytes.hpp"
#include "domain/lag_histogram.hpp"
#include "domain/money.hpp"
#include "domain/reason_counts.hpp"
#include "domain/unique_set.hpp"

namespace tally {

/// Kinds of totals rows. Numbers rest on disk: append only.
enum class row_kind : std::uint8_t { traffic = 1, commerce = 2, name = 3, operations = 4 };

/// Visits, bounces and what visits led to belong to the bucket of the visit's first event; events,
/// pageviews and visitors to the bucket of each event. Deltas may be negative: a late event that
/// joins two visits takes one back.
struct traffic_row {
  std::int64_t events = 0, pageviews = 0;
  std::int64_t visits = 0, bounces = 0, visit_pageviews = 0, visit_ms = 0;
  std::int64_t with_cart = 0, with_checkout = 0, with_purchase = 0;  // visits with such an event
  std::int64_t cart_then_checkout = 0;  // visits with cart and checkout
  std::int64_t completed = 0;           // visits with cart, checkout and purchase
  std::int64_t abandoned = 0;           // visits with cart and no purchase
  unique_set visitors;
  bool operator==(const traffic_row&) const = default;
};

/// Money of one currency, in millionths.
struct commerce_row {
  std::int64_t orders = 0, refund_events = 0;
  money_sum units = 0, gross_sales = 0, discounts = 0, refunds = 0, tax = 0, shipping = 0;
  unique_set customers;
  bool operator==(const commerce_row&) const = default;
};

/// One event name.
struct name_row {
  std::int64_t events = 0;
  unique_set visitors;
  bool operator==(const name_row&) const = default;
};

/// The ledger of a bucket of receipt time.
struct operations_row {
  std::int64_t accepted = 0, duplicate = 0, late = 0;
  reason_counts rejected;  // by code
  reason_counts filtered;  // by ruleset reason
  lag_histogram lag;       // received_at - at of accepted events
  bool operator==(const operations_row&) const = default;
};

/// Changes of a traffic row since a snapshot, small since there are so many of them: one cache line
/// with its place. Each of its `changes` moves a counter by one at most, so none overflows.
struct traffic_delta {
  std::int64_t visit_pageviews = 0, visit_ms = 0;
  unique_set visitors;
  std::int16_t events = 0, pageviews = 0, visits = 0, bounces = 0;
  std::int16_t with_cart = 0, with_checkout = 0, with_purchase = 0;
  std::int16_t cart_then_checkout = 0, completed = 0, abandoned = 0;
  std::uint16_t changes = 0;
  [[nodiscard]] bool full() const { return changes >= 30'000; }
};

/// Changes of a name row since a snapshot.
struct name_delta {
  unique_set visitors;
  std::uint32_t events = 0;
  [[nodiscard]] bool full() const { return events == ~std::uint32_t{0}; }
};

/// Combines partial rows. Associative and commutative; an empty row is neutral.
void merge(traffic_row& into, const traffic_row& from);
void merge(commerce_row& into, const commerce_row& from);
void merge(name_row& into, const name_row& from);
void merge(operations_row& into, const operations_row& from);
void merge(traffic_row& into, const traffic_delta& from);
void merge(name_row& into, const name_delta& from);

/// Byte form: version u8 = 1, counters as zigzag varints in the order of declaration, then the
/// sketches; the maps of operations_row as count, then name and value, sorted by name. Decoding
/// replaces `row`; bytes that encode() cannot have written fail the reader, and `row` then means
/// nothing. It leaves what follows the row to the caller.
void encode(byte_writer& out, const traffic_row& row);
void encode(byte_writer& out, const commerce_row& row);
void encode(byte_writer& out, const name_row& row);
void encode(byte_writer& out, const operations_row& row);
void decode(byte_reader& in, traffic_row& row);
void decode(byte_reader& in, commerce_row& row);
void decode(byte_reader& in, name_row& row);
void decode(byte_reader& in, operations_row& row);

/// Merges encoded rows of one kind: what the database does when deltas meet. No bytes at all stand
/// for the empty row. False on bytes that do not decode; `into` is then unchanged.
[[nodiscard]] bool merge_encoded(row_kind kind, std::string& into, std::string_view from);

}  // namespace tally

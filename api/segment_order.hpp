#pragma once

#include "api/ingest_event.hpp"

namespace tally::api {

/// The standard name of an ecommerce event ("Order Completed" is "purchase"), else the name itself.
[[nodiscard]] std::string_view standard_name(std::string_view segment_event);

/// True for the standard names whose properties tell of an order.
[[nodiscard]] bool has_order_properties(std::string_view name);

/// Reads the commerce part of a track call's properties into scratch.e.order, for an event with one
/// of these names; what is not used goes to scratch.rest, unknown fields of products to
/// scratch.extras under their full name.
///
/// order_id, currency (in capitals), coupon, payment_method, total, tax, shipping, discount, and
/// the products (product_id or id, sku, name, category, brand, variant, price, quantity); for
/// add_to_cart without products the properties themselves are the one product.
/// Segment's subtotal is after discounts and ours before, so order.subtotal = subtotal + discount;
/// without subtotal and total it is revenue. A refund whose products have prices uses these, else
/// order.amount = total, else revenue, else subtotal.
bool read_segment_order(const json_node& properties, const ingest_limits& limits,
                        event_scratch& scratch, refusal& why);

}  // namespace tally::api

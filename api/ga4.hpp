#pragma once

#include "api/foreign_event.hpp"

namespace tally::api {

/// GA4's Measurement Protocol, `POST /mp/collect`, and `/debug/mp/collect`, which stores nothing.
///
/// - `measurement_id` (or `firebase_app_id`) is the alias; the api_secret is not looked at, since
///   the id alone may write by /g/collect too. `client_id` is the visitor, `user_id` the user,
///   `session_id` of the params the session; the time is the event's or the body's
///   timestamp_micros, at most 72 hours old.
/// - page_view, add_to_cart, begin_checkout, purchase and refund are what they say; `value` is what
///   was sold before tax and shipping where no item has a price.
/// - Always 204. Over 25 events, or an event that cannot be read: refused, and seen in the ledger.
[[nodiscard]] foreign_result parse_ga4(const foreign_call& call);

/// The browser's `GET` or `POST /g/collect`: one event in the query, or one a line of the body with
/// the query's fields standing in. `tid` is the alias, `cid` the visitor. Always 204.
[[nodiscard]] foreign_result parse_gtag(const foreign_call& call);

}  // namespace tally::api

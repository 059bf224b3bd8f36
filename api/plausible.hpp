#pragma once

#include "api/foreign_event.hpp"

namespace tally::api {

/// Plausible's `POST /api/event`. The body is a JSON object whatever its Content-Type says.
///
/// - A pageview becomes page_view, another name an event of that name; one event for each site of
///   `domain` (or of the URL's host where there is no domain).
/// - The visitor is named by address and agent. `url` is kept without its fragment unless
///   `hashMode` is set.
/// - `revenue` is the total of an order, of a refund what it gives back; a prop `order_id` is the
///   order's id. A revenue that cannot be read is ignored.
/// - Props are scalars; blank ones are dropped. `engagement` events are answered and not kept.
/// - 202 `ok`; with `x-plausible-dropped` for sites that no merchant has as alias; 400 with
///   `errors` by field.
[[nodiscard]] foreign_result parse_plausible(const foreign_call& call);

}  // namespace tally::api

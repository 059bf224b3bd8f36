#pragma once

#include "api/foreign_event.hpp"

namespace tally::api {

/// Umami's `POST /api/send` and, an array of the same objects, `/api/batch`.
///
/// - A payload without `name` is a page_view, with one an event of that name, of type identify a
///   control event with `data` as traits. The `website` is an alias. Measurements (type
///   performance) are answered and not kept; links and pixels are refused.
/// - The visitor is named by address and agent; `id` is the user. `data.revenue` with
///   `data.currency` is the total of an order, `data.order_id` its id.
/// - `ip`, `userAgent` and `timestamp` are believed of a platform key only, which a server sends as
///   `Authorization: Bearer KEY`; else ignored.
/// - 200 with `cache`, `sessionId` and `visitId`, which are made of the visitor's name; 400 with an
///   `error`. A batch answers 200 with the errors by index.
[[nodiscard]] foreign_result parse_umami(const foreign_call& call);

}  // namespace tally::api

#pragma once

#include "api/ingest_event.hpp"

namespace tally::api {

/// Reads a native `order` object into scratch.e.order. Unknown fields go to scratch.extras under
/// their full name ("order.items[0].color").
bool read_order(const json_node& value, const ingest_limits& limits, event_scratch& scratch,
                refusal& why);

/// What an order's numbers must keep: no negative quantity (`bad_quantity`), a refund positive
/// with items or an amount (`bad_amount`), no sum beyond amount_millionths_max
/// (`amount_overflow`). `where` names the order and `lines` its items in messages.
bool check_order(const event& e, std::string_view where, std::string_view lines, refusal& why);

}  // namespace tally::api

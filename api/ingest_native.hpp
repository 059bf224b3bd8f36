#pragma once

#include <string>

#include "api/ingest_types.hpp"

namespace tally::api {

/// Reads the body of POST /v1/events: one JSON object, a JSON array, NDJSON, or MessagePack (an
/// array or a stream of maps). The form is found from the body. `body` may be given more capacity
/// (json_reader::padding behind its end); its content stays. May be called from any thread.
///
/// An array or a single object that is not well-formed is unreadable as a whole (400, bad_json or
/// bad_msgpack). In NDJSON and MessagePack streams a bad line or object is rejected by its index;
/// a MessagePack stream ends where its bytes cannot be followed, as one rejected event.
/// More than events_max events are 413 too_many_events.
///
/// Codes of rejected events: bad_json, bad_msgpack, bad_type, missing_name, bad_name, bad_id,
/// bad_at, at_in_future, at_too_old, bad_merchant, bad_props, too_deep, too_long, too_large,
/// bad_amount, bad_quantity, bad_currency, amount_overflow.
///
/// Where an unknown field goes: into the event's `extra`, inside an order under its full name.
/// Only a platform key sets device, browser, os, country, agent, ip and received_at; with another
/// key these fields are dropped and a `merchant` other than the key's is bad_merchant. Title,
/// referrer and the like are cut to hint_bytes_max; what identifies (id, name, visitor, user,
/// session, url, an order's texts) is refused when too long. Texts may be integers.
[[nodiscard]] ingest_result parse_native(std::string& body, const ingest_context& context);

}  // namespace tally::api

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/ingest_types.hpp"

namespace tally::api {

/// What a Segment request sends: `batch` mixes the others.
enum class segment_call : std::uint8_t { batch, track, page, screen, identify, group, alias };

/// "/v1/track" and the browser's short "/v1/t", without a query; nothing for any other path.
[[nodiscard]] std::optional<segment_call> segment_call_of(std::string_view path);

/// The text of a top-level `writeKey`, without reading the rest: empty where there is none or the
/// body is no JSON object. Points into `body`.
[[nodiscard]] std::string_view find_write_key(std::string_view body);

/// Reads the body of a Segment request. Only a body that is no well-formed JSON object, or a batch
/// without an array `batch`, is unreadable (400); a bad message is rejected by its index, and so
/// are messages beyond segment_events_max (too_many_events). Capacity of `body` and threads: as
/// parse_native.
///
/// - track becomes an event of that name; Product Added, Checkout Started, Order Completed and
///   Order Refunded become add_to_cart, checkout, purchase and refund with an order
///   (segment_order.hpp). page becomes page_view, screen, group and alias events of these names,
///   identify a control event with its traits as props.
/// - visitor is anonymousId, else userId; user is userId; session is context.sessionId.
/// - The client's timestamp (originalTimestamp, else timestamp) is what a repeat is recognised by;
///   `at` is corrected for the client's clock: now - (sentAt - timestamp) where sentAt is readable.
/// - url, referrer and title come from a page's properties, else from context.page; context of the
///   batch stands in for what a message's context lacks. userAgent goes before the header; ip is
///   believed of a platform key only. campaign is appended to a url without utm parameters, and
///   kept as `campaign` in `extra` where there is no url; timezone is kept there too. Other context
///   and integrations are not kept. What clients collect by themselves is cut or left out where it
///   is too long or no text, never a reason to refuse.
/// - A platform key's messages name their `merchant`, in the message or beside the batch.
/// - Codes: those of parse_native, too_many_events.
[[nodiscard]] ingest_result parse_segment(segment_call call, std::string& body,
                                          const ingest_context& context);

}  // namespace tally::api

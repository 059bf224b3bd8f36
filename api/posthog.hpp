#pragma once

#include "api/foreign_event.hpp"

namespace tally::api {

/// PostHog's `POST /batch/`, `/i/v0/e` and `/capture/`: a batch, one event, or an array of events.
///
/// - `api_key` (or `token`, also inside an event's properties) is the alias, or a write key.
/// - $pageview becomes page_view, $identify and $set control events with the person's properties as
///   traits, names of Segment's commerce events what they are there, with the same properties;
///   another name an event of that name. Properties that begin with `$` are PostHog's own: those
///   that have a field here are used, the rest is not kept.
/// - `uuid` is the id, `timestamp` the client's time, corrected by `sent_at` as Segment does unless
///   the batch is a `historical_migration`. `distinct_id` is the visitor, or, where a $device_id
///   stands beside it or it is $is_identified, the user.
/// - 200 `{"status":1}`; 400 for a body that cannot be read, 401 for an unknown key.
[[nodiscard]] foreign_result parse_posthog(const foreign_call& call);

}  // namespace tally::api

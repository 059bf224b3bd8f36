#pragma once

#include "api/ingest_event.hpp"
#include "api/segment.hpp"

namespace tally::api {

/// What a batch says of all its messages; each may be null. Looked up once: a message must not cost
/// more because the batch around it is large.
struct segment_envelope {
  const json_node* context = nullptr;  // an object with few fields
  const json_node* sent_at = nullptr;
  const json_node* merchant = nullptr;

  static segment_envelope of(const json_node& batch);
};

/// A message of known kind.
struct segment_message {
  const json_node& node;
  const segment_envelope& envelope;
  segment_call call;
};

/// Reads one message into scratch.e, whose merchant is set. As read_native_event.
bool read_segment_message(const segment_message& message, const ingest_context& context,
                          std::uint32_t index, event_scratch& scratch, refusal& why);

}  // namespace tally::api

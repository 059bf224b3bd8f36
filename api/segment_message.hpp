#pragma once

#include "api/ingest_event.hpp"
#include "api/segment.hpp"

namespace tally::api {

/// A message of known kind, and the batch around it or null.
struct segment_message {
  const json_node& node;
  const json_node* envelope;
  segment_call call;
};

/// Reads one message into scratch.e, whose merchant is set. As read_native_event.
bool read_segment_message(const segment_message& message, const ingest_context& context,
                          std::uint32_t index, event_scratch& scratch, refusal& why);

}  // namespace tally::api

#pragma once

#include "api/ingest_event.hpp"

namespace tally::api {

/// Reads one native event into scratch.e; its texts point into the node, its tree and `scratch`.
/// False with the refusal filled; scratch.e.merchant is then set where it is known.
bool read_native_event(const json_node& node, const ingest_context& context, std::uint32_t index,
                       event_scratch& scratch, refusal& why);

}  // namespace tally::api

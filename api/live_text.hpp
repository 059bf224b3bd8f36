#pragma once

#include <string>
#include <string_view>

#include "actors/live_feed.hpp"

namespace tally::api {

/// The answer of GET /v1/live, and the message that subscribers get: JSON without line breaks.
[[nodiscard]] std::string live_json(std::string_view merchant, const actors::live_snapshot& now);

/// One message of a stream of events: `id` is the offset.
[[nodiscard]] std::string live_sse(std::uint64_t offset, std::string_view json);

}  // namespace tally::api

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/ingest_types.hpp"

namespace tally::api {

/// {"accepted": 998, "duplicate": 1, "rejected": [{"index", "code", "detail"}], "ack": "..."},
/// rejected events by index. `retry_after_ms`, where not 0, is added to those with `over_quota`.
[[nodiscard]] std::string receipt_json(std::uint64_t accepted, std::uint64_t duplicate,
                                       const std::vector<rejected_event>& rejected,
                                       std::string_view ack, std::uint32_t retry_after_ms = 0);

/// {"pending": n, "rejected": [...], "ack": "..."}: durable, not yet visible.
[[nodiscard]] std::string pending_json(std::uint64_t pending,
                                       const std::vector<rejected_event>& rejected,
                                       std::string_view ack);

}  // namespace tally::api

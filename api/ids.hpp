#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tally::api {

/// A new random id: 26 characters of base32, 128 random bits. Unique, not secret. May be called
/// from any thread.
[[nodiscard]] std::string mint_id();

/// The id of the event at `index` of a request with an Idempotency-Key: 32 hex digits, the same for
/// every repeat.
[[nodiscard]] std::string repeatable_id(std::string_view idempotency_key, std::uint32_t index);

}  // namespace tally::api

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "domain/result.hpp"

namespace tally::api {

/// One message of /v1/stream, taken apart.
struct stream_message {
  std::optional<std::uint64_t> seq;  // the client's own number
  std::string key, idempotency_key;
  std::string body;  // as POST /v1/events takes it
};

constexpr std::uint64_t stream_seq_max = (1ull << 53) - 1;  // what every client can count to

/// An object or MessagePack map with no members but `seq`, `events`, `key` and `idempotency_key` is
/// an envelope; anything else is a body itself. The events are not looked at. bad_request where a
/// member of an envelope is of the wrong type, too large or there twice.
result<stream_message> read_stream_message(std::string&& message);

}  // namespace tally::api

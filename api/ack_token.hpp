#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/engine.hpp"

namespace tally::api {

/// An ack token: where a query must have got to in order to see what was acknowledged. Base64url
/// text without padding of
///   0  format version, 1    then varint count, then per position, by rising shard:
///   varint shard - previous shard (the first: shard), varint offset    last 4: xxh3 of the above
/// Positions may come in any order; of several of one shard the largest offset counts.
[[nodiscard]] std::string encode_ack(std::vector<actors::ack_position> positions);

/// Nothing where the text was not made by encode_ack.
[[nodiscard]] std::optional<std::vector<actors::ack_position>> decode_ack(std::string_view token);

}  // namespace tally::api

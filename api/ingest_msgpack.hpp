#pragma once

#include <optional>
#include <string_view>

#include "api/json_tree.hpp"

namespace tally::api {

/// What is left of a MessagePack body.
struct msgpack_input {
  std::string_view bytes;
  std::size_t at = 0;

  [[nodiscard]] bool at_end() const { return at >= bytes.size(); }
};

/// Reads the header of an array and its number of elements; nothing where `in` is not at one.
std::optional<std::uint32_t> read_array_header(msgpack_input& in);

/// Reads the value at in.at into a tree and moves behind it. A fault means that the bytes cannot be
/// followed any further. Numbers become decimal text, of a float the shortest that reads back.
///
/// What MessagePack can say and JSON cannot (binary, extension types, keys that are no text, text
/// that is not UTF-8, floats that are not finite) sets `objection`, and reading goes on.
std::optional<json_fault> read_msgpack(msgpack_input& in, json_tree& into,
                                       std::string_view& objection);

}  // namespace tally::api

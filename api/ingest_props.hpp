#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/json_tree.hpp"

namespace tally::api {

/// MessagePack writing, shortest form.
void pack_map(std::string& out, std::size_t fields);
void pack_text(std::string& out, std::string_view text);

/// A JSON value as MessagePack. Nothing of a number is lost: an integer of 64 bits is an integer;
/// another number is a double where the double's shortest decimal text has the same value, else
/// its text as written. Objects keep their order and repeated keys.
void pack_value(std::string& out, const json_node& value);

/// Fields to be packed as one map.
using field_list = std::vector<std::pair<std::string_view, const json_node*>>;
void pack_fields(std::string& out, const field_list& fields);

}  // namespace tally::api

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "domain/result.hpp"
#include "persistence/journal.hpp"

namespace tally::persistence {

/// Records of the merchants family as one event carries them (event_kind::registry, `raw`):
///   0  format version, 1    then per record its key and its value, each with a varint length
[[nodiscard]] std::string encode_records(const std::vector<record>& records);
[[nodiscard]] result<std::vector<record>> decode_records(std::string_view bytes);

}  // namespace tally::persistence

#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "persistence/generation_store.hpp"

namespace tally::persistence {

/// The generations that a merchant was served by before the one that serves, the newest last: where
/// a rollback goes. Part of its serving record; not_found where it has none.
result<std::vector<std::uint32_t>> find_below(const journal& log, std::string_view merchant);

/// As many are remembered, the oldest are forgotten.
constexpr std::size_t generations_below_max = 32;

/// A serving record with them.
[[nodiscard]] record to_record(std::string_view merchant, const serving_record& s,
                               const std::vector<std::uint32_t>& below);

/// The same for merchants without a record that began with a generation, from the list of all that
/// new merchants ever began with.
[[nodiscard]] std::vector<std::uint32_t> below_default(const std::vector<std::uint32_t>& defaults,
                                                       std::uint32_t generation);

}  // namespace tally::persistence

#pragma once

#include <cstdint>
#include <string_view>

namespace tally::persistence {

/// CRC-32C (Castagnoli) of `bytes`: "123456789" gives 0xE3069283. With the crc of what came before
/// as `seed` it goes on from there. The processor's instruction where there is one, else a table.
/// Any thread.
[[nodiscard]] std::uint32_t crc32c(std::string_view bytes, std::uint32_t seed = 0);

/// The same by table on every processor; for tests.
[[nodiscard]] std::uint32_t crc32c_by_table(std::string_view bytes, std::uint32_t seed = 0);

}  // namespace tally::persistence

#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

/// What libFuzzer calls, from one thread. `data` ends exactly at `size`, so a read past it is seen.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace tally::testing {

inline std::string_view as_bytes(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace tally::testing

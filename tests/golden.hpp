#pragma once

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace tally::testing {

/// Bytes that an earlier build wrote, from tests/<path>; empty where there is no such file. With
/// TALLY_WRITE_GOLDEN=1 in the environment a missing file is written first, from `today`.
inline std::string golden(const std::string& path, std::string_view today) {
  const auto file = std::string{SOURCE_ROOT} + "/tests/" + path;
  if (std::getenv("TALLY_WRITE_GOLDEN") != nullptr && !std::ifstream{file}) {
    std::ofstream{file, std::ios::binary} << today;
  }
  std::ifstream in{file, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

}  // namespace tally::testing

#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "domain/ensure.hpp"

namespace tally::testing {

/// A folder of its own for one test; gone with the object.
class temp_folder {
 public:
  temp_folder() {
    auto pattern = (std::filesystem::temp_directory_path() / "tally-test-XXXXXX").string();
    ensure(::mkdtemp(pattern.data()) != nullptr, "no temporary folder");
    path_ = pattern;
  }
  temp_folder(const temp_folder&) = delete;
  temp_folder& operator=(const temp_folder&) = delete;
  ~temp_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] std::string operator/(const std::string& name) const {
    return (path_ / name).string();
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// What a power cut or kill would leave of `from`, as of now.
/// Also of a folder in use: where a file vanishes meanwhile the copy begins anew.
inline void copy_folder(const std::string& from, const std::string& to) {
  std::error_code vanished;
  for (int i = 0; i < 20; ++i) {
    std::filesystem::remove_all(to);
    std::filesystem::copy(from, to, std::filesystem::copy_options::recursive, vanished);
    if (!vanished) return;
  }
  throw std::filesystem::filesystem_error{"copy_folder", from, to, vanished};
}

}  // namespace tally::testing

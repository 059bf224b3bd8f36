#pragma once

#include <sys/types.h>
#include <zlib.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "domain/result.hpp"

namespace tally::api {

/// Bytes at the start of a file by which its content is told from another's.
constexpr std::size_t head_bytes_max = 1'024;

/// Which file it is, whatever it is called now. A copy, packed or not, has the same head but
/// another inode; a file that was cut off and written anew has the same inode but another head.
struct file_identity {
  std::uint64_t device = 0, inode = 0;
  std::uint32_t head_bytes = 0;  // hashed: fewer than head_bytes_max where the file was shorter
  std::string head;              // hash of them; empty where there are none
};

/// The identity of a file whose content begins with `start`.
[[nodiscard]] file_identity identity_of(std::uint64_t device, std::uint64_t inode,
                                        std::string_view start);
/// Whether content that begins with `start` may be the file's, which may have grown since.
[[nodiscard]] bool begins_like(std::string_view start, const file_identity& file);

/// An open log, plain or gzip, read from its start to its end. A plain one may grow meanwhile.
class log_source {
 public:
  /// not_found where there is no such file, io_error where it cannot be read.
  static result<std::unique_ptr<log_source>> open(const std::string& path);
  ~log_source();
  log_source(const log_source&) = delete;
  log_source& operator=(const log_source&) = delete;

  struct facts {
    std::uint64_t device = 0, inode = 0, size = 0;  // size as on disk
    std::int64_t modified_ns = 0;
  };
  [[nodiscard]] result<facts> look() const;
  /// The content's first bytes, up to head_bytes_max.
  [[nodiscard]] std::string start() const;
  /// Up to `room.size()` bytes of content from `at`, which never falls below an earlier one. Empty
  /// at the end.
  result<std::string_view> read(std::uint64_t at, std::vector<char>& room);
  [[nodiscard]] bool is_packed() const { return packed_ != nullptr; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  log_source(std::string path, int file) : path_{std::move(path)}, file_{file} {}

  std::string path_;
  int file_ = -1;
  gzFile packed_ = nullptr;  // owns a duplicate of file_
};

/// A file beside a log that rotation made of it.
struct rotated_file {
  std::string path;
  std::int64_t modified_ns = 0;
};

/// Whether `name` is what rotation makes of a log's name: access.log.1, access.log-20261128.gz,
/// access-20261128.log, access.log.old.
[[nodiscard]] bool is_rotated_name(std::string_view name, std::string_view log_name);
/// Rotated files of the log at `path` that were changed at `since_ns` or later, oldest first.
[[nodiscard]] std::vector<rotated_file> list_rotated(const std::string& path,
                                                     std::int64_t since_ns);

}  // namespace tally::api

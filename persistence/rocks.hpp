#pragma once

#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/listener.h>
#include <rocksdb/slice.h>
#include <rocksdb/status.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/result.hpp"

/// What the three databases share in their dealings with RocksDB. Internal to persistence/.
namespace tally::persistence::rocks {

inline rocksdb::Slice slice(std::string_view s) {
  return {s.data(), s.size()};
}
inline std::string_view view(const rocksdb::Slice& s) {
  return {s.data(), s.size()};
}

/// Our failure for RocksDB's status; `what` names what was being done, and to which file.
[[nodiscard]] failure to_failure(const rocksdb::Status& s, std::string_view what);
[[nodiscard]] status to_status(const rocksdb::Status& s, std::string_view what);

/// Swallows RocksDB's own log: a database opened for reading only must not write one.
[[nodiscard]] std::shared_ptr<rocksdb::Logger> silent_logger();

/// The bytes with four bytes crc32c behind them.
[[nodiscard]] std::string with_crc(std::string_view bytes);
/// The bytes before the crc; nothing where it does not match.
[[nodiscard]] std::optional<std::string_view> without_crc(std::string_view bytes);

/// Whether a database lives in the directory.
[[nodiscard]] bool has_database(rocksdb::Env& env, const std::string& directory);

/// Makes the directory's entries durable.
[[nodiscard]] status sync_directory(rocksdb::Env& env, const std::string& directory);

/// Hard-linked checkpoint of a database in `directory`, which must not exist.
[[nodiscard]] status checkpoint(rocksdb::DB& db, const std::string& directory);

/// Remembers what went wrong in RocksDB's background threads. Thread-safe.
class error_watch : public rocksdb::EventListener {
 public:
  /// With `damage_is_local` a compaction that meets a damaged block does not end all writing: the
  /// block stays, reads of it fail, and the compaction is tried again every second.
  explicit error_watch(bool damage_is_local) : damage_is_local_{damage_is_local} {}

  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* s) override;
  void OnErrorRecoveryEnd(const rocksdb::BackgroundErrorRecoveryInfo& info) override;

  /// True from an error for want of space until RocksDB has recovered from it.
  [[nodiscard]] bool no_space() const { return no_space_; }
  /// The first error of another kind, empty while there was none.
  [[nodiscard]] std::string first_error() const;

 private:
  bool damage_is_local_;
  std::atomic<bool> no_space_{false};
  mutable std::mutex mutex_;
  std::string first_error_;
};

/// Exclusive use of a file by one process, and by one holder in it; ends with the object.
class file_lock {
 public:
  /// Creates the file where it is missing. Fails with locked, naming the path.
  static result<file_lock> take(const std::string& path);
  file_lock() = default;
  file_lock(file_lock&& other) noexcept;
  file_lock& operator=(file_lock&& other) noexcept;
  file_lock(const file_lock&) = delete;
  file_lock& operator=(const file_lock&) = delete;
  ~file_lock();

 private:
  int descriptor_ = -1;
};

}  // namespace tally::persistence::rocks

#pragma once

#include <rocksdb/file_system.h>

#include <atomic>
#include <memory>
#include <string>

/// Internal to persistence/.
namespace tally::persistence {

/// Keeps tables from being deleted for a while. An ingest whose record in the manifest could not be
/// synced counts as failed, and RocksDB deletes its files; but the record may be there after
/// reopening, and then names files that are gone: the database would never open again. What is kept
/// without need, opening removes.
class history_files : public rocksdb::FileSystemWrapper {
 public:
  explicit history_files(const std::shared_ptr<rocksdb::FileSystem>& base)
      : FileSystemWrapper{base} {}

  [[nodiscard]] const char* Name() const override { return "history_files"; }
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override {
    if (keep_tables && path.ends_with(".sst")) return rocksdb::IOStatus::OK();
    return target()->DeleteFile(path, options, debug);
  }

  std::atomic<bool> keep_tables{false};
};

}  // namespace tally::persistence

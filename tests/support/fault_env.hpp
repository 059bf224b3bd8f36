#pragma once

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace tally::testing {

enum class fault { io_error, no_space };

/// What is to go wrong. Calls that write, sync, create, rename or delete are numbered from 1.
struct fault_plan {
  std::uint64_t fail_at = 0;  // 0: never
  bool for_good = false;      // all calls from fail_at on fail, else that one only
  fault kind = fault::io_error;
  bool keep_unsynced = true;  // false: only synced bytes reach the file, as after a power cut
  std::string only = {};      // counts only calls on paths that end so
};

/// Counts the calls and decides which of them fails. Thread-safe; outlives its files.
class fault_control {
 public:
  explicit fault_control(fault_plan plan) : plan_{std::move(plan)} {}

  [[nodiscard]] bool keeps_unsynced() const { return plan_.keep_unsynced; }
  [[nodiscard]] std::uint64_t calls() const { return calls_; }
  [[nodiscard]] bool struck() const { return struck_; }
  void set_free_space(std::uint64_t bytes) { free_space_ = bytes; }
  [[nodiscard]] std::uint64_t free_space() const { return free_space_; }
  /// From now on every counted call fails for want of space, until called with false.
  void set_full(bool full) { full_ = full; }

  rocksdb::IOStatus next(const std::string& path) {
    if (!path.ends_with(plan_.only)) return rocksdb::IOStatus::OK();
    const auto n = ++calls_;
    if (full_) {
      struck_ = true;
      return rocksdb::IOStatus::NoSpace("injected", path);
    }
    if (plan_.fail_at == 0 || n < plan_.fail_at || (n > plan_.fail_at && !plan_.for_good))
      return rocksdb::IOStatus::OK();
    struck_ = true;
    return plan_.kind == fault::no_space ? rocksdb::IOStatus::NoSpace("injected", path)
                                         : rocksdb::IOStatus::IOError("injected", path);
  }

 private:
  fault_plan plan_;
  std::atomic<std::uint64_t> calls_{0};
  std::atomic<bool> struck_{false}, full_{false};
  std::atomic<std::uint64_t> free_space_{~std::uint64_t{0}};
};

/// Holds unsynced bytes back where the plan says so; fails where it says so, after half a write.
class fault_file : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  fault_file(std::unique_ptr<rocksdb::FSWritableFile> file, std::string path,
             fault_control& control)
      : FSWritableFileOwnerWrapper{std::move(file)}, path_{std::move(path)}, control_{control} {}

  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* debug) override {
    if (auto s = control_.next(path_); !s.ok()) {
      (void)write({data.data(), data.size() / 2}, options, debug);
      return s;
    }
    return write(data, options, debug);
  }
  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           const rocksdb::DataVerificationInfo&,
                           rocksdb::IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  rocksdb::IOStatus Sync(const rocksdb::IOOptions& options,
                         rocksdb::IODebugContext* debug) override {
    if (auto s = control_.next(path_); !s.ok()) return s;
    // No real sync: these tests cut no real power, and it would take most of their time.
    return release(options, debug);
  }
  rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                          rocksdb::IODebugContext* debug) override {
    return Sync(options, debug);
  }
  rocksdb::IOStatus RangeSync(std::uint64_t, std::uint64_t, const rocksdb::IOOptions&,
                              rocksdb::IODebugContext*) override {
    return rocksdb::IOStatus::OK();  // promises nothing
  }
  std::uint64_t GetFileSize(const rocksdb::IOOptions& options,
                            rocksdb::IODebugContext* debug) override {
    return target()->GetFileSize(options, debug) + held_.size();
  }

 private:
  rocksdb::IOStatus write(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                          rocksdb::IODebugContext* debug) {
    if (control_.keeps_unsynced()) return target()->Append(data, options, debug);
    held_.append(data.data(), data.size());
    return rocksdb::IOStatus::OK();
  }
  rocksdb::IOStatus release(const rocksdb::IOOptions& options, rocksdb::IODebugContext* debug) {
    if (held_.empty()) return rocksdb::IOStatus::OK();
    const auto bytes = std::exchange(held_, {});
    return target()->Append(bytes, options, debug);
  }

  std::string path_;
  fault_control& control_;
  std::string held_;
};

/// The same for a file that is written in place.
class fault_in_place_file : public rocksdb::FSRandomRWFileOwnerWrapper {
 public:
  fault_in_place_file(std::unique_ptr<rocksdb::FSRandomRWFile> file, std::string path,
                      fault_control& control)
      : FSRandomRWFileOwnerWrapper{std::move(file)}, path_{std::move(path)}, control_{control} {}

  rocksdb::IOStatus Write(std::uint64_t offset, const rocksdb::Slice& data,
                          const rocksdb::IOOptions& options,
                          rocksdb::IODebugContext* debug) override {
    auto s = control_.next(path_);
    const rocksdb::Slice written{data.data(), s.ok() ? data.size() : data.size() / 2};
    if (control_.keeps_unsynced()) {
      auto outcome = target()->Write(offset, written, options, debug);
      return s.ok() ? outcome : s;
    }
    held_ = {offset, written.ToString()};
    return s;
  }
  rocksdb::IOStatus Sync(const rocksdb::IOOptions& options,
                         rocksdb::IODebugContext* debug) override {
    if (auto s = control_.next(path_); !s.ok()) return s;
    if (held_) {
      const auto [offset, bytes] = *std::exchange(held_, std::nullopt);
      if (auto s = target()->Write(offset, bytes, options, debug); !s.ok()) return s;
    }
    return rocksdb::IOStatus::OK();
  }
  rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                          rocksdb::IODebugContext* debug) override {
    return Sync(options, debug);
  }

 private:
  std::string path_;
  fault_control& control_;
  std::optional<std::pair<std::uint64_t, std::string>> held_;
};

class fault_directory : public rocksdb::FSDirectory {
 public:
  fault_directory(std::string path, fault_control& control)
      : path_{std::move(path)}, control_{control} {}
  rocksdb::IOStatus Fsync(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
    return control_.next(path_);
  }
  rocksdb::IOStatus FsyncWithDirOptions(const rocksdb::IOOptions&, rocksdb::IODebugContext*,
                                        const rocksdb::DirFsyncOptions&) override {
    return control_.next(path_);
  }
  rocksdb::IOStatus Close(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
    return rocksdb::IOStatus::OK();
  }

 private:
  std::string path_;
  fault_control& control_;
};

class fault_file_system : public rocksdb::FileSystemWrapper {
 public:
  explicit fault_file_system(fault_control& control)
      : FileSystemWrapper{rocksdb::FileSystem::Default()}, control_{control} {}

  [[nodiscard]] const char* Name() const override { return "fault_file_system"; }

  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override {
    if (auto s = control_.next(path); !s.ok()) return s;
    return wrap(target()->NewWritableFile(path, options, file, debug), path, file);
  }
  rocksdb::IOStatus ReopenWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                       std::unique_ptr<rocksdb::FSWritableFile>* file,
                                       rocksdb::IODebugContext* debug) override {
    if (auto s = control_.next(path); !s.ok()) return s;
    return wrap(target()->ReopenWritableFile(path, options, file, debug), path, file);
  }
  rocksdb::IOStatus NewRandomRWFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSRandomRWFile>* file,
                                    rocksdb::IODebugContext* debug) override {
    if (auto s = control_.next(path); !s.ok()) return s;
    auto s = target()->NewRandomRWFile(path, options, file, debug);
    if (s.ok()) *file = std::make_unique<fault_in_place_file>(std::move(*file), path, control_);
    return s;
  }
  rocksdb::IOStatus NewDirectory(const std::string& path, const rocksdb::IOOptions&,
                                 std::unique_ptr<rocksdb::FSDirectory>* directory,
                                 rocksdb::IODebugContext*) override {
    *directory = std::make_unique<fault_directory>(path, control_);
    return rocksdb::IOStatus::OK();
  }
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override {
    if (auto s = control_.next(from); !s.ok()) return s;
    return target()->RenameFile(from, to, options, debug);
  }
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override {
    if (auto s = control_.next(path); !s.ok()) return s;
    return target()->DeleteFile(path, options, debug);
  }
  rocksdb::IOStatus GetFreeSpace(const std::string& path, const rocksdb::IOOptions& options,
                                 std::uint64_t* free, rocksdb::IODebugContext* debug) override {
    auto s = target()->GetFreeSpace(path, options, free, debug);
    *free = std::min<std::uint64_t>(*free, control_.free_space());
    return s;
  }

 private:
  rocksdb::IOStatus wrap(rocksdb::IOStatus s, const std::string& path,
                         std::unique_ptr<rocksdb::FSWritableFile>* file) {
    if (s.ok()) *file = std::make_unique<fault_file>(std::move(*file), path, control_);
    return s;
  }

  fault_control& control_;
};

/// An Env over the real file system whose calls fail as planned. Outlives what was opened with it.
class fault_env {
 public:
  explicit fault_env(fault_plan plan = {})
      : control_{std::move(plan)},
        env_{rocksdb::NewCompositeEnv(std::make_shared<fault_file_system>(control_))} {}

  [[nodiscard]] rocksdb::Env* get() { return env_.get(); }
  [[nodiscard]] fault_control& control() { return control_; }

 private:
  fault_control control_;
  std::unique_ptr<rocksdb::Env> env_;
};

}  // namespace tally::testing

#include "persistence/rocks.hpp"

#include <fcntl.h>
#include <rocksdb/utilities/checkpoint.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "domain/bytes.hpp"
#include "persistence/crc32c.hpp"

namespace tally::persistence::rocks {

namespace {

class no_logger : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

errc code_of(const rocksdb::Status& s) {
  if (s.IsCorruption()) return errc::corrupt_record;
  if (s.IsNotFound()) return errc::not_found;
  if (s.IsNoSpace()) return errc::disk_full;
  // RocksDB has no code for this; the text is the same since its first version.
  if (s.IsIOError() && s.ToString().find("lock ") != std::string::npos) return errc::locked;
  return errc::io_error;
}

}  // namespace

failure to_failure(const rocksdb::Status& s, std::string_view what) {
  return {code_of(s), std::string{what} + ": " + s.ToString()};
}

status to_status(const rocksdb::Status& s, std::string_view what) {
  if (s.ok()) return done{};
  return to_failure(s, what);
}

std::shared_ptr<rocksdb::Logger> silent_logger() {
  return std::make_shared<no_logger>();
}

std::string with_crc(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() + 4);
  out.append(bytes);
  byte_writer{out}.u32be(crc32c(bytes));
  return out;
}

std::optional<std::string_view> without_crc(std::string_view bytes) {
  if (bytes.size() < 4) return std::nullopt;
  const auto content = bytes.substr(0, bytes.size() - 4);
  if (byte_reader{bytes.substr(content.size())}.u32be() != crc32c(content)) return std::nullopt;
  return content;
}

bool has_database(rocksdb::Env& env, const std::string& directory) {
  return env.FileExists(directory + "/CURRENT").ok();
}

status sync_directory(rocksdb::Env& env, const std::string& directory) {
  std::unique_ptr<rocksdb::Directory> opened;
  if (auto s = env.NewDirectory(directory, &opened); !s.ok()) return to_failure(s, directory);
  return to_status(opened->Fsync(), directory);
}

status checkpoint(rocksdb::DB& db, const std::string& directory) {
  rocksdb::Checkpoint* made = nullptr;
  auto s = rocksdb::Checkpoint::Create(&db, &made);
  const std::unique_ptr<rocksdb::Checkpoint> owner{made};
  if (s.ok()) s = made->CreateCheckpoint(directory);
  return to_status(s, directory);
}

void error_watch::OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* s) {
  const bool compacting = reason == rocksdb::BackgroundErrorReason::kCompaction;
  if (damage_is_local_ && compacting && s->IsCorruption()) {
    *s = rocksdb::Status::OK();
    return;
  }
  if (s->IsNoSpace()) {
    no_space_ = true;
    return;
  }
  const std::scoped_lock hold{mutex_};
  if (first_error_.empty()) first_error_ = s->ToString();
}

void error_watch::OnErrorRecoveryEnd(const rocksdb::BackgroundErrorRecoveryInfo& info) {
  if (info.new_bg_error.ok()) no_space_ = false;
}

std::string error_watch::first_error() const {
  const std::scoped_lock hold{mutex_};
  return first_error_;
}

result<file_lock> file_lock::take(const std::string& path) {
  file_lock lock;
  lock.descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock.descriptor_ < 0) return failure{errc::io_error, path + ": " + std::strerror(errno)};
  if (::flock(lock.descriptor_, LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno == EWOULDBLOCK) return failure{errc::locked, path + " is held by another process"};
  return failure{errc::io_error, path + ": " + std::strerror(errno)};
}

file_lock::file_lock(file_lock&& other) noexcept
    : descriptor_{std::exchange(other.descriptor_, -1)} {}

file_lock& file_lock::operator=(file_lock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

file_lock::~file_lock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace tally::persistence::rocks

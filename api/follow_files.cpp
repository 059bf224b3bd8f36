#include "api/follow_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "api/import_lines.hpp"

namespace tally::api {

namespace {

std::int64_t modified_ns_of(const struct ::stat& about) {
  return std::int64_t{about.st_mtim.tv_sec} * 1'000'000'000 + about.st_mtim.tv_nsec;
}

/// The first bytes of an open file's content.
std::string first_bytes(int file, bool packed, std::size_t bytes) {
  std::string out(bytes, '\0');
  if (packed) {
    // Its own reader: the one that reads on must not be moved.
    const int copy =
        ::open(("/proc/self/fd/" + std::to_string(file)).c_str(), O_RDONLY | O_CLOEXEC);
    gzFile in = copy < 0 ? nullptr : ::gzdopen(copy, "rb");
    if (in == nullptr) {
      if (copy >= 0) ::close(copy);
      return {};
    }
    const int got = ::gzread(in, out.data(), static_cast<unsigned>(bytes));
    ::gzclose(in);
    out.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    return out;
  }
  const auto got = ::pread(file, out.data(), bytes, 0);
  out.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  return out;
}

bool has_stamp(std::string_view text) {
  constexpr std::string_view stamps = "0123456789TZ._-";
  if (text.empty() || text.find_first_of("0123456789") == std::string_view::npos) return false;
  return text.find_first_not_of(stamps) == std::string_view::npos;
}

}  // namespace

file_identity identity_of(std::uint64_t device, std::uint64_t inode, std::string_view start) {
  return {device, inode, static_cast<std::uint32_t>(start.size()),
          start.empty() ? std::string{} : hash_text(start)};
}

bool begins_like(std::string_view start, const file_identity& file) {
  if (file.head_bytes == 0 || start.size() < file.head_bytes) return false;
  return hash_text(start.substr(0, file.head_bytes)) == file.head;
}

result<std::unique_ptr<log_source>> log_source::open(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) {
    const auto code = errno == ENOENT ? errc::not_found : errc::io_error;
    return failure{code, path + ": " + std::strerror(errno)};
  }
  std::unique_ptr<log_source> made{new log_source{path, file}};
  struct ::stat about {};
  if (::fstat(file, &about) != 0 || !S_ISREG(about.st_mode)) {
    return failure{errc::io_error, path + ": no regular file"};
  }
  std::array<unsigned char, 2> magic{};
  const bool packed =
      ::pread(file, magic.data(), magic.size(), 0) == 2 && magic[0] == 0x1f && magic[1] == 0x8b;
  if (!packed) return made;
  const int copy = ::dup(file);
  made->packed_ = copy < 0 ? nullptr : ::gzdopen(copy, "rb");
  if (made->packed_ == nullptr) return failure{errc::io_error, path + ": cannot be unpacked"};
  return made;
}

log_source::~log_source() {
  if (packed_ != nullptr) ::gzclose(packed_);
  if (file_ >= 0) ::close(file_);
}

result<log_source::facts> log_source::look() const {
  struct ::stat about {};
  if (::fstat(file_, &about) != 0) {
    return failure{errc::io_error, path_ + ": " + std::strerror(errno)};
  }
  return facts{about.st_dev, about.st_ino, static_cast<std::uint64_t>(about.st_size),
               modified_ns_of(about)};
}

std::string log_source::start() const {
  return first_bytes(file_, is_packed(), head_bytes_max);
}

result<std::string_view> log_source::read(std::uint64_t at, std::vector<char>& room) {
  if (!is_packed()) {
    const auto got = ::pread(file_, room.data(), room.size(), static_cast<::off_t>(at));
    if (got < 0) return failure{errc::io_error, path_ + ": " + std::strerror(errno)};
    return std::string_view{room.data(), static_cast<std::size_t>(got)};
  }
  if (::gztell(packed_) != static_cast<::off_t>(at) &&
      ::gzseek(packed_, static_cast<::off_t>(at), SEEK_SET) < 0) {
    return failure{errc::io_error, path_ + ": cannot be unpacked"};
  }
  const int got = ::gzread(packed_, room.data(), static_cast<unsigned>(room.size()));
  int error = Z_OK;
  const char* text = ::gzerror(packed_, &error);
  if (got < 0 || (error != Z_OK && error != Z_STREAM_END)) {
    return failure{errc::io_error, path_ + ": " + text};
  }
  return std::string_view{room.data(), static_cast<std::size_t>(got)};
}

bool is_rotated_name(std::string_view name, std::string_view log_name) {
  if (name == log_name) return false;
  if (name.ends_with(".gz")) name.remove_suffix(3);
  constexpr std::string_view separators = ".-_";
  const auto fits = [&](std::string_view before, std::string_view behind) {
    if (!name.starts_with(before) || !name.ends_with(behind)) return false;
    if (name.size() <= before.size() + behind.size() + 1) return false;
    auto middle = name.substr(before.size(), name.size() - before.size() - behind.size());
    if (separators.find(middle.front()) == std::string_view::npos) return false;
    middle.remove_prefix(1);
    return has_stamp(middle) || middle == "old";
  };
  const auto dot = log_name.rfind('.');
  return fits(log_name, "") || (dot != std::string_view::npos && dot > 0 &&
                                fits(log_name.substr(0, dot), log_name.substr(dot)));
}

std::vector<rotated_file> list_rotated(const std::string& path, std::int64_t since_ns) {
  namespace fs = std::filesystem;
  const fs::path log{path};
  const auto folder = log.has_parent_path() ? log.parent_path() : fs::path{"."};
  std::vector<rotated_file> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator{folder, error}) {
    if (!is_rotated_name(entry.path().filename().string(), log.filename().string())) continue;
    struct ::stat about {};
    if (::stat(entry.path().c_str(), &about) != 0 || !S_ISREG(about.st_mode)) continue;
    const auto modified = modified_ns_of(about);
    if (modified >= since_ns) found.push_back({entry.path().string(), modified});
  }
  // Of equal age the higher number is the older file.
  std::ranges::sort(found, [](const rotated_file& a, const rotated_file& b) {
    return a.modified_ns != b.modified_ns ? a.modified_ns < b.modified_ns : a.path > b.path;
  });
  return found;
}

}  // namespace tally::api

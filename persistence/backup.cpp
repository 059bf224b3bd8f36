#include "persistence/backup.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <vector>

#include "persistence/crc32c.hpp"

namespace tally::persistence {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view first_line = "tally-backup 1";
constexpr const char* manifest_name = "BACKUP";
constexpr const char* unfinished_name = ".restoring";
constexpr std::size_t block_bytes = 1 << 20;

struct file_entry {
  std::uint64_t size = 0;
  std::uint32_t crc = 0;
  std::string path;  // below the backup's folder
};

failure io_failure(const std::string& path) {
  return {errno == ENOSPC ? errc::disk_full : errc::io_error, path + ": " + std::strerror(errno)};
}

std::string hex(std::uint32_t n) {
  std::array<char, 8> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), n, 16).ptr;
  return {digits.data(), end};
}

/// Reads a file block by block; gives its size and crc.
result<file_entry> read_file(const std::string& path,
                             const std::function<bool(std::string_view)>& f) {
  std::ifstream in{path, std::ios::binary};
  if (!in) return io_failure(path);
  file_entry e;
  std::string block(block_bytes, '\0');
  while (in.read(block.data(), static_cast<std::streamsize>(block.size())) || in.gcount() > 0) {
    const std::string_view part{block.data(), static_cast<std::size_t>(in.gcount())};
    e.size += part.size();
    e.crc = crc32c(part, e.crc);
    if (!f(part)) return io_failure(path);
  }
  if (in.bad()) return io_failure(path);
  return e;
}

status sync_path(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return io_failure(path);
  const bool synced = ::fsync(descriptor) == 0;
  const auto why = io_failure(path);
  ::close(descriptor);
  if (!synced) return why;
  return done{};
}

std::vector<std::string> files_below(const fs::path& directory) {
  std::vector<std::string> paths;
  std::error_code error;
  for (const auto& f : fs::recursive_directory_iterator{directory, error})
    if (f.is_regular_file(error)) paths.push_back(fs::relative(f.path(), directory).string());
  std::sort(paths.begin(), paths.end());
  return paths;
}

status write_manifest(const std::string& directory) {
  std::string text{std::string{first_line} + "\n"};
  for (const auto& path : files_below(directory)) {
    const auto e = read_file(directory + "/" + path, [](std::string_view) { return true; });
    if (!e) return e.error();
    text += std::to_string(e->size) + " " + hex(e->crc) + " " + path + "\n";
  }
  text += "end " + hex(crc32c(text)) + "\n";
  const auto path = directory + "/" + manifest_name;
  std::ofstream out{path, std::ios::binary};
  out << text;
  out.close();
  if (!out) return io_failure(path);
  if (auto s = sync_path(path); !s) return s;
  return sync_path(directory);
}

result<std::vector<file_entry>> read_manifest(const std::string& directory) {
  const auto path = directory + "/" + manifest_name;
  std::ifstream in{path, std::ios::binary};
  if (!in) return failure{errc::not_found, path};
  const failure damaged{errc::corrupt_record, path};
  std::string line, text;
  std::vector<file_entry> files;
  for (bool first = true; std::getline(in, line); first = false) {
    if (first && line != first_line)
      return line.starts_with("tally-backup ") ? failure{errc::unsupported, path + ": " + line}
                                               : damaged;
    if (line.starts_with("end ")) {
      if (line != "end " + hex(crc32c(text))) return damaged;
      return files;
    }
    text += line + "\n";
    if (first) continue;
    file_entry e;
    std::istringstream fields{line};
    fields >> e.size >> std::hex >> e.crc >> std::ws;
    if (!fields || !std::getline(fields, e.path)) return damaged;
    files.push_back(e);
  }
  return damaged;
}

/// Copies one file and checks it against its entry.
status copy_checked(const std::string& from, const std::string& to, const file_entry& expected) {
  std::error_code error;
  fs::create_directories(fs::path{to}.parent_path(), error);
  std::ofstream out{to, std::ios::binary};
  const auto e = read_file(from, [&](std::string_view part) {
    return static_cast<bool>(out.write(part.data(), static_cast<std::streamsize>(part.size())));
  });
  if (!e) return e.error();
  if (e->size != expected.size || e->crc != expected.crc)
    return failure{errc::corrupt_record, from + " differs from what BACKUP says of it"};
  out.close();
  if (!out) return io_failure(to);
  return sync_path(to);
}

/// Makes `data_dir` with an empty folder for what is being restored, and clears away what an
/// interrupted restore left: that folder, and what was already moved out of it.
status prepare_target(const fs::path& data_dir) {
  std::error_code error;
  fs::create_directories(data_dir, error);
  if (error) return failure{errc::io_error, data_dir.string() + ": " + error.message()};
  const bool interrupted = fs::exists(data_dir / unfinished_name);
  for (const auto& f : fs::directory_iterator{data_dir, error}) {
    const auto name = f.path().filename();
    if (!interrupted || (name != unfinished_name && name != "state" && name != "history"))
      return failure{errc::conflict, data_dir.string() + " is not empty"};
  }
  for (const auto* name : {"state", "history", unfinished_name})
    if (!error) fs::remove_all(data_dir / name, error);
  if (!error) fs::create_directories(data_dir / unfinished_name, error);
  if (error) return failure{errc::io_error, data_dir.string() + ": " + error.message()};
  return done{};
}

}  // namespace

status backup(const journal& log, const state_store& state, const std::string& directory,
              const history* past) {
  std::error_code error;
  if (fs::exists(directory)) return failure{errc::conflict, directory + " exists"};
  fs::create_directories(directory, error);
  if (error) return failure{errc::io_error, directory + ": " + error.message()};
  if (auto s = state.checkpoint(directory + "/state"); !s) return s;
  const auto sealed = past != nullptr ? past->sealed_round() : 0;
  if (past != nullptr)
    if (auto s = past->checkpoint(directory + "/history"); !s) return s;
  if (auto s = log.checkpoint(directory + "/journal"); !s) return s;
  if (log.first_round() > sealed + 1)
    return failure{errc::unavailable, "sealed rounds were dropped meanwhile: try again"};
  return write_manifest(directory);
}

status restore(const std::string& backup_dir, const std::string& data_dir) {
  const auto files = read_manifest(backup_dir);
  if (!files) return files.error();
  auto listed = std::vector<std::string>{manifest_name};
  for (const auto& e : *files) listed.push_back(e.path);
  std::sort(listed.begin(), listed.end());
  if (files_below(backup_dir) != listed)
    return failure{errc::corrupt_record, backup_dir + " has not the files that BACKUP names"};
  if (auto s = prepare_target(data_dir); !s) return s;

  const auto unfinished = data_dir + "/" + unfinished_name;
  for (const auto& e : *files)
    if (auto s = copy_checked(backup_dir + "/" + e.path, unfinished + "/" + e.path, e); !s)
      return s;
  journal_options options;
  options.path = unfinished + "/journal";
  options.reserve_bytes = 0;
  if (auto s = journal::renew_identity(options); !s) return s;

  // The journal last: without it nobody takes this for a data directory.
  for (const auto* part : {"state", "history", "journal"}) {
    std::error_code error;
    if (!fs::exists(unfinished + "/" + part)) continue;  // made before there was a history
    fs::rename(unfinished + "/" + part, data_dir + "/" + part, error);
    if (error) return failure{errc::io_error, data_dir + ": " + error.message()};
    if (auto s = sync_path(data_dir); !s) return s;
  }
  std::error_code ignored;
  fs::remove_all(unfinished, ignored);
  return done{};
}

}  // namespace tally::persistence

#include "config/token_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace tally::config {

namespace {

std::string data_path(const std::string& data_dir) {
  return data_dir + "/console.token";
}

failure refused(const std::string& path) {
  return {errc::io_error, path + ": " + std::strerror(errno)};
}

/// Under another name first, so that no reader sees half a token or an old file's wider mode.
status write_private(const std::string& path, const std::string& token) {
  const auto fresh = path + ".new";
  ::unlink(fresh.c_str());
  const int file = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return refused(fresh);
  const auto line = token + "\n";
  const auto written = ::write(file, line.data(), line.size());
  ::close(file);
  if (written != static_cast<ssize_t>(line.size())) return refused(fresh);
  if (::rename(fresh.c_str(), path.c_str()) != 0) return refused(path);
  return done{};
}

}  // namespace

std::string token_path(std::uint16_t port) {
  const char* state = std::getenv("XDG_STATE_HOME");
  const char* home = std::getenv("HOME");
  std::string folder = state != nullptr && *state != 0 ? state : "";
  if (folder.empty()) folder = std::string{home != nullptr ? home : "/tmp"} + "/.local/state";
  return folder + "/tally/console-" + std::to_string(port) + ".token";
}

status write_token(const std::string& data_dir, std::uint16_t port, const std::string& token) {
  if (auto written = write_private(data_path(data_dir), token); !written) return written;
  const auto path = token_path(port);
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path{path}.parent_path(), ignored);
  return write_private(path, token);
}

void remove_token(const std::string& data_dir, std::uint16_t port, const std::string& token) {
  for (const auto& path : {data_path(data_dir), token_path(port)}) {
    const auto held = read_token(path);
    if (held && *held == token) ::unlink(path.c_str());
  }
}

result<std::string> read_token(const std::string& path) {
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0) {
    return failure{errc::not_found, path + ": " + std::strerror(errno)};
  }
  if ((facts.st_mode & 077U) != 0) {
    return failure{errc::unauthorized, path + ": other users may read it (chmod 600)"};
  }
  std::ifstream in{path};
  std::string token;
  if (!std::getline(in, token) || token.empty()) {
    return failure{errc::not_found, path + ": holds no token"};
  }
  return token;
}

}  // namespace tally::config

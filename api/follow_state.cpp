#include "api/follow_state.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

namespace tally::api {

namespace {

using nlohmann::json;

constexpr int version = 1;
constexpr std::uintmax_t state_bytes_max = 64U << 20;

line_count line_count_of(const std::string& text) {
  line_count out;
  const auto* end = text.data() + text.size();
  const auto [dash, bad] = std::from_chars(text.data(), end, out.hash, 16);
  if (bad != std::errc{} || dash == end || *dash != '-') throw std::invalid_argument{text};
  const auto [last, wrong] = std::from_chars(dash + 1, end, out.count);
  if (wrong != std::errc{} || last != end) throw std::invalid_argument{text};
  return out;
}

std::string text_of(const line_count& line) {
  std::string out(17, '\0');
  const auto [end, _] = std::to_chars(out.data(), out.data() + out.size(), line.hash, 16);
  out.resize(static_cast<std::size_t>(end - out.data()));
  return out + "-" + std::to_string(line.count);
}

file_identity file_of(const json& from) {
  file_identity file;
  file.device = from.at("device").get<std::uint64_t>();
  file.inode = from.at("inode").get<std::uint64_t>();
  file.head_bytes = from.at("head_bytes").get<std::uint32_t>();
  file.head = from.at("head").get<std::string>();
  if (file.head_bytes > head_bytes_max) throw std::invalid_argument{"head_bytes"};
  return file;
}

json json_of(const file_identity& file) {
  return {{"device", file.device},
          {"inode", file.inode},
          {"head_bytes", file.head_bytes},
          {"head", file.head}};
}

log_position position_of(const json& from) {
  log_position p;
  p.started = true;
  p.finished = from.at("finished").get<bool>();
  p.file = file_of(from.at("file"));
  p.bytes = from.at("bytes").get<std::uint64_t>();
  p.modified_ns = from.at("modified_ns").get<std::int64_t>();
  for (const auto& one : from.at("carried")) p.carried.push_back(line_count_of(one));
  for (const auto& one : from.at("known")) {
    p.known.push_back({file_of(one.at("file")), one.at("bytes").get<std::uint64_t>()});
  }
  return p;
}

json json_of(const log_position& p) {
  auto carried = json::array(), known = json::array();
  for (const auto& one : p.carried) carried.push_back(text_of(one));
  for (const auto& one : p.known)
    known.push_back({{"file", json_of(one.file)}, {"bytes", one.bytes}});
  return {
      {"finished", p.finished},       {"file", json_of(p.file)},       {"bytes", p.bytes},
      {"modified_ns", p.modified_ns}, {"carried", std::move(carried)}, {"known", std::move(known)}};
}

status write_synced(const std::string& path, const std::string& text) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  bool good = file >= 0;
  for (std::size_t at = 0; good && at < text.size();) {
    const auto written = ::write(file, text.data() + at, text.size() - at);
    good = written > 0 || (written < 0 && errno == EINTR);
    if (written > 0) at += static_cast<std::size_t>(written);
  }
  good = good && ::fsync(file) == 0;
  const failure why{errc::io_error, path + ": " + std::strerror(errno)};
  if (file >= 0) ::close(file);
  if (!good) return why;
  return done{};
}

}  // namespace

follow_state::follow_state(follow_state&& other) noexcept
    : session{std::move(other.session)},
      path_{std::move(other.path_)},
      merchant_{std::move(other.merchant_)},
      format_{std::move(other.format_)},
      lock_{std::exchange(other.lock_, -1)},
      logs_{std::move(other.logs_)} {}

follow_state::~follow_state() {
  if (lock_ >= 0) ::close(lock_);
}

result<follow_state> follow_state::open(const std::string& path, const std::string& merchant,
                                        const std::string& format) {
  follow_state state;
  state.path_ = path;
  state.merchant_ = merchant;
  state.format_ = format;
  const auto lock = path + ".lock";
  state.lock_ = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (state.lock_ < 0) {
    return failure{errc::io_error, lock + ": " + std::strerror(errno) +
                                       " (--state FILE names a place that can be written)"};
  }
  if (::flock(state.lock_, LOCK_EX | LOCK_NB) != 0) {
    return failure{errc::conflict, path + ": another import follows with this state file"};
  }
  if (auto good = state.read(merchant, format); !good) return good.error();
  return state;
}

status follow_state::read(const std::string& merchant, const std::string& format) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path_, error);
  if (error) return done{};
  if (size > state_bytes_max) return failure{errc::bad_option, path_ + ": no state file"};
  try {
    std::ifstream in{path_};
    const auto document = json::parse(in);
    if (document.at("version").get<int>() != version) {
      return failure{errc::unsupported, path_ + ": a state file of another version"};
    }
    if (document.at("merchant") != merchant || document.at("format") != format) {
      return failure{errc::conflict, path_ + ": the state file is about merchant '" +
                                         document.at("merchant").get<std::string>() +
                                         "' and format " +
                                         document.at("format").get<std::string>()};
    }
    session = document.at("session").get<std::string>();
    for (const auto& [log, value] : document.at("logs").items()) logs_[log] = position_of(value);
  } catch (const std::exception& wrong) {
    return failure{errc::bad_option, path_ + ": no state file: " + wrong.what()};
  }
  return done{};
}

status follow_state::save() const {
  json logs = json::object();
  for (const auto& [log, position] : logs_) {
    if (position.started) logs[log] = json_of(position);
  }
  const json document{{"version", version},
                      {"merchant", merchant_},
                      {"format", format_},
                      {"session", session},
                      {"logs", std::move(logs)}};
  const auto fresh = path_ + ".new";
  if (auto written = write_synced(fresh, document.dump(1) + "\n"); !written) return written;
  if (std::rename(fresh.c_str(), path_.c_str()) != 0) {
    return failure{errc::io_error, path_ + ": " + std::strerror(errno)};
  }
  return done{};
}

}  // namespace tally::api

#include "api/followed_log.hpp"

#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

namespace tally::api {

namespace {

constexpr std::size_t piece_bytes = 256 * 1024;
/// A clock that was set back must not hide a rotated file.
constexpr std::int64_t clock_slack_ns = 3'600'000'000'000;
/// A rotation renames files while they are being listed and opened, so that one may be missed.
constexpr int looks = 10, looks_for_next = 3;
constexpr std::chrono::milliseconds between_looks{20};

const import_sink no_sink{[](const imported_event&) {}, [](const refused_line&) {}};

void pause(std::chrono::milliseconds length) {
  ::poll(nullptr, 0, static_cast<int>(length.count()));
}

bool is_same_inode(const log_source::facts& about, const file_identity& file) {
  return about.device == file.device && about.inode == file.inode;
}

std::int64_t age_ms(std::int64_t modified_ns) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count() -
         modified_ns / 1'000'000;
}

}  // namespace

followed_log::followed_log(followed_log_options options, log_position& position)
    : options_{std::move(options)}, at_{position}, room_(piece_bytes) {}

void followed_log::say(const std::string& text) const {
  if (options_.on_message) options_.on_message(options_.path + ": " + text);
}

/// The file that an earlier run, or this one until it was cut off, was reading: where it lies now.
std::unique_ptr<log_source> followed_log::find_started() const {
  if (at_.file.head_bytes == 0) return nullptr;
  std::vector<std::string> places{options_.path};
  for (auto& one : list_rotated(options_.path, 0)) places.push_back(std::move(one.path));
  std::unique_ptr<log_source> copy;
  for (const auto& place : places) {
    auto source = log_source::open(place);
    if (!source || !begins_like((*source)->start(), at_.file)) continue;
    const auto about = (*source)->look();
    if (!about || (!(*source)->is_packed() && about->size < at_.bytes)) continue;
    if (is_same_inode(*about, at_.file)) return std::move(*source);
    if (!copy) copy = std::move(*source);
  }
  return copy;
}

/// The oldest rotated file that holds what was not read. One that was read and has grown since
/// goes on where reading ended; what is packed has not grown.
std::unique_ptr<log_source> followed_log::next_rotated() {
  at_.bytes = 0;
  for (const auto& one : list_rotated(options_.path, at_.modified_ns - clock_slack_ns)) {
    auto source = log_source::open(one.path);
    if (!source) continue;
    const auto about = (*source)->look();
    const auto start = (*source)->start();
    if (!about || start.empty()) continue;
    const auto file = identity_of(about->device, about->inode, start);
    const auto found = std::ranges::find_if(at_.known, [&](const auto& known) {
      return known.file.head == file.head ||
             (is_same_inode(*about, known.file) && begins_like(start, known.file));
    });
    if (found == at_.known.end()) return std::move(*source);
    if ((*source)->is_packed() || about->size <= found->bytes) continue;
    at_.bytes = found->bytes;
    return std::move(*source);
  }
  return nullptr;
}

/// Reads what was read before once more, for the counts of equal lines and for a line's beginning.
status followed_log::skip(std::uint64_t bytes) {
  for (std::uint64_t at = 0; at < bytes;) {
    auto piece = source_->read(at, room_);
    if (!piece) return piece.error();
    if (piece->empty()) return failure{errc::io_error, file() + " is shorter than it was"};
    const auto part = piece->substr(0, bytes - at);
    reader_->feed(part, no_sink);
    at += part.size();
  }
  return done{};
}

status followed_log::begin(std::unique_ptr<log_source> source, std::uint64_t from) {
  const auto about = source->look();
  if (!about) return about.error();
  source_ = std::move(source);
  at_.started = true;
  at_.finished = false;
  at_.file = identity_of(about->device, about->inode, source_->start());
  at_.bytes = from;
  if (reader_) return done{};  // it knows what came before
  reader_ = options_.make_reader();
  reader_->remember(at_.carried);
  auto skipped = skip(from);
  if (!skipped) {
    source_ = nullptr;
    reader_ = nullptr;
  }
  return skipped;
}

/// Whether the file that was being read is open again, where reading ended.
bool followed_log::open_again() {
  auto source = find_started();
  const auto between = std::min(options_.linger, between_looks);
  for (int look = 1; !source && at_.file.head_bytes > 0 && look < looks; ++look) {
    pause(between);
    source = find_started();
  }
  if (!source) {
    if (at_.file.head_bytes > 0) {
      say("the file that was being read is gone, with what was written to it after " +
          std::to_string(at_.bytes) + " bytes");
    }
    return false;
  }
  const auto from = at_.bytes;
  const auto begun = begin(std::move(source), from);
  if (begun) return true;
  say(begun.error().detail);
  source_ = nullptr;
  at_.bytes = from;
  return false;
}

/// What was rotated away before the first run is history: an import without --follow reads it.
void followed_log::note_history() {
  for (const auto& one : list_rotated(options_.path, 0)) {
    auto source = log_source::open(one.path);
    if (!source) continue;
    const auto about = (*source)->look();
    const auto start = (*source)->start();
    if (!about || start.empty()) continue;
    at_.known.push_back({identity_of(about->device, about->inode, start), about->size});
  }
  if (at_.known.size() > known_files_max) {
    at_.known.erase(at_.known.begin(),
                    at_.known.end() - static_cast<std::ptrdiff_t>(known_files_max));
  }
  at_.started = at_.finished = true;
}

status followed_log::open_next() {
  if (!at_.started) note_history();
  if (!at_.finished) {
    if (open_again()) return done{};
    leave_file();
  }
  // Opened before the rotated ones are listed: should it be rotated in between, it is among them.
  auto live = log_source::open(options_.path);
  for (int look = 0; look < looks_for_next; ++look) {
    if (look > 0) pause(std::min(options_.linger, between_looks));
    if (auto rotated = next_rotated()) return begin(std::move(rotated), at_.bytes);
  }
  if (!live) return live.error();
  if ((*live)->is_packed()) {
    return failure{errc::unsupported, options_.path + ": a packed file cannot be followed"};
  }
  return begin(std::move(*live), 0);
}

/// Remembers the file at hand as read.
void followed_log::note_known() {
  if (at_.file.head_bytes == 0) return;
  std::erase_if(at_.known, [&](const auto& known) { return known.file.head == at_.file.head; });
  at_.known.push_back({at_.file, at_.bytes});
  if (at_.known.size() > known_files_max) at_.known.erase(at_.known.begin());
}

/// Goes on behind the file at hand, whose last line is given by now.
void followed_log::leave_file() {
  note_known();
  if (reader_) at_.carried = reader_->last_lines();
  source_ = nullptr;
  reader_ = nullptr;
  at_.finished = true;
  at_.file = {};
  at_.bytes = 0;
}

/// Whether the file now holds other content than what was read of it, `piece` being the last.
/// Where it does not, its start is known better than before.
bool followed_log::was_cut(const log_source::facts& about, std::string_view piece) {
  if (source_->is_packed()) return false;
  if (about.size < at_.bytes + piece.size()) return true;
  const auto start = source_->start();
  if (at_.file.head_bytes > 0 && !begins_like(start, at_.file)) return true;
  const auto common = std::min(start.size(), piece.size());
  if (at_.bytes == 0 && start.compare(0, common, piece.substr(0, common)) != 0) return true;
  if (start.size() > at_.file.head_bytes) {
    at_.file = identity_of(about.device, about.inode, start);
  }
  return false;
}

result<bool> followed_log::at_end(const log_source::facts& about, const import_sink& sink) {
  struct ::stat live {};
  const bool live_there = ::stat(options_.path.c_str(), &live) == 0;
  const bool is_live = live_there && live.st_dev == about.device && live.st_ino == about.inode;
  // Without a new file the writer may still be writing to this one.
  if (!source_->is_packed() && (is_live || !live_there)) return false;
  if (!source_->is_packed() && age_ms(about.modified_ns) < options_.linger.count()) return false;
  reader_->finish(sink);
  leave_file();
  return true;
}

result<bool> followed_log::step(const import_sink& sink) {
  if (!source_) {
    const auto opened = open_next();
    if (!opened) {
      if (opened.error().code != errc::not_found) return opened.error();
      if (!std::exchange(waiting_said_, true)) say("does not exist yet; waiting for it");
      return false;
    }
    waiting_said_ = false;
  }
  const auto piece = source_->read(at_.bytes, room_);
  if (!piece && source_->is_packed()) {
    say(piece.error().detail + "; what is behind " + std::to_string(at_.bytes) + " bytes is lost");
    leave_file();
    return true;
  }
  if (!piece) return piece.error();
  // Looked at after reading: what was read before a cut is good.
  const auto about = source_->look();
  if (!about) return about.error();
  if (was_cut(*about, *piece)) {
    source_ = nullptr;
    if (open_again()) return true;
    // Half a line that nobody will complete is lost with the rest.
    leave_file();
    return true;
  }
  at_.modified_ns = about->modified_ns;
  if (piece->empty()) {
    behind_ = 0;
    return at_end(*about, sink);
  }
  reader_->feed(*piece, sink);
  at_.bytes += piece->size();
  behind_ = about->size > at_.bytes ? about->size - at_.bytes : 0;
  return true;
}

}  // namespace tally::api

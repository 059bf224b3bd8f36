#include "api/follow_job.hpp"

#include <poll.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <fstream>
#include <set>
#include <utility>

#include "api/follow_state.hpp"
#include "api/follow_watch.hpp"
#include "api/followed_log.hpp"
#include "api/import_sender.hpp"
#include "api/json_text.hpp"

namespace tally::api {

namespace {

using steady = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds progress_interval{100}, first_wait{100}, longest_wait{5'000};
/// After that the node is asked anew where it listens: it may have been started elsewhere.
constexpr milliseconds sender_patience{15'000};
/// A node that starts has not yet written the token that its console wants to see.
constexpr int refusals_max = 20;

/// Events that follow one another in one file.
struct run_of_file {
  std::string file;
  std::size_t events = 0;
};

class follower {
 public:
  follower(const follow_options& options, follow_state state)
      : options_{options}, sending_{options.import}, state_{std::move(state)} {
    sending_.patience = sender_patience;
  }

  result<import_summary> run();

 private:
  status open_logs(std::set<std::string>& folders);
  [[nodiscard]] bool read_more(followed_log& log);
  [[nodiscard]] status work(const follow_watch& watch);
  void refuse(const std::string& file, const refused_line& line);
  [[nodiscard]] result<bool> flush();
  [[nodiscard]] std::vector<imported_event> next_batch();
  [[nodiscard]] result<bool> send(std::vector<imported_event> batch, const std::string& file);
  [[nodiscard]] result<bool> begin_session();
  [[nodiscard]] bool pause(milliseconds length) const;
  status save(bool now);
  void show_progress(bool now);
  void say(const std::string& text) const {
    if (sending_.on_message) sending_.on_message(text);
  }
  [[nodiscard]] bool stopping() const { return sending_.stop != nullptr && *sending_.stop; }

  const follow_options& options_;
  import_options sending_;
  follow_state state_;
  std::vector<std::unique_ptr<followed_log>> logs_;
  std::unique_ptr<import_sender> sender_;  // none: no session
  std::vector<imported_event> waiting_;    // read, not yet sent
  std::deque<run_of_file> runs_;           // where they are from, in order
  std::uint64_t waiting_bytes_ = 0;
  bool cut_short_ = false;  // a batch was not taken before `stop`
  import_summary summary_;
  std::ofstream rejects_;
  bool unsaved_ = false;
  steady::time_point started_ = steady::now(), saved_{}, shown_{};
};

void follower::refuse(const std::string& file, const refused_line& line) {
  note_refused(summary_, rejects_, file, line);
  rejects_.flush();
}

/// False after `stop`.
bool follower::pause(milliseconds length) const {
  for (auto left = length; left.count() > 0 && !stopping(); left -= progress_interval) {
    ::poll(nullptr, 0, static_cast<int>(std::min(left, progress_interval).count()));
  }
  return !stopping();
}

/// False where it was told to stop before a node answered.
result<bool> follower::begin_session() {
  auto wait = first_wait;
  for (int refusals = 0; !sender_;) {
    auto session = options_.open_session(state_.session);
    if (session) {
      state_.session = session->id;
      sending_.http = session->http;
      sending_.key = session->key;
      sender_ = std::make_unique<import_sender>(sending_);
      if (auto kept = state_.save(); !kept) return kept.error();
      return true;
    }
    const auto code = session.error().code;
    const bool again = code == errc::unavailable || code == errc::disk_full ||
                       (code == errc::unauthorized && ++refusals < refusals_max);
    if (!again) return session.error();
    say(session.error().text() + "; trying again");
    if (!pause(wait)) return false;
    wait = std::min(wait * 2, longest_wait);
  }
  return true;
}

/// False where it was told to stop before the node took the batch.
result<bool> follower::send(std::vector<imported_event> batch, const std::string& file) {
  const auto count = batch.size();
  while (true) {
    const auto ready = begin_session();
    if (!ready || !*ready) return ready;
    summary_.stopped = false;
    const auto sent =
        sender_->send(batch, summary_, [&](const refused_line& line) { refuse(file, line); });
    if (sent) break;
    const auto code = sent.error().code;
    if (code != errc::unavailable && code != errc::unauthorized) return sent.error();
    say(sent.error().text() + "; asking the node anew");
    sender_ = nullptr;
    if (!pause(first_wait)) return false;
  }
  if (summary_.stopped) return false;
  summary_.events += count;
  return true;
}

/// As many events of one file as a body may hold.
std::vector<imported_event> follower::next_batch() {
  const auto most = std::min<std::size_t>(runs_.front().events, sending_.batch_events);
  std::size_t count = 0;
  for (std::uint64_t bytes = 0; count < most; ++count) {
    bytes += waiting_[count].json.size() + 1;
    if (count > 0 && bytes > sending_.batch_bytes) break;
  }
  const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(count);
  std::vector<imported_event> batch{std::move_iterator{waiting_.begin()}, std::move_iterator{end}};
  waiting_.erase(waiting_.begin(), end);
  runs_.front().events -= count;
  return batch;
}

/// Sends all that was read. False where it was told to stop meanwhile.
result<bool> follower::flush() {
  while (!waiting_.empty()) {
    auto sent = send(next_batch(), runs_.front().file);
    cut_short_ = cut_short_ || (sent && !*sent);
    if (!sent || cut_short_) return sent;
    if (runs_.front().events == 0) runs_.pop_front();
    show_progress(false);
  }
  waiting_bytes_ = 0;
  return true;
}

status follower::save(bool now) {
  const auto time = steady::now();
  if (!unsaved_ || (!now && time - saved_ < options_.save_every)) return done{};
  saved_ = time;
  unsaved_ = false;
  return state_.save();
}

void follower::show_progress(bool now) {
  const auto time = steady::now();
  if (!sending_.on_progress || (!now && time - shown_ < progress_interval)) return;
  shown_ = time;
  import_progress progress;
  for (const auto& log : logs_) {
    if (progress.file.empty() || log->behind() > 0) progress.file = log->file();
    progress.bytes_behind += log->behind();
  }
  progress.events_sent = summary_.events;
  progress.elapsed = std::chrono::duration_cast<milliseconds>(time - started_);
  sending_.on_progress(progress);
}

status follower::open_logs(std::set<std::string>& folders) {
  namespace fs = std::filesystem;
  for (const auto& file : sending_.files) {
    const auto path = fs::absolute(file).lexically_normal();
    const auto folder = path.parent_path().string();
    if (!fs::is_directory(folder)) return failure{errc::not_found, folder + ": no such folder"};
    if (find_bad_utf8(path.string()) != path.string().size()) {
      return failure{errc::bad_option, "a file's name must be UTF-8"};
    }
    folders.insert(folder);
    followed_log_options options{path.string(), sending_.make_reader, sending_.on_message,
                                 options_.linger};
    logs_.push_back(std::make_unique<followed_log>(std::move(options), state_.of(path.string())));
  }
  return done{};
}

/// Whether something was read. A file that cannot be read for now is told of and tried again.
bool follower::read_more(followed_log& log) {
  const import_sink sink{[&](imported_event event) {
                           waiting_bytes_ += event.json.size() + 1;
                           waiting_.push_back(std::move(event));
                           if (runs_.empty() || runs_.back().file != log.file())
                             runs_.push_back({log.file(), 0});
                           ++runs_.back().events;
                         },
                         [&](const refused_line& line) { refuse(log.file(), line); }};
  const auto more = log.step(sink);
  if (more) return *more;
  say(more.error().detail + "; trying again");
  static_cast<void>(pause(milliseconds{1'000}));
  return false;
}

/// Until it is told to stop; then what was read is sent, unless the node is away.
status follower::work(const follow_watch& watch) {
  while (!stopping()) {
    bool more = false;
    for (const auto& log : logs_) {
      more = read_more(*log) || more;
      if (waiting_.size() < sending_.batch_events && waiting_bytes_ < sending_.batch_bytes)
        continue;
      const auto sent = flush();
      if (!sent) return sent.error();
      if (!*sent) return done{};
    }
    unsaved_ = unsaved_ || more;
    if (more && !waiting_.empty()) continue;
    const auto sent = flush();
    if (!sent) return sent.error();
    if (!*sent) return done{};
    if (auto kept = save(false); !kept) return kept;
    show_progress(!more);
    if (!more) watch.wait(options_.look_every);
  }
  const auto sent = flush();
  return sent ? status{done{}} : sent.error();
}

result<import_summary> follower::run() {
  if (!sending_.rejects_file.empty()) {
    rejects_.open(sending_.rejects_file, std::ios::app);
    if (!rejects_) return failure{errc::io_error, sending_.rejects_file + ": cannot be written"};
  }
  std::set<std::string> folders;
  if (auto opened = open_logs(folders); !opened) return opened.error();
  const follow_watch watch{folders};
  if (const auto ready = begin_session(); !ready) return ready.error();
  if (auto worked = work(watch); !worked) return worked.error();
  summary_.stopped = cut_short_;
  if (!cut_short_) {
    if (auto kept = save(true); !kept) return kept.error();
  }
  show_progress(true);
  summary_.elapsed = std::chrono::duration_cast<milliseconds>(steady::now() - started_);
  return std::move(summary_);
}

}  // namespace

result<import_summary> run_follow(const follow_options& options) {
  if (options.import.files.size() > followed_files_max) {
    return failure{errc::bad_option,
                   "more than " + std::to_string(followed_files_max) + " files to follow"};
  }
  auto state = follow_state::open(options.state_file, options.merchant, options.format);
  if (!state) return state.error();
  return follower{options, std::move(*state)}.run();
}

}  // namespace tally::api

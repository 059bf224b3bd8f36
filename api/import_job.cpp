#include "api/import_job.hpp"

#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "api/import_lines.hpp"
#include "api/import_sender.hpp"
#include "api/json_text.hpp"

namespace tally::api {

namespace {

using nlohmann::json;
using steady = std::chrono::steady_clock;

constexpr std::size_t piece_bytes = 256 * 1024;
constexpr std::size_t places_named = 5;
constexpr std::size_t refused_text_bytes_max = 4'096;
constexpr auto progress_interval = std::chrono::milliseconds{100};

/// Bytes of a plain or gzip file.
class file_source {
 public:
  explicit file_source(const std::string& path) {
    if (path == "-") {
      const int copy = ::dup(STDIN_FILENO);
      file_ = copy < 0 ? nullptr : ::gzdopen(copy, "rb");
    } else {
      file_ = ::gzopen(path.c_str(), "rb");
    }
    if (file_ != nullptr) ::gzbuffer(file_, piece_bytes);
  }
  ~file_source() {
    if (file_ != nullptr) ::gzclose(file_);
  }
  file_source(const file_source&) = delete;
  file_source& operator=(const file_source&) = delete;

  [[nodiscard]] bool is_open() const { return file_ != nullptr; }
  /// Empty at the end; nothing where the file cannot be read.
  result<std::string_view> next() {
    const int got = ::gzread(file_, piece_.data(), static_cast<unsigned>(piece_.size()));
    int error = Z_OK;
    const char* text = ::gzerror(file_, &error);
    if (got < 0 || (error != Z_OK && error != Z_STREAM_END)) {
      return failure{errc::io_error, error == Z_ERRNO ? std::strerror(errno) : text};
    }
    return std::string_view{piece_.data(), static_cast<std::size_t>(got)};
  }
  /// Of the file as it lies on disk.
  [[nodiscard]] std::uint64_t bytes_read() const {
    const auto at = ::gzoffset(file_);
    return at < 0 ? 0 : static_cast<std::uint64_t>(at);
  }

 private:
  gzFile file_ = nullptr;
  std::vector<char> piece_ = std::vector<char>(piece_bytes);
};

/// What an import has done, by file: {"<file>": {"events": n, "first": "<hash>"}}. Counted in
/// events and refused lines, not bytes: ids depend on the lines before, so a file is always read
/// from its start.
class resume_state {
 public:
  struct entry {
    std::uint64_t events = 0;
    std::string first;  // hash of the file's first event: notices another file
  };

  static result<resume_state> open(const std::string& path) {
    resume_state state;
    state.path_ = path;
    std::ifstream in{path};
    if (path.empty() || !in) return state;
    try {
      const auto document = json::parse(in);
      for (const auto& [file, value] : document.items()) {
        state.entries_[file] = {value.at("events").get<std::uint64_t>(),
                                value.at("first").get<std::string>()};
      }
    } catch (const json::exception& error) {
      return failure{errc::bad_option, path + ": no resume file: " + error.what()};
    }
    return state;
  }
  entry& of(const std::string& file) { return entries_[file]; }

  [[nodiscard]] status save() const {
    if (path_.empty()) return done{};
    json document = json::object();
    for (const auto& [file, e] : entries_) {
      document[file] = {{"events", e.events}, {"first", e.first}};
    }
    const auto fresh = path_ + ".new";
    std::ofstream out{fresh, std::ios::trunc};
    out << document.dump(2) << '\n';
    out.close();
    std::error_code error;
    if (out) std::filesystem::rename(fresh, path_, error);
    if (!out || error) return failure{errc::io_error, path_ + ": cannot be written"};
    return done{};
  }

 private:
  std::string path_;
  std::map<std::string, entry> entries_;
};

class job {
 public:
  job(const import_options& options, resume_state resume)
      : options_{options}, sender_{options}, resume_{std::move(resume)} {}

  result<import_summary> run();

 private:
  status run_file(const std::string& file);
  void take(imported_event event);
  void refuse(const refused_line& line);
  status flush();
  void show_progress(bool now);
  void fail(failure why) {
    if (!failed_) failed_ = std::move(why);
  }
  [[nodiscard]] bool over() const { return failed_ || summary_.stopped; }

  const import_options& options_;
  import_sender sender_;
  resume_state resume_;
  import_summary summary_;
  std::optional<failure> failed_;
  std::ofstream rejects_;

  std::string file_;
  resume_state::entry* entry_ = nullptr;
  std::uint64_t made_ = 0;  // events and refused lines of this file so far
  line_ids refused_ids_;
  std::vector<imported_event> batch_;
  std::uint64_t batch_bytes_ = 0;
  import_progress progress_;
  steady::time_point started_ = steady::now(), shown_{};
};

void job::show_progress(bool now) {
  const auto time = steady::now();
  if (!options_.on_progress || (!now && time - shown_ < progress_interval)) return;
  shown_ = time;
  progress_.file = file_;
  progress_.events_sent = summary_.events;
  progress_.elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(time - started_);
  options_.on_progress(progress_);
}

/// Takes a line that became no event. The ledger has its beginning and the reason.
void job::refuse(const refused_line& line) {
  note_refused(summary_, rejects_, file_, line);
  if (options_.merchant.empty()) return;
  std::string text = "{\"merchant\":";
  append_json_text(text, options_.merchant);
  append_field(text, "id", refused_ids_.next(line.text));
  text += ",\"refused\":{\"code\":";
  append_json_text(text, line.code);
  append_field(text, "detail", line.detail);
  append_field(text, "text", std::string_view{line.text}.substr(0, refused_text_bytes_max));
  take({text + "}}", line.line, true});
}

void job::take(imported_event event) {
  if (over()) return;
  if (made_ == 0) {
    const auto first = hash_text(event.json);
    if (entry_->events > 0 && entry_->first != first) {
      fail({errc::conflict, file_ + ": the resume file is about another file"});
      return;
    }
    entry_->first = first;
  }
  if (++made_ <= entry_->events) {
    ++summary_.skipped;
    return;
  }
  batch_bytes_ += event.json.size() + 1;
  batch_.push_back(std::move(event));
  if (batch_.size() < options_.batch_events && batch_bytes_ < options_.batch_bytes) return;
  if (auto sent = flush(); !sent) fail(sent.error());
}

status job::flush() {
  if (batch_.empty() || over()) return done{};
  const auto count = batch_.size();
  const auto refused = std::ranges::count(batch_, true, &imported_event::refused);
  batch_bytes_ = 0;
  auto sent = sender_.send(std::exchange(batch_, {}), summary_, [this](const refused_line& line) {
    note_refused(summary_, rejects_, file_, line);
  });
  if (!sent || summary_.stopped) return sent;
  summary_.events += count - static_cast<std::uint64_t>(refused);
  entry_->events += count;
  if (options_.stop != nullptr && *options_.stop) summary_.stopped = true;
  show_progress(false);
  return resume_.save();
}

status job::run_file(const std::string& file) {
  file_source source{file};
  if (!source.is_open()) return failure{errc::not_found, file + ": " + std::strerror(errno)};
  file_ = file;
  entry_ = &resume_.of(file);
  made_ = 0;
  refused_ids_ = {};
  const auto reader = options_.make_reader();
  const import_sink sink{[this](imported_event e) { take(std::move(e)); },
                         [this](const refused_line& line) { refuse(line); }};
  const auto read_before = progress_.bytes_read;
  while (!over()) {
    const auto piece = source.next();
    if (!piece) return failure{piece.error().code, file + ": " + piece.error().detail};
    if (piece->empty()) break;
    reader->feed(*piece, sink);
    progress_.bytes_read = read_before + source.bytes_read();
    show_progress(false);
    if (options_.stop != nullptr && *options_.stop) summary_.stopped = true;
  }
  if (!over()) reader->finish(sink);
  return flush();
}

result<import_summary> job::run() {
  if (!options_.rejects_file.empty()) {
    rejects_.open(options_.rejects_file, std::ios::trunc);
    if (!rejects_) return failure{errc::io_error, options_.rejects_file + ": cannot be written"};
  }
  for (const auto& file : options_.files) {
    std::error_code error;
    const auto size = file == "-" ? 0 : std::filesystem::file_size(file, error);
    if (error) return failure{errc::not_found, file + ": " + error.message()};
    progress_.bytes_total += size;
  }
  for (const auto& file : options_.files) {
    if (over()) break;
    if (auto sent = run_file(file); !sent) return sent.error();
  }
  if (failed_) return *failed_;
  show_progress(true);
  summary_.elapsed =
      std::chrono::duration_cast<std::chrono::milliseconds>(steady::now() - started_);
  return std::move(summary_);
}

}  // namespace

void note_refused(import_summary& summary, std::ofstream& rejects, const std::string& file,
                  const refused_line& line) {
  auto& of_code = summary.refused[line.code];
  ++of_code.count;
  if (of_code.first.size() < places_named)
    of_code.first.push_back(file + ":" + std::to_string(line.line));
  if (!rejects.is_open()) return;
  std::string out = "{\"file\":";
  append_json_text(out, file);
  out += ",\"line\":" + std::to_string(line.line);
  append_field(out, "code", line.code);
  append_field(out, "detail", line.detail);
  append_field(out, "text", line.text);
  rejects << out << "}\n";
}

result<import_summary> run_import(const import_options& options) {
  auto resume = resume_state::open(options.resume_file);
  if (!resume) return resume.error();
  return job{options, std::move(*resume)}.run();
}

}  // namespace tally::api

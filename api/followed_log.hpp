#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/follow_files.hpp"
#include "api/follow_state.hpp"
#include "api/import_reader.hpp"

namespace tally::api {

struct followed_log_options {
  std::string path;
  std::function<std::unique_ptr<import_reader>()> make_reader;
  std::function<void(const std::string&)> on_message;
  std::chrono::milliseconds linger{2'000};  // a rotated file counts as whole when unchanged so long
};

/// One log that grows and is rotated: by renaming, by copying and cutting off, packed or not. Every
/// line is given to a reader once and in order, over all its files.
class followed_log {
 public:
  /// `position` outlives it. What it says at any moment covers what was given to the sink: to be
  /// kept once that is settled.
  followed_log(followed_log_options options, log_position& position);

  /// Gives the next piece to the sink. False where there is nothing more for now.
  result<bool> step(const import_sink& sink);

  /// The file that is being read: for messages.
  [[nodiscard]] const std::string& file() const {
    return source_ ? source_->path() : options_.path;
  }
  /// Bytes of it that are not yet read.
  [[nodiscard]] std::uint64_t behind() const { return behind_; }

 private:
  [[nodiscard]] status open_next();
  [[nodiscard]] bool open_again();
  [[nodiscard]] std::unique_ptr<log_source> find_started() const;
  [[nodiscard]] std::unique_ptr<log_source> next_rotated();
  [[nodiscard]] status begin(std::unique_ptr<log_source> source, std::uint64_t from);
  [[nodiscard]] status skip(std::uint64_t bytes);
  void note_history();
  void note_known();
  void leave_file();
  [[nodiscard]] result<bool> at_end(const log_source::facts& about, const import_sink& sink);
  [[nodiscard]] bool was_cut(const log_source::facts& about, std::string_view piece);
  void say(const std::string& text) const;

  followed_log_options options_;
  log_position& at_;
  std::unique_ptr<log_source> source_;
  std::unique_ptr<import_reader> reader_;  // kept over a cut: it goes on in the copy
  std::vector<char> room_;
  std::uint64_t behind_ = 0;
  bool waiting_said_ = false;
};

}  // namespace tally::api

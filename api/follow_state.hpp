#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "api/follow_files.hpp"
#include "api/import_lines.hpp"

namespace tally::api {

/// How far one followed log was read and sent.
struct log_position {
  /// A file of which all there was has been read.
  struct read_file {
    file_identity file;
    std::uint64_t bytes = 0;
  };

  bool started = false;             // false: nothing is known of the log yet
  bool finished = false;            // the file below was read to its end, and another follows
  file_identity file;               // the one being read
  std::uint64_t bytes = 0;          // of its content, read
  std::int64_t modified_ns = 0;     // its time of change when it was last read
  std::vector<line_count> carried;  // lines before its first one
  std::vector<read_file> known;     // oldest first, at most known_files_max
};

constexpr std::size_t known_files_max = 1'024;

/// What `tally import --follow` remembers between two runs, as JSON:
///   {"version": 1, "merchant": "...", "format": "...", "session": "<key id>", "logs": {"<path>":
///    {"finished", "file": {"device", "inode", "head_bytes", "head"}, "bytes", "modified_ns",
///     "carried": ["<hash>-<count>"], "known": [{"file", "bytes"}]}}}
/// Replaced as a whole, synced. Readable by its owner alone.
class follow_state {
 public:
  /// Takes the file for this process alone: conflict where another follows with it, or where it is
  /// about another merchant or format; bad_option where it is no state file.
  static result<follow_state> open(const std::string& path, const std::string& merchant,
                                   const std::string& format);
  follow_state(follow_state&& other) noexcept;
  follow_state& operator=(follow_state&&) = delete;
  ~follow_state();

  log_position& of(const std::string& log) { return logs_[log]; }
  /// Id of the key that this import writes with, so that a later one can revoke what was left.
  std::string session;

  [[nodiscard]] status save() const;

 private:
  follow_state() = default;
  [[nodiscard]] status read(const std::string& merchant, const std::string& format);

  std::string path_, merchant_, format_;
  int lock_ = -1;
  std::map<std::string, log_position> logs_;
};

}  // namespace tally::api

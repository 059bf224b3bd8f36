#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "api/import_job.hpp"

namespace tally::api {

/// Where and with what key events are sent for now.
struct follow_session {
  std::string http;  // "127.0.0.1:8080"
  std::string key;   // a platform key
  std::string id;    // of the key: what revokes it
};

struct follow_options {
  std::string merchant, format;  // what a state file is bound to
  std::string state_file;
  /// Files, batches, reader, rejects (appended to), messages, progress and stop; where events are
  /// sent comes from open_session, and patience does not end.
  import_options import;
  /// Asks the node for a session; `before` is the id of the last one, to be revoked. Tried again
  /// where it is unavailable.
  std::function<result<follow_session>(const std::string& before)> open_session;
  std::chrono::milliseconds linger{2'000};      // see followed_log_options
  std::chrono::milliseconds look_every{250};    // at the files, should no change be told
  std::chrono::milliseconds save_every{1'000};  // the state, at most so often
};

/// Sends what is in the files and what is written to them from then on, over all rotations, until
/// `stop`: what was read by then is sent and the state says so. Reads no further while the node
/// takes nothing. Events get the ids of a plain import, so those that are sent again after a crash
/// count once. The summary's `stopped` says that some of what was read could not be sent: it is
/// read again by the next run.
///
/// bad_option, conflict and io_error for a state file that cannot be used; not_found where a folder
/// is missing; what the node says where it refuses a whole batch or a session. Blocks.
result<import_summary> run_follow(const follow_options& options);

/// How many files one import follows at most.
constexpr std::size_t followed_files_max = 256;

}  // namespace tally::api

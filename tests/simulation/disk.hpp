#pragma once

#include <cstdint>
#include <deque>
#include <variant>
#include <vector>

#include "domain/replica_types.hpp"
#include "tests/simulation/chance.hpp"

namespace tally::simulation {

/// What one node keeps of the shard.
struct stored_state {
  node_id owner;             // whose directory this is
  std::uint64_t starts = 0;  // of processes on it
  replica_id id;
  bool is_suspect = false;  // found lossy, and no new id is on disk yet
  std::uint32_t promise = 0;
  log_position sealed;         // the core's log begins after it
  std::vector<log_chunk> log;  // from the first chunk on: history and log
  std::uint64_t commit = 0;    // a lower bound
};

/// A directory as an ordered write-ahead log sees it: what was synced stays, of what was written
/// since then a crash leaves any beginning.
class disk {
 public:
  struct copy {
    log_position start;
    std::vector<log_chunk> log;
  };
  struct commit_mark {
    std::uint64_t offset = 0;
  };
  using change = std::variant<append_chunks, truncate_log, persist_promise, persist_identity, copy,
                              commit_mark, log_trimmed>;

  /// `operation` 0: carried along by the next one.
  void write(std::uint64_t operation, change c);
  /// Number of the last operation written; `sync` makes all up to it durable.
  [[nodiscard]] std::uint64_t last_operation() const { return last_operation_; }
  [[nodiscard]] bool is_synced() const { return pending_.empty(); }
  void sync(std::uint64_t operation);
  /// The process or the machine stops: some of what was not synced is gone.
  void crash(chance& random);
  /// Synced chunks at the end are gone as well.
  void lose_tail(std::uint64_t chunks);
  void replace(stored_state with);

  [[nodiscard]] const stored_state& written() const { return written_; }
  [[nodiscard]] const stored_state& durable() const { return durable_; }
  /// By a new process, before anything else; on disk at once.
  std::uint64_t begin_start();

 private:
  struct pending {
    std::uint64_t operation;
    change what;
  };
  stored_state durable_, written_;
  std::deque<pending> pending_;
  std::uint64_t last_operation_ = 0;
};

/// Chunks after boundary `offset`, as an index.
[[nodiscard]] std::size_t index_after(const std::vector<log_chunk>& log, std::uint64_t offset);

}  // namespace tally::simulation

#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "domain/result.hpp"
#include "persistence/chunk.hpp"

namespace rocksdb {
class Env;
}

namespace tally::persistence {

struct journal_options {
  std::string path;                            // <data-dir>/journal
  std::uint64_t segment_bytes = 1ull << 30;    // a new column family after that many
  std::uint64_t reserve_bytes = 256ull << 20;  // free space below which append gives disk_full
  std::chrono::milliseconds watermark_interval{100};
  bool read_only = false;       // for verify and replay: takes no lock, writes nothing
  rocksdb::Env* env = nullptr;  // tests inject faults here; not owned
};

/// Number of a commit round: 1, 2, 3, ... without gaps.
using round_number = std::uint64_t;

/// Where a shard's log ends.
struct shard_end {
  std::uint64_t next_offset = 1;
  std::uint64_t chain = 0;
  std::uint32_t epoch = 0;
  std::int64_t stamped_at_ms = 0;
};

/// One key and value of the small tables beside the log.
struct record {
  std::string key, value;
};

/// Takes back what a shard's log has behind `end`: it was never acknowledged, and another copy's
/// leader decided otherwise. With `is_whole` all of it goes: what comes next follows what a copy of
/// another node's history brought.
struct log_cut {
  std::uint16_t shard = 0;
  shard_end end;
  bool is_whole = false;
};

/// All that one commit round writes at once.
struct round_content {
  std::vector<log_cut> cuts;  // come before the chunks
  std::vector<chunk_ptr> chunks;
  std::vector<record> merchants;  // puts into the family of that name, an empty value deletes
  std::vector<record> meta;       // as journal::put_meta
  struct commit {
    std::uint16_t shard = 0;
    std::uint64_t offset = 0;
  };
  std::vector<commit> commits;  // nothing up to there is taken back any more
};

/// A round read back: `entries` point into `bytes`.
struct stored_round {
  std::shared_ptr<const std::string> bytes;
  std::vector<round_entry> entries;
};

/// The durable order of all shards of a node: the `journal` database (families `log.<segment>`,
/// `meta`, `merchants`), with WAL and fsync, opened with kTolerateCorruptedTailRecords.
///
/// Any I/O error but disk_full is final: the object refuses everything after it, and the process
/// is to stop, since a write that returned an error may still be there after reopening.
/// append() and put() belong to one thread; reads may run on any thread at the same time.
class journal {
 public:
  /// Opens or creates. Takes an exclusive lock on the directory (`locked`). Reads the end of every
  /// shard from the newest rounds. Compares with the watermark file (`WATERMARK`, two 4 KiB slots,
  /// checksummed: last synced round, its chain digest, clean flag): fewer rounds than it names is
  /// `lossy_recovery`, and the message says what is missing.
  static result<std::unique_ptr<journal>> open(const journal_options& options);
  /// Opens the journal, gives its directory a new identity and closes it: for a restored copy,
  /// which may lack what its source acknowledged later.
  static status renew_identity(const journal_options& options);
  ~journal();

  /// One commit round: one log record, one WriteBatch with `merchants` (puts into the family of
  /// that name, an empty value deletes, in the same batch), one fsync. Gives the round's number
  /// when it is on disk. disk_full leaves nothing half done and may be tried again.
  result<round_number> append(const std::vector<chunk_ptr>& chunks,
                              const std::vector<record>& merchants);
  /// The same with what a replicated log needs beside it.
  result<round_number> append(const round_content& content);
  /// The offsets up to which nothing is taken back any more, by shard, as last written; nothing
  /// where this log was never one of several copies. Readers see no more of it after opening.
  [[nodiscard]] const std::optional<std::vector<std::uint64_t>>& commits() const;
  /// From now on readers see of a shard only what is up to `offset`: what is behind it may still be
  /// taken back. Any thread.
  void show_up_to(std::uint16_t shard, std::uint64_t offset);
  /// Durable write to `meta`; an empty value deletes. Takes a round of its own, without chunks.
  status put_meta(const std::vector<record>& records);

  /// Drops whole segments all of whose rounds are before `round`, which history must have: they are
  /// no longer read, and their place is free once nobody reads of them. Keeps the newest one,
  /// and as many before it as bring what is left to `keep_bytes`. Takes a round of its own where
  /// there is something to drop; belongs to the thread of append().
  status drop_segments_before(round_number round, std::uint64_t keep_bytes = 0);
  /// Whether that would drop something.
  [[nodiscard]] bool drops_before(round_number round, std::uint64_t keep_bytes) const;

  [[nodiscard]] round_number last_round() const;             // 0 where the journal is empty
  [[nodiscard]] round_number first_round() const;            // oldest kept
  [[nodiscard]] const std::vector<shard_end>& ends() const;  // index: shard; as of opening
  [[nodiscard]] std::uint64_t log_bytes() const;
  [[nodiscard]] std::string identity() const;  // UUID of this data directory

  /// The raw bytes of one round, uncompressed; not_found, corrupt_record.
  result<std::string> read_round(round_number round) const;
  /// What counts of a round's chunks, checked as scan() does; not_found, corrupt_record.
  result<stored_round> read_entries(round_number round) const;
  /// Calls f for rounds from..to in order until it returns false; dropped ones are passed over, and
  /// chunks that were taken back or are not shown yet.
  /// Checks directory and crc; a damaged round ends the scan with corrupt_record that names
  /// segment, round and chunk.
  status scan(round_number from, round_number to,
              const std::function<bool(round_number, const std::vector<round_entry>&)>& f) const;
  /// The same with what is not shown yet.
  status scan_all(
      round_number from, round_number to,
      const std::function<bool(round_number, const std::vector<round_entry>&)>& f) const;

  result<std::string> get_meta(std::string_view key) const;      // not_found
  result<std::string> get_merchant(std::string_view key) const;  // not_found
  /// Up to `limit` records of `merchants` whose key is greater than `after` and starts with
  /// `prefix`, in key order.
  result<std::vector<record>> list_merchants(std::string_view prefix, std::string_view after,
                                             std::size_t limit) const;
  result<std::vector<record>> list_meta(std::string_view prefix) const;

  /// Hard-linked checkpoint of the database in `directory`, which must not exist.
  status checkpoint(const std::string& directory) const;
  /// Marks the watermark clean; called once, last.
  status close();
  /// Names the first final error, empty while healthy.
  [[nodiscard]] std::string broken() const;

 private:
  struct impl;
  explicit journal(std::unique_ptr<impl> i);
  std::unique_ptr<impl> impl_;
};

}  // namespace tally::persistence

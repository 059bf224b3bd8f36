#pragma once

#include <rocksdb/db.h>
#include <rocksdb/options.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "persistence/journal.hpp"
#include "persistence/log_filter.hpp"
#include "persistence/rocks.hpp"
#include "persistence/watermark.hpp"

/// The inside of journal, shared by journal.cpp (running) and journal_open.cpp (recovery).
namespace tally::persistence {

/// Keys of `meta` that are the journal's own begin with a zero byte.
namespace meta_key {
using namespace std::string_view_literals;
inline constexpr auto format = "\0format"sv;      // u32be, 1
inline constexpr auto identity = "\0identity"sv;  // UUID, text
inline constexpr auto ends = "\0ends"sv;          // encode(ends_record)
inline constexpr auto commit = "\0commit/"sv;     // and u16be shard: u64be, see round_content
inline constexpr auto dropped = "\0dropped"sv;    // u64be and crc32c: rounds up to it are not kept
}  // namespace meta_key

constexpr std::uint32_t journal_format = 1;

/// Where every shard ended after a round. Written now and then in the batch of that round, so that
/// opening reads only what came later. Byte form: version u8 = 1, round u64be, then per shard
/// next_offset u64be, chain u64be, epoch u32be, stamped_at i64be (ms), then crc32c.
struct ends_record {
  round_number round = 0;
  std::vector<shard_end> ends;
};
[[nodiscard]] std::string encode(const ends_record& r);
[[nodiscard]] result<ends_record> decode_ends(std::string_view bytes);

/// Moves the end of the chunk's shard behind it; false where it does not follow the end.
[[nodiscard]] bool advance(std::vector<shard_end>& ends, const chunk_header& h);

[[nodiscard]] std::string round_key(round_number round);
[[nodiscard]] round_number round_of(const rocksdb::Slice& key);
[[nodiscard]] std::string segment_name(std::uint32_t number);

/// One column family of the log.
struct log_segment {
  std::uint32_t number = 0;
  round_number first = 0;  // of an empty segment: the round that comes next
  // Who reads of it keeps it, so that it may be dropped meanwhile. Ends before the database.
  std::shared_ptr<rocksdb::ColumnFamilyHandle> family;
};

struct journal::impl {
  explicit impl(const journal_options& o);
  ~impl();
  impl(const impl&) = delete;
  impl& operator=(const impl&) = delete;

  // Opening, in this order.
  status prepare_directory();
  status open_database();
  status check_format();
  status load_cuts();
  status load_commits();
  status recover_ends();
  status check_watermark();
  status start();
  result<round_number> check_coverage();
  [[nodiscard]] result<round_number> dropped_to() const;
  [[nodiscard]] status drop(std::size_t segments_count);

  // Running.
  result<round_number> commit(const std::vector<chunk_ptr>& chunks,
                              const std::function<void(rocksdb::WriteBatch&)>& add,
                              const std::vector<log_cut>& cuts = {});
  void put_meta(rocksdb::WriteBatch& batch, const std::vector<record>& records) const;
  void put_merchants(rocksdb::WriteBatch& batch, const std::vector<record>& records) const;
  [[nodiscard]] status writable();
  [[nodiscard]] status check_space();
  [[nodiscard]] status roll_segment();
  [[nodiscard]] std::size_t needless(round_number round, std::uint64_t keep_bytes) const;
  [[nodiscard]] status drop_before(round_number round, std::uint64_t keep_bytes);
  [[nodiscard]] std::uint64_t bytes_of(const log_segment& s) const;
  [[nodiscard]] std::shared_ptr<rocksdb::ColumnFamilyHandle> held(
      rocksdb::ColumnFamilyHandle* family) const;
  [[nodiscard]] status write(rocksdb::WriteBatch& batch);
  failure fail(failure why);
  [[nodiscard]] std::string broken() const;
  void note_synced();
  status write_watermark(bool clean);
  void watermark_loop();
  void stop_watermark();

  [[nodiscard]] std::vector<log_segment> segments_from(round_number round) const;
  [[nodiscard]] std::vector<log_segment> all_segments() const;
  [[nodiscard]] rocksdb::ColumnFamilyOptions log_options() const;
  [[nodiscard]] rocksdb::ColumnFamilyOptions table_options() const;
  [[nodiscard]] rocksdb::DBOptions database_options() const;
  [[nodiscard]] static std::string place(const log_segment& s, round_number round);
  status scan(round_number from, round_number to, bool shown_only,
              const std::function<bool(round_number, const std::vector<round_entry>&)>& f) const;
  [[nodiscard]] result<std::string> get(rocksdb::ColumnFamilyHandle* family,
                                        std::string_view key) const;
  [[nodiscard]] result<std::vector<record>> list(rocksdb::ColumnFamilyHandle* family,
                                                 std::string_view prefix, std::string_view after,
                                                 std::size_t limit) const;
  [[nodiscard]] result<watermark> mark_now() const;

  journal_options options;
  rocksdb::Env* env;
  rocks::file_lock lock;
  std::unique_ptr<watermark_file> mark_file;
  std::shared_ptr<rocks::error_watch> watch = std::make_shared<rocks::error_watch>(false);
  std::shared_ptr<rocksdb::Cache> cache;
  std::unique_ptr<rocksdb::DB> db;
  rocksdb::ColumnFamilyHandle* fallback = nullptr;  // the family `default`: always empty
  rocksdb::ColumnFamilyHandle* meta = nullptr;
  rocksdb::ColumnFamilyHandle* merchants = nullptr;
  mutable std::shared_mutex segments_mutex;
  std::vector<log_segment> segments;

  log_filter filter;
  std::string identity;
  std::vector<shard_end> ends_at_open;
  std::optional<std::vector<std::uint64_t>> commits_at_open;
  std::atomic<round_number> last_round{0};
  std::atomic<round_number> first_round{0};

  // Of the append thread.
  std::vector<shard_end> ends;
  round_number ends_saved_at = 0;
  std::uint64_t bytes_since_ends = 0;
  std::uint64_t segment_bytes = 0;
  std::uint64_t digest = 0;  // of last_round
  std::chrono::steady_clock::time_point space_checked{};
  std::uint64_t bytes_since_check = 0;
  bool space_enough = false;
  bool closed = false;

  // Shared with the thread that writes the watermark.
  mutable std::mutex mark_mutex;
  std::condition_variable mark_wake;
  watermark synced;  // what the file may say
  bool mark_due = false;
  bool mark_stop = false;
  std::thread mark_thread;

  mutable std::mutex broken_mutex;
  std::string first_failure;
};

}  // namespace tally::persistence

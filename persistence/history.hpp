#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "domain/event_columns.hpp"
#include "domain/result.hpp"
#include "persistence/column_block.hpp"
#include "persistence/journal.hpp"

namespace rocksdb {
class Env;
}

namespace tally::persistence {

struct history_options {
  std::string path;                         // <data-dir>/history
  std::uint64_t cache_bytes = 64ull << 20;  // block cache
  bool read_only = false;                   // takes no lock, writes nothing
  rocksdb::Env* env = nullptr;              // tests inject faults here; not owned
};

constexpr std::size_t block_rows_max = 65'536;
constexpr std::size_t block_bytes_max = 32u << 20;  // of encoded events; one event may go over it
constexpr std::size_t own_columns_from_rows = 4'096;

/// How far a shard is sealed.
struct sealed_end {
  std::uint64_t offset = 0;  // of the last sealed event; 0: none is
  std::uint64_t chain = 0;   // of the chunk that it ended
  bool operator==(const sealed_end&) const = default;
};

/// What is sealed: all rounds of this node's log up to `round`.
struct sealed_position {
  round_number round = 0;
  std::map<std::uint16_t, sealed_end> shards;
};

/// What the index says of a block: some events of a merchant, in the order of their offsets.
struct block_facts {
  std::uint64_t first_offset = 0, last_offset = 0;
  std::uint32_t rows = 0;
  // Event times of its fresh rows; the first after the second where there are none.
  std::int64_t oldest_ms = INT64_MAX, newest_ms = INT64_MIN;
  std::int64_t newest_before_ms = INT64_MIN;  // of fresh rows of the merchant's earlier blocks
  std::uint64_t bytes = 0;                    // on disk
  std::uint64_t event_bytes = 0;              // encoded, before they became columns
  std::vector<std::uint8_t> own_columns;      // that have a value of their own
};

/// The families that hold what is of a shard.
enum class history_part : std::uint8_t { blocks, columns };

/// Gives keys with their values as they lie on disk, in the order of the keys; false at the end.
using raw_source = std::function<result<bool>(std::string& key, std::string& value)>;

/// The `history` database: the events of the log up to the sealed position, clustered by merchant,
/// in blocks of columns. Written by history_writer, in files that are ingested, never by a WAL.
/// All keys big endian.
///
/// Family `blocks`, the index:
///   shard u16, merchant, 0, first offset u64  ->  version u8 = 1, rows varint, last offset less
///   the
///     first varint, oldest, newest, newest before zigzag (ms), bytes varint, encoded bytes varint,
///     number of own columns varint, their numbers u8 each
///   shard u16, 0                              ->  version u8 = 1, sealed offset u64, chain u64
///   ffff                                      ->  version u8 = 1, sealed round u64
///   each with crc32c behind it
/// Family `columns`:
///   shard u16, merchant, 0, first offset u64, column u8  ->  pack_value() of the column; column
///   255
///     is of all columns without a value of their own: column u8 and text, one after another. In a
///     block of at least 4,096 events those of 1 KiB or more have their own.
///
/// All functions may be called from any thread.
class history {
 public:
  /// Opens or creates; removes what a crash left of an unfinished seal.
  static result<std::unique_ptr<history>> open(const history_options& options);
  ~history();

  /// A consistent picture of the database and the sealed position that belongs to it: a scan takes
  /// history up to it and the log after it. Keeps old files alive, so let go soon. Must end before
  /// the history.
  class view;
  using view_ptr = std::shared_ptr<const view>;
  [[nodiscard]] view_ptr look() const;
  [[nodiscard]] static const sealed_position& sealed(const view_ptr& at);
  /// Of a shard; zeros where nothing of it is sealed.
  [[nodiscard]] static sealed_end sealed(const view_ptr& at, std::uint16_t shard);
  [[nodiscard]] round_number sealed_round() const;

  /// A merchant's blocks in the order of their offsets. A null view means the newest state.
  /// corrupt_record names the merchant.
  result<std::vector<block_facts>> list_blocks(std::uint16_t shard, std::string_view merchant,
                                               const view_ptr& at = nullptr) const;
  /// Reads and decodes what is wished of a block that list_blocks of the same view gave. A block
  /// that is damaged is corrupt_record with merchant and block; others are not concerned.
  result<event_columns> read_columns(std::uint16_t shard, std::string_view merchant,
                                     const block_facts& block, const column_wish& wish,
                                     const view_ptr& at = nullptr) const;
  /// Everything of a block.
  result<whole_columns> read_whole(std::uint16_t shard, std::string_view merchant,
                                   const block_facts& block, const view_ptr& at = nullptr) const;

  /// Calls f with every sealed event of a merchant from `from_offset` on, in order, with the bytes
  /// that were journaled, until it gives false.
  using event_visitor =
      std::function<bool(std::uint64_t offset, event_time stamped_at, std::string_view bytes)>;
  status for_each_event(std::uint16_t shard, std::string_view merchant, std::uint64_t from_offset,
                        const event_visitor& f, const view_ptr& at = nullptr) const;
  /// Merchants of a shard whose id is greater than `after`, in order, at most `limit`.
  result<std::vector<std::string>> list_merchants(std::uint16_t shard, std::string_view after,
                                                  std::size_t limit,
                                                  const view_ptr& at = nullptr) const;

  /// Calls f with all that is of a shard, as it lies on disk, from the key behind `after` on, until
  /// it gives false.
  status scan_raw(std::uint16_t shard, history_part part, std::string_view after,
                  const std::function<bool(std::string_view key, std::string_view value)>& f,
                  const view_ptr& at) const;

  [[nodiscard]] std::uint64_t bytes() const;
  /// Hard-linked checkpoint in `directory`, which must not exist.
  status checkpoint(const std::string& directory) const;

 private:
  friend class history_writer;
  struct impl;
  explicit history(std::unique_ptr<impl> i);
  std::unique_ptr<impl> impl_;
};

/// What a crash test wants to hear of: called with the name of a step before it is taken.
using seal_hook = std::function<void(std::string_view step)>;

/// Writes blocks and the sealed position in one ingest: all or nothing, also after a crash. One at
/// a time for a history. What is not committed leaves nothing behind. Calls must come in the order
/// of shards, and in a shard in that of merchants.
class history_writer {
 public:
  static result<std::unique_ptr<history_writer>> begin(history& to, seal_hook hook = {});
  ~history_writer();

  /// Before the merchants of the shard.
  status put_sealed(std::uint16_t shard, const sealed_end& end);
  /// Puts blocks in place of others of the merchant. Their facts are made here but for
  /// newest_before_ms of the first, and event_bytes.
  struct new_block {
    whole_columns columns;
    std::uint64_t event_bytes = 0;
  };
  status replace(std::uint16_t shard, std::string_view merchant,
                 const std::vector<block_facts>& old, const std::vector<new_block>& blocks,
                 std::int64_t newest_before_ms);
  /// Puts what scan_raw() of another history gave in place of all that is here of the shard.
  /// Sources without anything remove it. corrupt_record where a key is not of the shard.
  status replace_shard(std::uint16_t shard, const raw_source& blocks, const raw_source& columns);
  /// Takes all that was put into the history; `round` 0 leaves the sealed round as it is.
  status commit(round_number round);

 private:
  struct impl;
  explicit history_writer(std::unique_ptr<impl> i);
  std::unique_ptr<impl> impl_;
};

}  // namespace tally::persistence

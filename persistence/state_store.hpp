#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "domain/bucket.hpp"
#include "domain/result.hpp"
#include "domain/rows.hpp"

namespace rocksdb {
class Env;
}

namespace tally::persistence {

struct state_options {
  std::string path;                            // <data-dir>/state
  std::uint64_t cache_bytes = 256ull << 20;    // block cache
  std::uint64_t memtable_bytes = 64ull << 20;  // per family, two at a time
  bool read_only = false;
  rocksdb::Env* env = nullptr;
};

/// Whose state: every key begins with it. Byte form: shard u16be, generation u32be, merchant, 0.
struct state_owner {
  std::uint16_t shard = 0;
  std::uint32_t generation = 0;
  std::string merchant;
};

/// Address of one totals row. Key after the owner: kind u8, granularity u8, tag, 0, begin i64be
/// (seconds). `tag` is the currency of a commerce row, the event name of a name row, else empty;
/// zero bytes in it are escaped as 01 01, one bytes as 01 02.
struct row_address {
  row_kind kind = row_kind::traffic;
  granularity width = granularity::day;
  std::string tag;
  bucket_time begin{};
};

/// One sorted run of recognised ids, written by one snapshot. Key after the owner (generation 0):
/// class u8, width u8, slice i64be, base u64be (smallest offset in it).
/// Value: opaque to the store.
struct id_run_address {
  std::uint8_t id_class = 0;
  std::uint8_t width = 0;
  std::int64_t slice = 0;
  std::uint64_t base = 0;
};

/// The families that hold what is of a shard.
enum class state_part : std::uint8_t { totals, snapshot, ids, rejects };

/// The `state` database (families `totals`, `snapshot`, `ids`, `rejects`): no WAL, all families
/// flushed atomically, may be thrown away and rebuilt from the journal. Rows are written as deltas
/// that a merge operator adds up. Values carry a crc32c; a value that does not match is
/// corrupt_record naming the key, and only its merchant suffers.
/// All functions may be called from any thread; batches belong to their maker.
class state_store {
 public:
  static result<std::unique_ptr<state_store>> open(const state_options& options);
  ~state_store();
  /// Whether open() found nothing and made it: all of it is to be computed from the journal.
  [[nodiscard]] bool is_new() const;

  /// What one snapshot writes, all or nothing.
  class batch {
   public:
    batch();
    ~batch();
    batch(batch&&) noexcept;
    batch& operator=(batch&&) noexcept;
    void add_row(const state_owner& owner, const row_address& at, std::string_view delta);
    /// Removes the rows of this kind, width and tag that begin before `before`.
    void drop_rows(const state_owner& owner, const row_address& before);
    void put_page(const state_owner& owner, std::uint8_t part, std::uint32_t page,
                  std::string_view bytes);
    void drop_page(const state_owner& owner, std::uint8_t part, std::uint32_t page);
    void put_ids(const state_owner& owner, const id_run_address& at, std::string_view bytes);
    void put_reject(const state_owner& owner, std::uint64_t offset, std::string_view bytes);
    void drop_reject(const state_owner& owner, std::uint64_t offset);
    /// Everything of this owner: rows, pages, rejects, and ids where `ids_too`.
    void drop_owner(const state_owner& owner, bool ids_too);
    [[nodiscard]] std::size_t bytes() const;

   private:
    friend class state_store;
    struct impl;
    std::unique_ptr<impl> impl_;
  };
  /// A failed write leaves the batch as it was, so that it can be tried again.
  status write(batch&& b);

  /// A consistent picture of the database at one moment. Any number may exist; each keeps old
  /// versions alive, so let go soon. Must end before the store.
  class view;
  using view_ptr = std::shared_ptr<const view>;
  [[nodiscard]] view_ptr look() const;

  /// A null view means the newest state. not_found where there is no such page.
  result<std::string> read_page(const state_owner& owner, std::uint8_t part, std::uint32_t page,
                                const view_ptr& at = nullptr) const;
  status scan_pages(const state_owner& owner, std::uint8_t part,
                    const std::function<bool(std::uint32_t page, std::string_view)>& f) const;
  /// Rows with from.begin <= begin < to, in order of begin.
  status scan_rows(const state_owner& owner, const row_address& from, bucket_time to,
                   const view_ptr& at,
                   const std::function<bool(bucket_time begin, std::string_view)>& f) const;
  /// All rows of an owner in key order: for verify, rebuild and hashes.
  status scan_all_rows(const state_owner& owner, const view_ptr& at,
                       const std::function<bool(const row_address&, std::string_view)>& f) const;
  /// Runs of one class and width with from <= slice <= to, in order of slice, then base.
  status scan_ids(const state_owner& owner, const id_run_address& from, std::int64_t to,
                  const std::function<bool(const id_run_address&, std::string_view)>& f) const;
  status scan_rejects(const state_owner& owner, std::uint64_t from,
                      const std::function<bool(std::uint64_t offset, std::string_view)>& f) const;
  /// Owners that have a head page (part 0, page 0), from `after` on, in key order.
  result<std::vector<state_owner>> list_owners(std::uint16_t shard, std::uint32_t generation,
                                               std::string_view after, std::size_t limit) const;

  /// Calls f with all that a family has of a shard, as it lies on disk, from the key behind `after`
  /// on, until it gives false.
  status scan_raw(std::uint16_t shard, state_part part, std::string_view after,
                  const std::function<bool(std::string_view key, std::string_view value)>& f,
                  const view_ptr& at) const;
  /// Puts what scan_raw() of another store gave in place of all that is here of the shard; it is on
  /// disk when this returns. What a crash leaves of it is some of both. Nobody else may write to
  /// the shard meanwhile. corrupt_record where a key is not of the shard.
  using part_source =
      std::function<result<bool>(state_part& part, std::string& key, std::string& value)>;
  status replace_shard(std::uint16_t shard, const part_source& from);

  /// Atomic flush of all families: what was written before is on disk after.
  status flush();
  [[nodiscard]] std::uint64_t bytes() const;
  status checkpoint(const std::string& directory) const;

 private:
  struct impl;
  explicit state_store(std::unique_ptr<impl> i);
  std::unique_ptr<impl> impl_;
};

}  // namespace tally::persistence

#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "domain/event.hpp"
#include "domain/time.hpp"

namespace tally {

/// 128-bit hash of an event's (id, client timestamp as sent).
struct id_hash {
  std::uint64_t high = 0, low = 0;
  auto operator<=>(const id_hash&) const = default;  // NOLINT(modernize-use-nullptr)
};
[[nodiscard]] id_hash hash_of_id(const event& e);

/// By which clock an id is kept. Numbers rest on disk.
enum class id_class : std::uint8_t {
  client_time = 0,   // slice of the client's own timestamp; recognised as long as the journal
  stamped_time = 1,  // no client timestamp: slice of stamped_at, recognised 24 hours at least
};

/// How long a slice is. Changes the cost, never the answer. Numbers rest on disk.
enum class slice_width : std::uint8_t { minute = 0, hour = 1, day = 2 };
[[nodiscard]] constexpr std::int64_t width_ms(slice_width w) {
  return w == slice_width::minute ? 60'000 : w == slice_width::hour ? 3'600'000 : 86'400'000;
}

/// A stretch of time of one class whose ids must be in memory before an event can be applied.
struct slice_range {
  id_class kind = id_class::client_time;
  slice_width width = slice_width::day;
  std::int64_t begin_ms = 0;
  [[nodiscard]] std::int64_t end_ms() const { return begin_ms + width_ms(width); }
  bool operator==(const slice_range&) const = default;
};

/// An id and the offset of its first event.
struct seen_id {
  id_hash hash;
  std::uint64_t offset = 0;
};

/// The ids that a merchant has seen, in slices of time. Only some slices are in memory; the others
/// are runs in the state database, written by snapshots. Not thread-safe.
class id_slices {
 public:
  /// Slices that `e` needs and that are not in memory. Those later than every id known of their
  /// class are made on the spot, empty.
  void missing_for(const event& e, event_time stamped_at, std::vector<slice_range>& out);
  /// Brings a slice in with what the database holds of it (hashes of a wider run may be among
  /// them: they do no harm, a hash holds its time).
  void load(const slice_range& range, const std::vector<seen_id>& ids);
  /// True where the id is known; else remembers it. Its slices must be in memory.
  bool seen_or_add(const event& e, event_time stamped_at, std::uint64_t offset);

  /// One run for the database: the ids of a slice that came since the last call.
  struct run {
    slice_range range;
    std::vector<seen_id> ids;  // sorted by hash
  };
  [[nodiscard]] std::vector<run> take_fresh();
  /// Forgets slices without fresh ids, oldest use first, until at most `bytes` are held; also
  /// slices so full that later ones should be narrower.
  void evict(std::size_t bytes);
  [[nodiscard]] std::size_t heap_bytes() const;
  [[nodiscard]] bool has_fresh() const;

  /// Newest time known per class: part of the head page.
  std::int64_t newest_ms[2] = {INT64_MIN, INT64_MIN};
  slice_width width = slice_width::day;  // of slices to come

 private:
  struct slice {
    slice_range range;
    std::vector<id_hash> table;  // open addressing, {0,0} is free
    std::vector<seen_id> fresh;
    std::uint64_t used = 0;
    std::uint32_t size = 0;   // ids in the table
    std::uint32_t loose = 0;  // so many of `fresh`, the last ones, are not in the table

    [[nodiscard]] bool contains(const id_hash& h) const;
    void insert(const id_hash& h);
    void add(const seen_id& id);
    void tabulate();
  };
  [[nodiscard]] slice* find(id_class kind, std::int64_t at_ms);
  void require(id_class kind, std::int64_t at_ms, std::vector<slice_range>& out);
  [[nodiscard]] slice_range range_for(id_class kind, std::int64_t at_ms) const;
  slice& insert_sorted(slice s);

  std::vector<slice> slices_;  // sorted by (class, begin), not overlapping
  std::uint64_t clock_ = 0;    // counts uses
};

}  // namespace tally

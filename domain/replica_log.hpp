#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "domain/replica_messages.hpp"

namespace tally {

/// The unsealed log of one copy as the core sees it: a header per chunk, the storage operation that
/// wrote it, and the body as long as someone may still need it sent. Offsets that name an end of a
/// chunk are called boundaries.
class replica_log {
 public:
  struct entry {
    chunk_header header;
    chunk_ptr body;                   // none: on disk only
    std::uint64_t operation = 0;      // 0: was there at the start
    std::uint64_t bytes_through = 0;  // payload bytes of the log up to and with this chunk
  };

  /// Chunks must follow `start` and each other; false where they do not.
  [[nodiscard]] bool recover(const log_position& start, const std::vector<chunk_header>& chunks);

  [[nodiscard]] const log_position& start() const { return start_; }
  [[nodiscard]] log_position end() const;
  /// End of what is on disk.
  [[nodiscard]] std::uint64_t synced_end() const;
  /// The boundary at `offset`; nothing where no chunk ends there or it is not in the log.
  [[nodiscard]] std::optional<log_position> at(std::uint64_t offset) const;
  /// The largest boundary that is not above `offset`; `start` where there is none.
  [[nodiscard]] log_position boundary_below(std::uint64_t offset) const;
  /// The largest boundary that is not above `offset` and of no later epoch.
  [[nodiscard]] log_position boundary_below(std::uint64_t offset, std::uint32_t epoch) const;
  [[nodiscard]] bool contains(const chunk_header& header) const;
  /// Entries after boundary `offset`, as an index for `operator[]`.
  [[nodiscard]] std::size_t index_after(std::uint64_t offset) const;
  [[nodiscard]] const entry& operator[](std::size_t index) const { return entries_[index]; }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  /// Payload bytes between two boundaries.
  [[nodiscard]] std::uint64_t bytes_between(std::uint64_t low, std::uint64_t high) const;

  void append(log_chunk chunk, std::uint64_t operation);
  /// Removes what is after boundary `offset`.
  void truncate(std::uint64_t offset);
  void mark_synced(std::uint64_t operation);
  /// Lets go of bodies up to `offset`.
  void release_bodies(std::uint64_t offset);
  /// Forgets entries up to the boundary `start`; all of them where it is beyond the end.
  void trim(const log_position& start);

 private:
  [[nodiscard]] std::uint64_t bytes_through(std::uint64_t offset) const;

  log_position start_;
  std::vector<entry> entries_;
  std::size_t synced_ = 0;    // leading entries on disk
  std::size_t released_ = 0;  // leading entries without body
};

}  // namespace tally

#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <limits>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "domain/result.hpp"
#include "domain/shard.hpp"
#include "persistence/journal.hpp"

namespace tally::persistence {

/// Which chunks of the log count: not those that were taken back, nor those that nobody knows yet
/// to be on enough disks. Any thread may ask; one thread at a time changes it.
class log_filter {
 public:
  log_filter();

  /// Chunks of rounds before `round` that lie behind `cut.end` were taken back.
  void add(round_number round, const log_cut& cut);
  /// Forgets cuts that only concern rounds before `first`; gives their keys.
  std::vector<std::string> forget(round_number first);
  void show_up_to(std::uint16_t shard, std::uint64_t offset);
  /// Removes what does not count of a round's chunks.
  void apply(round_number round, std::vector<round_entry>& entries) const;
  /// Removes only what was taken back.
  void apply_cuts(round_number round, std::vector<round_entry>& entries) const;
  /// The cuts that were made in this round.
  [[nodiscard]] std::vector<log_cut> made_in(round_number round) const;

  /// As they rest in the family `meta`.
  [[nodiscard]] static std::string key(round_number round, std::uint16_t shard);
  [[nodiscard]] static std::string encode(const log_cut& cut);
  /// Takes a record in; corrupt_record where it is damaged.
  status load(std::string_view key, std::string_view value);
  static constexpr std::string_view prefix{"\0cut/", 5};

 private:
  struct known_cut {
    round_number round = 0;
    log_cut cut;
  };
  [[nodiscard]] bool is_taken_back(round_number round, const chunk_header& header) const;

  std::array<std::atomic<std::uint64_t>, shard_count> shown_;
  std::atomic<bool> has_cuts_{false};
  mutable std::shared_mutex mutex_;
  std::vector<known_cut> cuts_;  // few: one for each time that a leader was lost
};

}  // namespace tally::persistence

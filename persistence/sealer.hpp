#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "domain/result.hpp"
#include "persistence/history.hpp"
#include "persistence/journal.hpp"
#include "persistence/state_store.hpp"

namespace tally::persistence {

struct sealer_options {
  std::uint64_t bytes_max = 64ull << 20;  // of rounds in one seal, which are in memory meanwhile;
                                          // one round at least
  std::uint64_t rounds_max = 100'000;
  seal_hook hook;  // for tests
};

/// What sealing has done since the sealer was made.
struct sealer_counts {
  std::uint64_t seals = 0, events = 0, blocks = 0, merged_events = 0;
  std::uint64_t event_bytes = 0;  // encoded, of `events`
};

/// Moves rounds of the log into history, in the background: sorts them by merchant, finds what was
/// a duplicate or rejected, and writes blocks. A merchant's new events merge with its last blocks
/// while those are no larger. Belongs to one thread; waits for the disk.
class sealer {
 public:
  /// Where the merchant's ids and texts are: the generation that serves it.
  using owner_finder =
      std::function<result<state_owner>(std::uint16_t shard, std::string_view merchant)>;

  sealer(const journal& log, const state_store& store, history& to, owner_finder owner_of,
         sealer_options options = {});

  /// Seals some of the rounds before `end`, whose events the serving generations must have saved in
  /// their snapshots; unavailable names a merchant that has not. True where it has sealed some.
  /// After a failure nothing has changed, and it may be tried again.
  result<bool> step(round_number end);
  [[nodiscard]] const sealer_counts& counts() const { return counts_; }

 private:
  const journal& log_;
  const state_store& store_;
  history& history_;
  owner_finder owner_of_;
  sealer_options options_;
  sealer_counts counts_;
};

/// Finds the serving generation by the journal's records.
[[nodiscard]] sealer::owner_finder serving_owners(const journal& log, const state_store& store);

/// What counting makes of events that are not sealed: fills `outcome` of the rows, which are all of
/// the merchant's events after the last one that its snapshot in `store` has. Rows that the
/// snapshot has may come first.
status judge_tail(const state_store& store, const state_owner& owner, std::vector<tail_row>& rows);
/// The same for events that all are in the snapshot.
status judge_saved(const state_store& store, const state_owner& owner, std::vector<tail_row>& rows);

}  // namespace tally::persistence

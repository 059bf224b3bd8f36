#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "domain/ruleset.hpp"
#include "persistence/history.hpp"
#include "persistence/journal.hpp"
#include "persistence/state_codec.hpp"
#include "persistence/state_store.hpp"

namespace tally::persistence {

/// How a merchant's state begins where nothing else was said. Fixed when a data directory is made.
struct initial_settings {
  std::string zone = "UTC";
  std::string currency = "USD";
};
[[nodiscard]] merchant_state initial_state(const initial_settings& settings);

/// Computes one merchant's state from the journal alone, from its first event to offset `upto`,
/// and puts it in place of what the store has of that merchant, ids included: all or nothing, so
/// a crash in between leaves the old state. Reads the whole log after what is sealed; waits for the
/// disk. `past` may be null where the log has everything.
result<loaded_state> rebuild_merchant(const journal& log, state_store& store,
                                      const state_owner& owner, std::uint64_t upto,
                                      const initial_settings& settings, const ruleset& rules,
                                      const history* past = nullptr);

/// Where a replay finds the ids that came before an event.
enum class id_use : std::uint8_t {
  own,     // it keeps its own under its owner
  shared,  // those that the serving generation saved: with a smaller offset they came before
};

/// A merchant's state while its journal is replayed into a store: applies, and saves now and then
/// so that memory stays bounded. With shared ids only events may be applied that the serving
/// generation has saved.
class replayed_merchant {
 public:
  replayed_merchant(state_store& store, state_owner owner, const initial_settings& settings,
                    const ruleset& rules, id_use ids = id_use::own);
  /// Goes on from what an earlier object saved under this owner, if anything.
  status resume();
  /// What was applied before changes nothing.
  status apply(std::string_view bytes, std::uint64_t offset, event_time stamped_at);
  /// Writes what is not saved yet; afterwards state() has no deltas.
  status save();
  [[nodiscard]] merchant_state& state() { return state_; }
  [[nodiscard]] const snapshot_result& snapshot() const { return snapshot_; }

 private:
  state_store& store_;
  state_owner owner_;
  const ruleset& rules_;
  id_use ids_;
  merchant_state state_;
  snapshot_result snapshot_;
};

}  // namespace tally::persistence

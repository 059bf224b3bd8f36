#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "domain/result.hpp"

namespace tally::actors {

/// Instants at which a test may have the process end as `kill -9` would: between two steps of which
/// the later one depends on the earlier.
enum class crash_point : std::uint8_t {
  none,
  journal_before_write,
  journal_after_write,    // on disk, and nobody knows
  registry_before_write,  // a round that changes merchants or keys
  registry_after_write,
  lane_before_apply,  // committed, and no aggregator has seen it
  snapshot_before_write,
  snapshot_after_write,  // in the state database, and the lane does not know
  keeper_before_flush,
  keeper_after_flush,  // flushed, and the journal does not yet say from where to read
  keeper_after_mark,
  log_before_drop,            // sealed segments of the log are to go
  log_after_drop,             // they are gone
  generation_after_save,      // a generation that is being built saved how far it is
  generation_before_promote,  // built and flushed, and no merchant has changed
  generation_mid_promote,     // one merchant has changed
  generation_after_promote,   // all have, and it is not noted
};

/// The exit code of a process that ended at such a point.
constexpr int crash_exit_code = 86;

/// Which point ends the process, and at which passing of it. For tests only; armed once, before
/// the actors start. Unarmed, pass() is one comparison.
class crash_plan {
 public:
  /// "journal_after_write" or "journal_after_write:3" for the third passing. Empty arms nothing;
  /// bad_option where there is no such point.
  status arm(std::string_view text);
  /// May be called from any thread.
  void pass(crash_point here) {
    if (here == at_) passed();
  }
  [[nodiscard]] static std::vector<std::string> names();

 private:
  void passed();

  crash_point at_ = crash_point::none;
  std::atomic<std::int64_t> left_{0};
};

}  // namespace tally::actors

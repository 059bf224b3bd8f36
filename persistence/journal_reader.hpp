#pragma once

#include <cstdint>
#include <string_view>

#include "persistence/history.hpp"
#include "persistence/journal.hpp"

namespace tally::persistence {

/// The whole truth of a node in one order: history up to what is sealed, then the log. Every event
/// comes once, while sealing goes on and sealed segments of the log are dropped. Any thread.
class journal_reader {
 public:
  /// A null `past`: the log has everything.
  journal_reader(const journal& log, const history* past) : log_{log}, past_{past} {}

  /// Calls f with every event of a merchant from `from_offset` on, in order, until it gives false.
  /// Reads the whole log after what is sealed.
  status for_each_event(std::uint16_t shard, std::string_view merchant, std::uint64_t from_offset,
                        const history::event_visitor& f) const;

  /// Whether rounds that were there are in history only.
  [[nodiscard]] bool log_is_cut() const { return log_.first_round() > 1; }

 private:
  const journal& log_;
  const history* past_;
};

}  // namespace tally::persistence

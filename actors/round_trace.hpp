#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "persistence/journal.hpp"

namespace tally::actors {

/// Which merchants have events in which rounds of the log: what a scan needs to find a merchant's
/// events that are not sealed yet. Eight bytes for each merchant of a round. One thread writes;
/// pictures may be read by any other at the same time.
class round_trace {
  struct entry {
    std::uint32_t merchant = 0;  // upper half of its hash: another one now and then costs a look
    std::uint32_t round = 0;     // behind the chunk's first
  };
  struct chunk {
    persistence::round_number first = 0, last = 0;  // last: the writer's own
    std::array<entry, 4'096> entries;
    std::atomic<std::uint32_t> size{0};
  };

 public:
  /// What the trace had when it was asked.
  class picture {
   public:
    /// Rounds from `from` on that may hold events of a merchant, ascending, each once.
    [[nodiscard]] std::vector<persistence::round_number> rounds_of(
        std::uint64_t hash, persistence::round_number from) const;

   private:
    friend class round_trace;
    std::shared_ptr<const std::vector<std::shared_ptr<chunk>>> chunks_;
    std::uint32_t last_size_ = 0;  // of the last chunk; the others are no longer written to
  };

  void note(std::uint64_t hash, persistence::round_number round);
  /// Lets go of what is only about rounds before `round`.
  void forget_before(persistence::round_number round);
  /// Every question asks for one, so it costs no more than a count of references.
  [[nodiscard]] picture look() const;

 private:
  using chunk_list = std::vector<std::shared_ptr<chunk>>;
  std::shared_ptr<const chunk_list> chunks_ = std::make_shared<chunk_list>();
};

}  // namespace tally::actors

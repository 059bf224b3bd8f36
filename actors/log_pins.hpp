#pragma once

#include <limits>
#include <memory>
#include <mutex>
#include <set>

#include "persistence/journal.hpp"

namespace tally::actors {

/// From which rounds on the log is still being read by somebody who began with the history. Who
/// pins the sealed end first and looks at the history afterwards finds every later round in the log
/// for as long as the pin lives. Thread safe.
class log_pins {
 public:
  /// Keeps the rounds from `from` on until the last copy is gone, which must be before the pins.
  using pin = std::shared_ptr<const void>;
  [[nodiscard]] pin hold(persistence::round_number from) {
    const std::scoped_lock lock{mutex_};
    const auto place = held_.insert(from);
    return {&*place, [this, place](const void*) {
              const std::scoped_lock again{mutex_};
              held_.erase(place);
            }};
  }
  /// The oldest round that is kept; the largest number where none is.
  [[nodiscard]] persistence::round_number lowest() const {
    const std::scoped_lock lock{mutex_};
    return held_.empty() ? std::numeric_limits<persistence::round_number>::max() : *held_.begin();
  }

 private:
  mutable std::mutex mutex_;
  std::multiset<persistence::round_number> held_;
};

}  // namespace tally::actors

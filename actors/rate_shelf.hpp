#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include "domain/rates.hpp"
#include "persistence/journal.hpp"

namespace tally::actors {

/// The rates that questions are answered with. Thread safe.
class rate_shelf {
 public:
  /// Null where there are none.
  [[nodiscard]] std::shared_ptr<const rate_book> now() const;
  /// Reads what the journal has, where that changed. Waits for the disk.
  status refresh(const persistence::journal& log);
  /// True at most once a second: another node's rates come through the journal unannounced.
  [[nodiscard]] bool is_due();

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const rate_book> book_;
  std::string last_;  // import that is in it
  std::chrono::steady_clock::time_point due_{};
};

}  // namespace tally::actors

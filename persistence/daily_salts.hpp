#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "domain/result.hpp"
#include "domain/time.hpp"
#include "persistence/journal.hpp"

namespace tally::persistence {

/// The secret of one UTC day that names visitors who send no id of their own.
struct daily_salt {
  std::int64_t day = -1;  // since 1970; -1: none
  std::array<unsigned char, 16> key{};
};
struct daily_salts {
  daily_salt today, yesterday;
};

[[nodiscard]] std::int64_t day_of(event_time at);

/// Salts rest in the journal's `meta` under "salt/" and the day, 16 random bytes each, so that
/// visitors stay who they are over a restart. A day's salt is deleted at the end of the day after
/// it, 48 hours old.
struct salt_turn {
  daily_salts salts;
  std::vector<record> records;  // to be put into `meta`; nothing where all is in place
};
/// Makes a day's salt; without one it is random.
using salt_maker = std::function<result<daily_salt>(std::int64_t day)>;
/// What has to change for `day`, and the salts that hold when it has.
result<salt_turn> turn_salts(const journal& log, std::int64_t day, const salt_maker& make = {});

/// The salts in use, for any thread.
class salt_box {
 public:
  void set(const daily_salts& salts) {
    const std::lock_guard lock{mutex_};
    salts_ = salts;
  }
  [[nodiscard]] daily_salts get() const {
    const std::lock_guard lock{mutex_};
    return salts_;
  }

 private:
  mutable std::mutex mutex_;
  daily_salts salts_;
};

}  // namespace tally::persistence

#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "domain/time.hpp"

namespace tally {

/// A time zone of the tz database, from tables compiled into the program: two nodes with different
/// system files must not count differently. The tables are made by scripts/make-zones.
/// Immutable, lives for ever; every function may be called from any thread.
class zone {
 public:
  /// A stretch of UTC during which the zone's offset from UTC does not change.
  struct period {
    bucket_time begin, end;  // end is exclusive; the far past and future are +-(2^40) seconds
    std::chrono::seconds offset;
  };

  /// Finds by IANA name, links included ("Europe/London", "GB"); null where there is none.
  [[nodiscard]] static const zone* find(std::string_view name);
  [[nodiscard]] static const zone& utc();
  /// All names, sorted, links included.
  [[nodiscard]] static std::span<const std::string_view> names();
  /// Version of the rules, such as "2025b".
  [[nodiscard]] static std::string_view rules_version();

  /// The period that holds `t`. Rules beyond the last listed transition follow the zone's POSIX
  /// footer, so far future years are right too.
  [[nodiscard]] period at(bucket_time t) const;
  /// Canonical name.
  [[nodiscard]] std::string_view name() const { return name_; }

 private:
  friend struct zone_tables;
  std::string_view name_;
  std::uint32_t first_ = 0, count_ = 0;  // transitions in the compiled tables
  std::uint32_t footer_ = 0;             // POSIX rule in the compiled tables
};

}  // namespace tally

#pragma once

#include <chrono>
#include <cstdint>

namespace tally {

/// Milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted. The journal's unit of time.
using event_time = std::chrono::sys_time<std::chrono::milliseconds>;
/// Begin of a bucket: always a whole second.
using bucket_time = std::chrono::sys_seconds;

constexpr event_time time_from_ms(std::int64_t ms) {
  return event_time{std::chrono::milliseconds{ms}};
}
constexpr std::int64_t to_ms(event_time t) {
  return t.time_since_epoch().count();
}
constexpr std::int64_t to_s(bucket_time t) {
  return t.time_since_epoch().count();
}

}  // namespace tally

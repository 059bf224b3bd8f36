#pragma once

#include <cstdint>
#include <string_view>

namespace tally {

/// Why an operation failed. The numbers travel and rest: append, never renumber.
enum class errc : std::uint8_t {
  corrupt_record = 1,   // bytes that do not decode or whose checksum differs
  bad_option = 2,       // a setting outside its range
  io_error = 3,         // the disk or the database refused
  disk_full = 4,        // no space; heals by itself when space returns
  locked = 5,           // another process uses the data directory
  not_found = 6,        // merchant, key, ruleset or file
  bad_request = 7,      // what the caller sent cannot be understood
  unauthorized = 8,     // no such key
  forbidden = 9,        // the key does not allow this
  over_limit = 10,      // rate, size or count
  unavailable = 11,     // draining, overloaded or timed out: try again
  conflict = 12,        // exists already
  unsupported = 13,     // a format or version this build does not know
  lossy_recovery = 14,  // the journal lost acknowledged bytes
};

[[nodiscard]] constexpr std::string_view to_string(errc code) {
  switch (code) {
    case errc::corrupt_record:
      return "corrupt_record";
    case errc::bad_option:
      return "bad_option";
    case errc::io_error:
      return "io_error";
    case errc::disk_full:
      return "disk_full";
    case errc::locked:
      return "locked";
    case errc::not_found:
      return "not_found";
    case errc::bad_request:
      return "bad_request";
    case errc::unauthorized:
      return "unauthorized";
    case errc::forbidden:
      return "forbidden";
    case errc::over_limit:
      return "over_limit";
    case errc::unavailable:
      return "unavailable";
    case errc::conflict:
      return "conflict";
    case errc::unsupported:
      return "unsupported";
    case errc::lossy_recovery:
      return "lossy_recovery";
  }
  return "unknown";
}

}  // namespace tally

#include "persistence/daily_salts.hpp"

#include <sodium.h>

#include <algorithm>
#include <charconv>

#include "domain/ensure.hpp"

namespace tally::persistence {
namespace {

constexpr std::string_view prefix = "salt/";

std::int64_t day_in(std::string_view key) {
  std::int64_t day = -1;
  key.remove_prefix(prefix.size());
  const auto read = std::from_chars(key.data(), key.data() + key.size(), day);
  return read.ec == std::errc{} && read.ptr == key.data() + key.size() ? day : -1;
}

daily_salt fresh_salt(std::int64_t day) {
  static const int started = sodium_init();
  ensure(started >= 0, "libsodium does not start");
  daily_salt salt;
  salt.day = day;
  randombytes_buf(salt.key.data(), salt.key.size());
  return salt;
}

}  // namespace

std::int64_t day_of(event_time at) {
  return std::chrono::floor<std::chrono::days>(at).time_since_epoch().count();
}

result<salt_turn> turn_salts(const journal& log, std::int64_t day, const salt_maker& make) {
  const auto found = log.list_meta(prefix);
  if (!found) return found.error();
  salt_turn turn;
  for (const auto& r : *found) {
    daily_salt salt;
    salt.day = day_in(r.key);
    const bool whole = r.value.size() == salt.key.size();
    if (whole) std::copy(r.value.begin(), r.value.end(), salt.key.begin());
    if (whole && salt.day == day) {
      turn.salts.today = salt;
    } else if (whole && salt.day == day - 1) {
      turn.salts.yesterday = salt;
    } else {
      turn.records.push_back({r.key, {}});
    }
  }
  if (turn.salts.today.day == day) return turn;
  const auto fresh = make ? make(day) : result<daily_salt>{fresh_salt(day)};
  if (!fresh) return fresh.error();
  turn.salts.today = *fresh;
  turn.records.push_back({std::string{prefix} + std::to_string(day),
                          {turn.salts.today.key.begin(), turn.salts.today.key.end()}});
  return turn;
}

}  // namespace tally::persistence

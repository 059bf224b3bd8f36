#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "domain/time.hpp"
#include "persistence/daily_salts.hpp"

namespace tally::api {

/// Who somebody is that sends no id: the address and agent, of which only a hash leaves this class.
struct visitor_traits {
  std::string_view merchant, address, agent;
};

/// Names visitors without cookies: SipHash of merchant, address and agent under the day's salt, so
/// that nobody can be recognised at another merchant, on another day, or once the salt is gone.
/// Whoever was here in the last half hour before midnight keeps the name until the visit ends,
/// which is remembered in memory only, and bounded. May be called from any thread.
class visitor_names {
 public:
  explicit visitor_names(std::function<persistence::daily_salts()> salts)
      : salts_{std::move(salts)} {}

  /// 16 hex digits.
  [[nodiscard]] std::string name(const visitor_traits& who, event_time now);

  static constexpr std::chrono::minutes visit_gap{30};

 private:
  void remember(std::uint64_t hash, event_time now);

  std::function<persistence::daily_salts()> salts_;
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, event_time> seen_;  // who may cross midnight
  event_time forgot_{};
};

}  // namespace tally::api

#pragma once

#include <chrono>
#include <cstdint>

#include "domain/replica_messages.hpp"

namespace tally::simulation {

/// The only source of chance: splitmix64 (Steele, Lea, Flood 2014). The same seed gives the same
/// numbers on every machine, which the standard distributions don't promise.
class chance {
 public:
  explicit chance(std::uint64_t seed) : state_{seed} {}

  std::uint64_t next() {
    auto z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  /// From 0 to `limit` - 1; `limit` must not be 0.
  std::uint64_t below(std::uint64_t limit) { return next() % limit; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }
  bool permille(std::uint64_t p) { return below(1'000) < p; }
  steady_time between(steady_time low, steady_time high) {
    return low + steady_time{below(static_cast<std::uint64_t>((high - low).count()) + 1)};
  }

 private:
  std::uint64_t state_;
};

}  // namespace tally::simulation

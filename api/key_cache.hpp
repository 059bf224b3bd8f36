#pragma once

#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "actors/engine.hpp"

namespace tally::api {

/// What keys were found to be, for a few seconds: good ones and unknown ones alike, so that a
/// client with a wrong key does not ask the disk each time. Bounded; may be called from any thread.
class key_cache {
 public:
  using answer = result<actors::key_facts>;
  using time = std::chrono::steady_clock::time_point;

  explicit key_cache(std::chrono::milliseconds kept = std::chrono::seconds{5},
                     std::size_t keys_max = 50'000)
      : kept_{kept}, keys_max_{keys_max} {}

  [[nodiscard]] std::optional<answer> find(const std::string& key, time now) const;
  /// Only what holds for a while is kept: a key's facts, or that it is unknown.
  void put(const std::string& key, const answer& what, time now);

 private:
  struct entry {
    answer what;
    time until;
  };
  std::chrono::milliseconds kept_;
  std::size_t keys_max_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, entry> entries_;
};

}  // namespace tally::api

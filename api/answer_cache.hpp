#pragma once

#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "actors/engine.hpp"

namespace tally::api {

/// What keys or aliases were found to be, for a few seconds: good ones and unknown ones alike, so
/// that a client with a wrong key does not ask the disk each time. Bounded; may be called from any
/// thread.
template <class T>
class answer_cache {
 public:
  using answer = result<T>;
  using time = std::chrono::steady_clock::time_point;

  explicit answer_cache(std::chrono::milliseconds kept = std::chrono::seconds{5},
                        std::size_t answers_max = 50'000)
      : kept_{kept}, answers_max_{answers_max} {}

  [[nodiscard]] std::optional<answer> find(const std::string& key, time now) const {
    const std::lock_guard lock{mutex_};
    const auto found = entries_.find(key);
    if (found == entries_.end() || found->second.until < now) return std::nullopt;
    return found->second.what;
  }

  /// Only what holds for a while is kept: what was found, or that it is unknown. `asked` is when
  /// the question began: an answer from before the last clear() is not kept.
  void put(const std::string& key, const answer& what, time asked) {
    if (!what && what.error().code != errc::unauthorized && what.error().code != errc::not_found)
      return;
    const std::lock_guard lock{mutex_};
    if (asked < cleared_) return;
    // Everything in it is a few seconds old at most: starting over costs little.
    if (entries_.size() >= answers_max_) entries_.clear();
    entries_.insert_or_assign(key, entry{what, asked + kept_});
  }

  void clear(time now) {
    const std::lock_guard lock{mutex_};
    entries_.clear();
    cleared_ = now;
  }

 private:
  struct entry {
    answer what;
    time until;
  };
  std::chrono::milliseconds kept_;
  std::size_t answers_max_;
  mutable std::mutex mutex_;
  time cleared_{};
  std::unordered_map<std::string, entry> entries_;
};

/// By a key's text.
using key_cache = answer_cache<actors::key_facts>;
/// Merchants by alias.
using alias_cache = answer_cache<actors::alias_facts>;

}  // namespace tally::api

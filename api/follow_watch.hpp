#pragma once

#include <chrono>
#include <set>
#include <string>

namespace tally::api {

/// Waits for changes in folders by inotify. Where that cannot be had, every wait takes its time:
/// callers look at the files after each one, so nothing is missed, only seen later.
class follow_watch {
 public:
  explicit follow_watch(const std::set<std::string>& folders);
  ~follow_watch();
  follow_watch(const follow_watch&) = delete;
  follow_watch& operator=(const follow_watch&) = delete;

  /// Returns after a change, a signal or `limit`. Changes that come at once are one.
  void wait(std::chrono::milliseconds limit) const;
  [[nodiscard]] bool is_polling() const { return notes_ < 0; }

 private:
  int notes_ = -1;
};

}  // namespace tally::api

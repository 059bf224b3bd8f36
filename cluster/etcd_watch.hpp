#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "cluster/etcd_client.hpp"

namespace tally::cluster {

struct etcd_event;

/// Follows all keys under a prefix: reads them, watches from the next revision on, and reads them
/// again after whatever ends the watch. A second thread reads them at another endpoint now and
/// then, since the watch of a frozen or cut-off member is silent; what it finds counts, and the
/// watch moves on. Both threads are its own; `on_change` is called by one of them at a time.
class etcd_watch {
 public:
  /// The key's newest entry, nothing where it was deleted. Intermediate ones may be passed over.
  struct change {
    std::string key;
    std::optional<etcd_entry> entry;
  };
  using observer = std::function<void(const change&)>;
  struct counts {
    std::uint64_t streams = 0;      // watches that began
    std::uint64_t rereads = 0;      // reads of everything, the first included
    std::uint64_t compactions = 0;  // watches that asked for what was compacted
    std::uint64_t silences = 0;     // watches that the watchdog found behind
    std::uint64_t regressions = 0;  // times the store was older than before: restored or wiped
  };

  /// `options` must be valid; `on_change` must not call back into this object.
  etcd_watch(etcd_options options, std::string prefix, observer on_change);
  /// Ends both threads; may wait as long as a request may take.
  ~etcd_watch();

  /// Up to this revision everything was told; 0: nothing was read yet.
  [[nodiscard]] std::uint64_t revision() const;
  [[nodiscard]] counts counted() const;

 private:
  void follow();
  void guard();
  [[nodiscard]] bool reread(etcd_client& client, std::uint64_t known_before);
  void watch_from(const std::string& endpoint, const std::string& token, std::uint64_t revision);
  [[nodiscard]] bool take_line(std::string_view line);
  void take_events(std::vector<etcd_event> events);
  [[nodiscard]] bool is_known(const etcd_range& range) const;
  void tell(std::string key, std::optional<etcd_entry> entry);
  void end_stream();
  [[nodiscard]] bool pause(std::chrono::milliseconds time);

  etcd_options options_;
  std::string prefix_;
  observer on_change_;

  mutable std::mutex mutex_;  // all below
  std::condition_variable ends_;
  bool is_ending_ = false;
  std::uint64_t revision_ = 0;
  std::map<std::string, etcd_entry> entries_;
  counts counts_;
  std::shared_ptr<http_exchange> stream_;
  std::size_t endpoint_ = 0;  // of the watch

  std::thread follower_, guard_;
};

}  // namespace tally::cluster

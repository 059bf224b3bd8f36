#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "cluster/replicator.hpp"
#include "domain/replica_types.hpp"

namespace tally::cluster {

/// A copy of a shard that lies in a file: all that its log has up to `start`.
struct fetched_copy {
  log_position start;
  std::string path;
};

/// Fetches copies of shards from other nodes, one after another, into files of `folder`, which is
/// emptied first. What fails is tried again until its turn has taken `patience`. Has a thread.
class copy_fetcher {
 public:
  struct options {
    std::string folder;
    std::uint64_t free_bytes_min = 0;  // of the file system, else it waits
    std::chrono::milliseconds answer_timeout{10'000};
    std::chrono::milliseconds retry_pause{500};
    std::chrono::milliseconds patience{60'000};
  };
  using asker = decltype(replicator_ports::ask);
  /// On the fetcher's thread.
  using receiver = std::function<void(std::uint16_t shard, fetched_copy)>;

  copy_fetcher(options o, asker ask, receiver done);
  /// Gives up what it does.
  ~copy_fetcher();
  copy_fetcher(const copy_fetcher&) = delete;
  copy_fetcher& operator=(const copy_fetcher&) = delete;

  /// Asks for a shard's copy; where it is asked for already, from that node now. Any thread.
  void want(std::uint16_t shard, node_id from);

 private:
  struct wish {
    std::uint16_t shard = 0;
    node_id from;
    std::chrono::steady_clock::time_point until;  // set when its turn comes
  };
  void run();
  result<fetched_copy> fetch(const wish& w);
  result<std::string> ask(node_id to, std::string body);
  [[nodiscard]] std::string path_of(std::uint16_t shard) const;

  options options_;
  asker ask_;
  receiver done_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<wish> wishes_;
  bool is_ending_ = false;
  std::thread thread_;
};

}  // namespace tally::cluster

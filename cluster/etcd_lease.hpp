#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

#include "cluster/etcd_client.hpp"

namespace tally::cluster {

struct etcd_lease_callbacks {
  /// False while the node must not look alive: its loop or its disk hangs. Then nothing is renewed.
  std::function<bool()> is_well;
  /// A new lease was granted: register under it with `client`. False where that failed; it is tried
  /// again with the same lease.
  std::function<bool(etcd_client& client, std::uint64_t lease)> on_granted;
  /// The lease is gone. A hint, nothing more: the next one is asked for at once.
  std::function<void()> on_lost;
};

/// Keeps one lease alive in a thread of its own, with a request every quarter of its time, and gets
/// another one where it is lost: losing a lease is an ordinary event. Callbacks run in that thread.
class etcd_lease {
 public:
  etcd_lease(etcd_options options, etcd_lease_callbacks callbacks);
  /// Revokes the lease, so that others see at once that the node is gone.
  ~etcd_lease();

  /// 0 where there is none now.
  [[nodiscard]] std::uint64_t id() const;
  /// How often one was granted.
  [[nodiscard]] std::uint64_t grants() const;

 private:
  void keep();
  [[nodiscard]] std::chrono::milliseconds turn(etcd_client& client);
  [[nodiscard]] std::chrono::milliseconds renew(etcd_client& client, std::uint64_t lease);
  [[nodiscard]] std::chrono::milliseconds beat() const;

  etcd_options options_;
  etcd_lease_callbacks callbacks_;

  mutable std::mutex mutex_;
  std::condition_variable ends_;
  bool is_ending_ = false;
  std::uint64_t id_ = 0, grants_ = 0;
  std::chrono::seconds ttl_{0};
  bool is_registered_ = false;  // of the thread

  std::thread keeper_;
};

}  // namespace tally::cluster

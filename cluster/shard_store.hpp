#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "cluster/etcd_client.hpp"
#include "cluster/etcd_watch.hpp"
#include "domain/replica_types.hpp"
#include "domain/shard_map.hpp"

namespace tally::cluster {

struct shard_store_options {
  etcd_options etcd;
  std::string cluster;                        // its name, see validate_cluster_name
  std::size_t swappers = 3;                   // threads that swap, with a connection each
  std::size_t swaps_waiting_max = 1'024;      // more are refused
  std::size_t reads_waiting_max = 4'096;      // more are answered with nothing
  std::chrono::milliseconds wait_max{2'000};  // a swap that waited longer is refused, not sent
};
/// bad_option that names the field.
[[nodiscard]] status validate(const shard_store_options& options);

/// The configuration store of all shards, in etcd. Never waits for etcd on the caller's thread and
/// never calls back on its stack; callbacks come from threads of the store, several at a time, and
/// must neither block nor call the destructor. Any thread may call.
class shard_store {
 public:
  using observer = std::function<void(std::uint16_t shard, const shard_config& config)>;
  using swap_callback = std::function<void(swap_outcome outcome, std::uint64_t version)>;
  using read_callback = std::function<void(std::optional<shard_config> config)>;
  struct counts {
    std::uint64_t swaps_done = 0, swaps_refused = 0, swaps_unknown = 0;
    std::uint64_t reads_done = 0, reads_failed = 0;
    std::uint64_t unreadable = 0;  // entries that no build of this version wrote
  };

  /// `on_config` is told every entry there is and then every change, one at a time, by the watch: a
  /// hint, behind the store by some milliseconds, of which older ones may be passed over. An entry
  /// that was deleted is told as shard_config{} (version 0). `options` must be valid.
  shard_store(shard_store_options options, observer on_config);
  /// Answers everything that waits: swaps refused, reads with nothing.
  ~shard_store();

  /// Replaces the entry where it still has that version (0: where there is none). Sent once or not
  /// at all, and answered once: `refused` means that it did not and never will happen, `unknown`
  /// that it may have or yet may.
  void compare_and_swap(std::uint16_t shard, std::uint64_t expected_version, shard_config proposed,
                        swap_callback then);
  /// What the entry is at some instant after this call (linearizable). shard_config{} (version 0)
  /// where there is none, nothing where it cannot be read. Reads that wait share one request.
  void read(std::uint16_t shard, read_callback then);

  /// Makes the entries that do not exist yet, first[0] for shard 0; others stay as they are, so it
  /// may be repeated after a failure and called by several nodes at once. Blocks.
  status create_shards(const std::vector<shard_config>& first);
  /// What the watch knows, by shard; version 0 where it knows nothing.
  [[nodiscard]] std::vector<shard_config> known() const;
  /// True once the watch has read everything. Not to be asked by `on_config`.
  [[nodiscard]] bool is_filled() const { return watch_->revision() != 0; }
  [[nodiscard]] counts counted() const;

 private:
  using clock = std::chrono::steady_clock;
  struct pending_swap {
    std::uint16_t shard = 0;
    std::uint64_t expected_version = 0;
    shard_config proposed;
    swap_callback then;
    clock::time_point asked_at;
  };
  using waiting_reads = std::map<std::uint16_t, std::vector<read_callback>>;

  void serve_swaps(std::size_t number);
  void serve_reads();
  void serve_declined();
  void answer_swap(etcd_client& client, pending_swap& swap, bool is_sent);
  void answer_reads(etcd_client& client, waiting_reads& reads);
  [[nodiscard]] std::optional<shard_config> config_of(std::uint16_t shard, const etcd_entry& entry);
  void take_change(const etcd_watch::change& change);

  shard_store_options options_;
  std::string prefix_;
  observer on_config_;

  mutable std::mutex mutex_;  // all below
  std::condition_variable swaps_come_, reads_come_, declined_come_;
  bool is_ending_ = false, is_declining_over_ = false;
  std::deque<pending_swap> swaps_;
  waiting_reads reads_;
  std::size_t reads_waiting_ = 0;
  std::deque<std::function<void()>> declined_;  // answers that need no request
  std::vector<shard_config> known_;
  counts counts_;

  std::unique_ptr<etcd_watch> watch_;
  std::vector<std::thread> swappers_;
  std::thread reader_, decliner_;
};

}  // namespace tally::cluster

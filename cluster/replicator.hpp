#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/replication.hpp"
#include "domain/replica_types.hpp"
#include "domain/result.hpp"

namespace tally::cluster {

struct replicator_options {
  std::uint64_t cluster = 0;  // its number
  node_id node;
  replica_options core;
  std::uint16_t shards = 256;  // the first ones; only tests have fewer
  std::chrono::milliseconds tick_every{50};
  std::chrono::milliseconds balance_every{2'000};
  std::uint32_t moves_max = 8;                         // leaders given away at a time
  std::uint64_t followed_bytes_max = 64u << 20;        // committed by others, not yet counted here
  std::chrono::milliseconds forward_timeout{10'000};   // of events and changes for other leaders
  std::chrono::milliseconds command_timeout{120'000};  // of a command at another node
  std::uint64_t forward_bytes_max = 64u << 20;         // on their way to them
  std::chrono::milliseconds retry_pause{50};           // before they are sent again
  // Of log that is kept for copies that lag; behind that they fetch a copy of the history.
  std::uint64_t lagging_log_bytes_max = 16ull << 30;
  std::uint32_t headers_of_shard_max = 32'768;      // of chunks, in memory
  std::chrono::milliseconds registry_every{1'000};  // merchants of shards without a copy here
  std::size_t registry_ring_max = 1'024;            // changes of a shard that are remembered
  std::size_t registry_answer_bytes = 8u << 20;     // of whole shards, in one answer
  std::uint32_t copies_sent_max = 4;                // histories that others fetch at the same time
  std::size_t copy_page_bytes = 1u << 20;           // of them at a time
  std::chrono::milliseconds copy_clear_timeout{600'000};  // for merchants to sleep
  std::chrono::milliseconds copy_idle_max{60'000};        // nobody reads on, or they were read
};

/// The rest of the cluster, as the replicator sees it. Functions may be called from its thread and
/// from any other, must not block, and answer on any thread.
struct replicator_ports {
  std::function<void(node_id to, std::vector<replica_message>)> send;
  std::function<void(std::uint16_t shard, std::uint64_t expected_version, shard_config proposed,
                     std::function<void(swap_outcome, std::uint64_t version)>)>
      swap;
  std::function<void(std::uint16_t shard, std::function<void(std::optional<shard_config>)>)> read;
  std::function<void(node_id, std::function<void(std::optional<witness>)>)> probe;
  std::function<void(node_id to, std::string kind, std::string body, std::chrono::milliseconds,
                     std::function<void(result<std::string>)>)>
      ask;
  std::function<result<std::string>(const std::string& name)> secret;  // blocks
};

/// A command for the node that is asked: its words as a JSON array.
inline constexpr auto command_request = "command";

/// What a node tells of one shard.
struct shard_report {
  std::uint16_t shard = 0;
  std::uint32_t epoch = 0;
  replica_role role = replica_role::learner;  // of this node's copy
  node_id leader;                             // 0: unknown
  std::vector<node_id> in_sync, copies;
  std::uint64_t end = 0, commit = 0, told = 0;  // of this node's copy
};

/// All copies of a node's shards: drives their cores, writes their logs in common rounds, tells the
/// lanes what is committed. Every function may be called from any thread.
class replicator final : public actors::replication {
 public:
  replicator(replicator_options options, replicator_ports ports);
  ~replicator() override;

  // actors::replication
  actors::journal_actor spawn(caf::actor_system& system, const actors::node_env_ptr& env) override;
  void begin(std::vector<actors::lane_actor> lanes) override;
  void end() override;
  void submit(actors::submission_ptr events) override;
  void change(actors::registry_change_ptr what) override;
  std::optional<result<std::string>> run_at_leader(std::uint16_t shard,
                                                   const std::vector<std::string>& words) override;
  result<std::string> secret(const std::string& name) override;
  [[nodiscard]] std::string not_ready() const override;
  [[nodiscard]] bool may_read(std::uint16_t shard) const override;

  /// What went wrong while the copies were read back; spawn() cannot say it.
  [[nodiscard]] const status& recovered() const;
  /// What the store is to hold of each shard that never was: this node has its only copy. The
  /// first of the nodes where a shard is placed writes it by itself.
  [[nodiscard]] std::vector<shard_config> first_configs() const;
  [[nodiscard]] std::uint64_t incarnation() const;

  // What happens around this node.
  void receive(node_id from, std::vector<replica_message> messages);
  void see(std::uint16_t shard, const shard_config& config);
  void peer_down(node_id node);
  /// Where the copies of the shard should be, the first of which should lead; empty: nobody
  /// planned it, then every node has one.
  void place(std::uint16_t shard, std::vector<node_id> nodes);
  /// The nodes that hold a lease.
  void set_live(std::vector<node_id> nodes);
  void lease_lost();
  /// Of another node: "events" and "change".
  void answer(node_id from, const std::string& kind, std::string body,
              std::function<void(result<std::string>)> reply);

  /// False where the replicator's last turn is longer ago than that: its thread or its disk hangs.
  [[nodiscard]] bool is_well(std::chrono::milliseconds within) const;
  /// Gives the shards that this node leads to others and leaves the in-sync copies, as far as that
  /// works before `limit`. Blocks. False where it still leads some.
  bool leave(std::chrono::milliseconds limit);
  /// Has another node lead the shard, if it can: a wish.
  void hand_over(std::uint16_t shard, node_id to);
  /// Who leads the shard as far as this node knows; 0: nobody.
  [[nodiscard]] node_id leader_of(std::uint16_t shard) const;
  /// Blocks for a moment; empty where the actors have ended.
  [[nodiscard]] std::vector<shard_report> report() const;

  struct shared;

 private:
  std::shared_ptr<shared> shared_;
};

}  // namespace tally::cluster

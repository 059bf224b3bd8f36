#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "domain/replica_messages.hpp"

namespace tally {

/// Both clocks of the caller at one instant.
struct instant {
  steady_time steady{};
  event_time wall{};
};

/// All waits and limits of a copy. Relations that must hold are checked by `is_valid`.
struct replica_options {
  std::uint32_t min_in_sync = 2;  // fewer in-sync copies take no writes
  steady_time beacon_every = std::chrono::milliseconds{100};
  steady_time shrink_after = std::chrono::milliseconds{500};     // a silent follower
  steady_time lease = std::chrono::milliseconds{800};            // reads after an answered beacon
  steady_time suspect_after = std::chrono::milliseconds{1'000};  // a silent leader
  steady_time certain_after = std::chrono::milliseconds{3'000};  // without any witness
  steady_time rank_delay = std::chrono::milliseconds{150};
  steady_time park = std::chrono::milliseconds{500};         // batches during a hand-over
  steady_time slow_disk = std::chrono::milliseconds{1'000};  // a leader's oldest sync
  steady_time config_poll = std::chrono::milliseconds{2'000};
  steady_time pull_every = std::chrono::milliseconds{100};
  steady_time fetch_patience = std::chrono::minutes{1};  // for a copy that does not come
  std::chrono::milliseconds clock_error_max{5'000};      // of a leader against its followers
  std::uint32_t takeovers_per_minute_max = 3;
  std::uint32_t copies_max = 8;  // that a configuration may list
  std::size_t parked_bytes_max = 8u << 20;
  std::size_t uncommitted_bytes_max = 64u << 20;
  std::size_t window_bytes_max = 4u << 20;  // unanswered at one follower
  std::size_t frame_bytes_max = 256u << 10;
};
[[nodiscard]] bool is_valid(const replica_options& options);

/// Every rule that safety rests on. Only tests switch one off, to see the simulator notice.
struct replica_rules {
  bool ack_after_sync = true;
  bool leader_counts_synced = true;
  bool all_in_sync_needed = true;
  bool in_flight_sets_counted = true;
  bool shrink_after_confirmation = true;
  bool expand_past_commit = true;
  bool expand_past_epoch_start = true;
  bool promise_persisted = true;
  bool stale_epoch_refused = true;
  bool chain_matched = true;
  bool match_acknowledged = true;
  bool truncate_only_conflicts = true;
  bool commit_within_match = true;
  bool committed_never_truncated = true;
  bool lossy_gets_new_id = true;
  bool new_epoch_on_restart = true;
  bool unknown_swap_may_have_happened = true;
  bool unknown_swap_may_have_failed = true;
  bool swap_names_version = true;
  bool only_in_sync_takes_over = true;
  bool pending_fails_at_step_down = true;
  bool lease_checked = true;
  bool reads_wait_for_epoch_start = true;
  bool late_takeover_waits_out_lease = true;
  bool handover_in_doubt_stops_reads = true;
};

/// What a copy finds when its process starts.
struct recovered_state {
  std::uint64_t cluster = 0;
  std::uint16_t shard = 0;
  node_id node;
  std::uint64_t incarnation = 0;  // rises with every start of the process
  replica_id id;                  // none: an empty directory
  replica_id fresh_id;            // to be used where `id` cannot be kept
  /// Something that was synced may be missing. Stays so at every start until `persist_identity` is
  /// on disk: a process that ends before that left no new name behind.
  bool lossy = false;
  std::uint32_t promise = 0;
  log_position start;  // what is before was sealed
  std::vector<chunk_header> log;
  std::uint64_t commit = 0;  // at least so far, 0 where unknown
};

// ---- what happens to a copy

struct message_received {
  replica_message message;
};
/// A batch of a client; count, size and crc of its header are set.
struct append_requested {
  std::uint64_t ticket = 0;  // named again in `completed`
  std::shared_ptr<chunk> body;
};
/// Every operation up to `operation` is on disk. Operations become durable in order.
struct synced {
  std::uint64_t operation = 0;
};
enum class swap_outcome : std::uint8_t { done, refused, unknown };
/// Every compare_and_swap gets one answer; the caller says `unknown` where a reply does not come.
struct swap_answered {
  std::uint64_t request = 0;
  swap_outcome outcome = swap_outcome::unknown;
  std::uint64_t version = 0;  // where done
};
/// The store's entry by linearizable read, or (request 0) by watch. Nothing: it cannot be read.
struct config_seen {
  std::uint64_t request = 0;
  std::optional<shard_config> config;
};
enum class witness : std::uint8_t {
  refused,      // the leader's port refuses connections: its process is dead
  lease_gone,   // its node has no lease any more
  unreachable,  // no other node reaches it
};
/// What a witness says about the leader of `epoch`.
struct leader_witnessed {
  std::uint32_t epoch = 0;
  witness what = witness::unreachable;
};
struct peer_down {
  replica_id peer;
};
/// The node's own lease: a hint to look at the store, nothing more.
struct lease_lost {};
struct hand_over_requested {
  replica_id target;
};
/// The operator or the balancer wants this copy gone.
struct drop_copy_requested {
  replica_id copy;
};
/// The node stops soon, or its disk is full.
struct leave_requested {};
/// The caller removed the log up to `start` after sealing it.
struct log_trimmed {
  log_position start;
};
/// A copy of everything up to `start` was fetched and can be installed.
struct copy_ready {
  log_position start;
};
/// The disk gave back something other than what was written, or less.
struct damage_found {
  replica_id fresh_id;
};
struct ticked {};

using replica_event =
    std::variant<message_received, append_requested, synced, swap_answered, config_seen,
                 leader_witnessed, peer_down, lease_lost, hand_over_requested, drop_copy_requested,
                 leave_requested, log_trimmed, copy_ready, damage_found, ticked>;

// ---- what the caller is to do, in this order

struct send_message {
  replica_id to;
  replica_message message;
};
/// Storage operations are carried out in order and synced; `synced` reports the last one.
struct append_chunks {
  std::uint64_t operation = 0;
  std::vector<log_chunk> chunks;
};
struct truncate_log {
  std::uint64_t operation = 0;
  std::uint64_t end = 0;  // what is after is removed
};
struct persist_promise {
  std::uint64_t operation = 0;
  std::uint32_t epoch = 0;
};
/// Replace everything that is here by the fetched copy; the log goes on after `start`.
struct install_copy {
  std::uint64_t operation = 0;
  log_position start;
};
/// The copy has a new name; nothing that it applied before counts.
struct persist_identity {
  std::uint64_t operation = 0;
  replica_id id;
};
struct compare_and_swap {
  std::uint64_t request = 0;
  std::uint64_t expected_version = 0;
  shard_config proposed;
};
struct read_config {
  std::uint64_t request = 0;
};
/// Apply everything up to here.
struct commit_advanced {
  std::uint64_t offset = 0;
};
enum class append_outcome : std::uint8_t {
  committed,
  retry,  // perhaps in the log, perhaps not: send it again
  moved,  // not in the log: send it to `leader`
};
struct completed {
  std::vector<std::uint64_t> tickets;
  append_outcome outcome = append_outcome::retry;
  replica_id leader;  // where moved; may be none
};
enum class replica_role : std::uint8_t {
  learner,      // catches up, counts for nothing
  follower,     // in sync as far as it knows
  starting,     // won an epoch, whose promise is not on disk yet
  leader,       //
  quarantined,  // found damage, waits for a new id
};
struct role_changed {
  replica_role role = replica_role::learner;
  std::uint32_t epoch = 0;
};
/// Ask the witnesses about this leader; their words come back as leader_witnessed.
struct probe_leader {
  replica_id leader;
  std::uint32_t epoch = 0;
};
/// Fetch everything up to `start` from `from`, beside the log connection.
struct fetch_copy {
  replica_id from;
  log_position start;
};
/// The store is older than what this copy promised, or of another cluster: an operator must look.
struct store_refused {
  std::uint32_t promised = 0, found = 0;
};
/// Synced data is missing. The caller answers with damage_found and a new id.
struct damage_reported {
  std::uint64_t expected = 0, found = 0;
};
/// A bug, here or in a peer: stop the process before it does harm.
struct halted {
  std::string why;
};

using replica_effect =
    std::variant<send_message, append_chunks, truncate_log, persist_promise, persist_identity,
                 install_copy, compare_and_swap, read_config, commit_advanced, completed,
                 role_changed, probe_leader, fetch_copy, store_refused, damage_reported, halted>;

}  // namespace tally

#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "domain/replica_log.hpp"
#include "domain/replica_types.hpp"

namespace tally {

/// One copy of one shard: what it promises, what it holds, whom it follows. A pure state machine:
/// no disk, network, thread or clock. The caller feeds events in the order in which they happen and
/// carries the effects out in the order in which they are returned; it may lose, repeat and reorder
/// messages, but not storage operations. After construction it calls `step` with `ticked` at once
/// and then some 20 times a second. Not thread-safe. docs/explanation/replication.md has the rules.
class replica_core {
 public:
  /// `options` must be valid. Calls no one; the first `step` returns what the start asks for.
  replica_core(const recovered_state& found, const replica_options& options, const instant& now,
               const replica_rules& rules = {});

  [[nodiscard]] std::vector<replica_effect> step(const instant& now, replica_event event);

  /// True where this copy leads, knows everything that was ever acknowledged, and no other copy can
  /// have opened in its place. To be asked when the answer is built, not before.
  [[nodiscard]] bool may_read(const instant& now) const { return now.steady < read_until(); }
  /// Before that time may_read() is true, where no event comes in between; zero: it is not.
  [[nodiscard]] steady_time read_until() const;
  /// Up to here the log may be trimmed once it is sealed: no in-sync copy needs it.
  [[nodiscard]] std::uint64_t trim_limit() const;

  [[nodiscard]] replica_id id() const { return id_; }
  [[nodiscard]] replica_role role() const { return role_; }
  /// The highest epoch that this copy has promised to follow or leads.
  [[nodiscard]] std::uint32_t epoch() const { return promise_; }
  [[nodiscard]] std::uint64_t commit() const { return commit_; }
  [[nodiscard]] const log_position& start() const { return log_.start(); }
  [[nodiscard]] log_position end() const { return log_.end(); }
  [[nodiscard]] const shard_config& config() const { return config_; }
  /// As far as it knows; none where it does not.
  [[nodiscard]] replica_id leader() const { return leader_; }

 private:
  /// Names no version: never sent but where a test switches that rule off.
  static constexpr std::uint64_t any_version = ~std::uint64_t{0};

  /// What the leader knows of another copy.
  struct peer {
    std::uint64_t incarnation = 0;  // 0: not heard of in this epoch
    std::uint64_t match = 0;        // on its disk, by its own word in this epoch
    std::uint64_t next = 0;         // offset to send next
    bool probing = true;            // where its log ends is being found out
    bool live = false;              // gets appends without asking
    bool leaving = false;
    steady_time sent_at{}, heard_at{}, progressed_at{}, rewound_at{};
    std::optional<steady_time> echoed;  // when the newest answered append was sent
    std::optional<std::chrono::milliseconds> clock_error;
  };
  struct pending_append {
    std::uint64_t offset = 0;
    std::uint64_t ticket = 0;
  };
  struct handover {
    replica_id target;
    steady_time deadline{};
    bool drains = true;
  };
  /// All that ends with an epoch of this copy's leadership.
  struct leadership {
    std::uint64_t epoch_start = 0;
    std::map<replica_id, peer> peers;
    std::deque<append_requested> parked;
    std::size_t parked_bytes = 0;
    std::optional<handover> moving;
    std::map<replica_id, node_id> joins;
    std::set<replica_id> drops;
    steady_time fled_at = -std::chrono::hours{1};
  };
  enum class swap_purpose : std::uint8_t { take_over, change_copies, hand_over };
  struct pending_swap {
    std::uint64_t request = 0;
    swap_purpose purpose = swap_purpose::change_copies;
    shard_config proposed;
    bool leader_is_dead = false;
  };
  /// A proposal on the current version that may have happened, or may yet happen.
  struct doubt {
    std::uint64_t request = 0;
    swap_purpose purpose = swap_purpose::change_copies;
    std::vector<replica_id> in_sync;
    bool leader_is_dead = false;
  };

  // replica_core.cpp
  void on(message_received e);
  void on(const synced& e);
  void on(const config_seen& e);
  void on(const lease_lost& e);
  void on(const log_trimmed& e);
  void on(const ticked& e);
  void send(replica_id to, decltype(replica_message::body) body);
  void emit(replica_effect effect) { effects_.push_back(std::move(effect)); }
  void halt(std::string why);
  void set_role(replica_role role);
  void complete(std::vector<std::uint64_t> tickets, append_outcome outcome, replica_id leader = {});
  void request_config();
  [[nodiscard]] std::uint64_t new_operation();
  void promise(std::uint32_t epoch);
  [[nodiscard]] bool accepts_store(const shard_config& seen, std::uint64_t request);
  void observe(const shard_config& seen);
  void settle_role();
  void note_leader(replica_id leader, std::uint32_t epoch);
  void advance_to(std::uint64_t commit);
  [[nodiscard]] bool leads() const { return lead_.has_value(); }

  // replica_leader.cpp
  void on(append_requested e);
  void begin_leading();
  void step_down(append_outcome parked, replica_id successor);
  void append_local(append_requested e);
  void advance_commit();
  void handle(const replica_message& m, const ack_message& a);
  void handle(const replica_message& m, const nack_message& a);
  void handle(const replica_message& m, const pull_message& a);
  void handle(const replica_message& m, const stale_message& a);
  [[nodiscard]] peer* heard_peer(const replica_message& m);
  peer& peer_of(replica_id id);
  void push(replica_id to, peer& p);
  void send_frame(replica_id to, peer& p, bool with_chunks);
  void rewind(peer& p, std::uint64_t match) const;
  void tick_leader();
  [[nodiscard]] bool is_pushed(replica_id id, const peer& p) const;

  // replica_copies.cpp: who counts
  void on(const drop_copy_requested& e);
  void on(const leave_requested& e);
  void on(const peer_down& e);
  void handle(const replica_message& m, const join_message& a);
  void handle(const replica_message& m, const leave_message& a);
  [[nodiscard]] std::vector<replica_id> commit_set() const;
  [[nodiscard]] bool lags(const peer& p) const;
  [[nodiscard]] bool is_gone(replica_id id) const;
  [[nodiscard]] bool is_caught_up(replica_id id) const;
  [[nodiscard]] std::vector<replica_id> planned_in_sync() const;
  [[nodiscard]] shard_config planned_config() const;
  void plan_change();

  // replica_follower.cpp
  void on(const copy_ready& e);
  void on(const damage_found& e);
  void handle(const replica_message& m, append_message& a);
  void handle(const replica_message& m, const copy_needed_message& a);
  [[nodiscard]] bool accepts_leader(const replica_message& m);
  [[nodiscard]] bool matches(const log_position& prev) const;
  void take_chunks(append_message& a);
  [[nodiscard]] bool cut_conflict(std::uint64_t keep);
  void acknowledge();
  [[nodiscard]] bool is_fetching() const;
  [[nodiscard]] bool has_leaders(std::uint64_t offset) const;
  void tick_learner();
  void adopt_identity(replica_id fresh);

  // replica_takeover.cpp
  void on(const swap_answered& e);
  void on(const leader_witnessed& e);
  void propose(swap_purpose purpose, shard_config proposed, bool leader_is_dead = false);
  void swap_done(const pending_swap& swap, std::uint64_t version);
  [[nodiscard]] bool may_propose() const;
  void start_epoch(bool waits_out_lease);
  void open_when_ready();
  void take_over(bool leader_is_dead);
  [[nodiscard]] bool leader_is_lost() const;
  [[nodiscard]] steady_time rank_delay() const;
  [[nodiscard]] bool took_over_too_often() const;
  void watch_leader();

  // replica_handover.cpp
  void on(const hand_over_requested& e);
  void handle(const replica_message& m, const handover_message& a);
  void begin_handover(replica_id target, bool drains);
  void continue_handover();
  void cancel_handover();
  void flee_own_faults();
  [[nodiscard]] replica_id best_successor() const;
  [[nodiscard]] bool clock_is_off(replica_id successor) const;

  replica_options options_;
  replica_rules rules_;
  instant now_;
  std::vector<replica_effect> effects_;
  bool halted_ = false;

  // identity
  std::uint64_t cluster_ = 0;
  std::uint16_t shard_ = 0;
  node_id node_;
  replica_id id_;
  std::uint64_t incarnation_ = 0;
  replica_role role_ = replica_role::learner;

  // storage
  replica_log log_;
  std::uint64_t operation_ = 0, synced_operation_ = 0;
  steady_time unsynced_since_{};
  std::uint32_t promise_ = 0;
  std::uint64_t answers_after_ = 0;  // no word to a leader before this operation is on disk
  std::uint64_t commit_ = 0;

  // configuration
  shard_config config_;
  bool store_is_refused_ = false;
  std::uint64_t request_ = 0;          // last number given to a read or a swap
  std::uint64_t promise_request_ = 0;  // of that time when the promise was raised
  std::uint64_t must_read_ = 0;        // no proposal before this read is answered
  steady_time config_asked_at_{};
  std::optional<pending_swap> swap_;
  std::vector<doubt> doubts_;
  bool may_be_late_takeover_ = false;  // config_, made by a swap of this copy of which nobody told

  // following
  replica_id leader_;
  std::uint32_t leader_epoch_ = 0;
  steady_time heard_at_{};      // the leader
  steady_time answered_at_{};   // an append of the leader, so that it may count on it
  std::uint64_t verified_ = 0;  // the log is the leader's up to here
  bool ack_is_due_ = false;
  steady_time ack_echo_{};
  steady_time pulled_at_{};
  std::optional<steady_time> fetching_since_;
  bool leaving_ = false;

  // taking over
  bool witnessed_refused_ = false, witnessed_gone_ = false, link_is_down_ = false;
  std::optional<steady_time> lost_since_;
  steady_time probed_at_{};
  steady_time opens_at_{};
  std::deque<steady_time> takeovers_;

  std::optional<leadership> lead_;
  std::deque<pending_append> pending_;  // of this epoch, uncommitted
  steady_time ticked_at_{};
};

}  // namespace tally

#pragma once

#include <array>
#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "actors/node_env.hpp"
#include "cluster/copy_fetcher.hpp"
#include "cluster/copy_source.hpp"
#include "cluster/registry_sync.hpp"
#include "cluster/replica_disk.hpp"
#include "cluster/replicator.hpp"
#include "domain/replica_core.hpp"

namespace tally::cluster {

using actors::lane_round_ptr;
using actors::node_env_ptr;

using replicator_actor =
    actors::journal_actor::extend<caf::reacts_to<actors::run_atom, actors::task_ptr>,
                                  caf::reacts_to<actors::tick_atom>>;

/// What other threads may see of a shard.
struct seen_shard {
  std::atomic<std::uint32_t> leader{0};        // number of a node, 0: none known
  std::atomic<std::int64_t> read_until_us{0};  // steady clock
  std::atomic<bool> is_led{false};             // and lanes take events for it
};

struct replicator_state;

/// What the threads around the replicator share with it.
struct replicator::shared {
  replicator_options options;
  replicator_ports ports;
  node_env_ptr env;
  std::vector<actors::lane_actor> lanes;
  status recovered{done{}};
  std::vector<shard_config> first;
  std::uint64_t incarnation = 0;
  std::array<seen_shard, shard_count> seen;
  std::atomic<std::uint64_t> forwarded_bytes{0};
  std::atomic<bool> has_ended{false};
  std::atomic<std::int64_t> turned_at_us{0};  // steady clock
  std::unique_ptr<copy_source> source;
  std::unique_ptr<copy_fetcher> fetcher;  // ends before the actor
  // Never seen to be usable since the start; each counts once.
  std::atomic<std::uint32_t> shards_unready{shard_count};

  mutable std::mutex mutex;  // the actor comes and goes
  replicator_actor actor;
  replicator_state* state = nullptr;  // of the actor's thread
  /// Runs a task on the replicator's thread; drops it where that has ended.
  void post(std::function<void()> task) const;
  /// Calls then() once this node's tables have what the shard's log has up to the offset.
  void when_kept(std::uint16_t shard, std::uint64_t offset, std::function<void(status)> then);
  /// Gives how much of the shard's log is committed as far as this node knows.
  void commit_of(std::uint16_t shard, std::function<void(std::uint64_t)> then);
};

/// The replicator on its own thread: it waits for the disk. Effects of cores are carried out in
/// the order in which they come; what is to be written is gathered into one round.
struct replicator_state {
  static constexpr const char* name = "replicator";
  explicit replicator_state(replicator_actor::pointer owner) : self{owner} {}

  void start(std::shared_ptr<replicator::shared> shared);
  void begin(std::vector<actors::lane_actor> lanes);
  void append(lane_round_ptr round, caf::strong_actor_ptr lane);
  void flush();
  void tick();
  void probe();
  bool put_meta(const std::string& key, const std::string& value);
  bool drop_before(persistence::round_number round);

  void receive(std::vector<replica_message> messages);
  void feed(std::uint16_t shard, replica_event event);
  void see(std::uint16_t shard, const shard_config& config);
  void place(std::uint16_t shard, std::vector<node_id> nodes);
  void lease_lost();
  void peer_down(node_id node);
  void set_live(std::vector<node_id> nodes);
  void leave();
  void hand_over(std::uint16_t shard, node_id to);
  /// Calls then() once this node's tables have what the shard's log has up to the offset.
  void when_kept(std::uint16_t shard, std::uint64_t offset, std::function<void(status)> then);
  [[nodiscard]] std::uint64_t commit_of(std::uint16_t shard) const;
  void ask_for_registries();
  void take_registries(const std::vector<registry_news>& news);
  [[nodiscard]] registry_answer registries_since(const std::vector<registry_wish>& wishes) const;
  /// Where the shard's log goes on behind what is sealed here.
  [[nodiscard]] result<log_position> position_of(std::uint16_t shard,
                                                 const persistence::sealed_end& sealed) const;
  void take_fetched(std::uint16_t shard, fetched_copy copy);
  [[nodiscard]] std::vector<shard_report> report() const;
  [[nodiscard]] std::size_t shards_led() const;

  replicator_actor::pointer self;

 private:
  /// A lane's round, or what others led of one, on its way to the lane.
  struct telling {
    lane_round_ptr round;
    std::size_t open = 0;  // chunks without an outcome
    bool is_followed = false;
  };
  using telling_ptr = std::shared_ptr<telling>;
  struct keeping {
    std::uint64_t offset = 0;
    std::chrono::steady_clock::time_point until;
    std::function<void(status)> then;
  };
  /// Another node's history on its way into the place of what was here.
  struct installation {
    std::uint64_t operation = 0;
    fetched_copy copy;
    std::vector<replica_event> waiting;  // what the core is to hear afterwards
  };
  struct kept_copy {
    std::unique_ptr<replica_core> core;
    std::vector<node_id> placed;
    std::deque<written_chunk> chunks;
    std::size_t told = 0;  // leading chunks that a lane has, or will by its ticket
    std::uint64_t commit_written = 0;
    std::uint64_t opens_at = 0;  // lanes are told that this node leads once this is committed
    bool waits_to_open = false, is_open = false;
    bool was_ready = false;
    std::vector<keeping> waiting;
    std::optional<fetched_copy> fetched;  // the core has not taken it yet
    std::unique_ptr<installation> installing;
    registry_ring records;
    std::uint64_t registry_known = 0;  // without a copy: what its leader had when it last told
  };
  struct ticket {
    telling_ptr of;
    std::size_t chunk = 0;
  };

  // replicator_effects.cpp
  void carry_out(std::uint16_t shard, send_message& e);
  void carry_out(std::uint16_t shard, append_chunks& e);
  void carry_out(std::uint16_t shard, const truncate_log& e);
  void carry_out(std::uint16_t shard, const persist_promise& e);
  void carry_out(std::uint16_t shard, const persist_identity& e);
  void carry_out(std::uint16_t shard, const install_copy& e);
  void carry_out(std::uint16_t shard, compare_and_swap& e);
  void carry_out(std::uint16_t shard, const read_config& e);
  void carry_out(std::uint16_t shard, const commit_advanced& e);
  void carry_out(std::uint16_t shard, const completed& e);
  void carry_out(std::uint16_t shard, const role_changed& e);
  void carry_out(std::uint16_t shard, const probe_leader& e);
  void carry_out(std::uint16_t shard, const fetch_copy& e);
  void carry_out(std::uint16_t shard, const store_refused& e);
  void carry_out(std::uint16_t shard, const damage_reported& e);
  void carry_out(std::uint16_t shard, const halted& e);
  [[nodiscard]] chunk_ptr read_body(const written_chunk& c);
  [[nodiscard]] node_id node_of(std::uint16_t shard, replica_id id) const;
  void keep_records(const written_chunk& c, const chunk_ptr& body);
  void complete(std::uint64_t number, bool good);
  void publish(std::uint16_t shard);

  // replicator_copies.cpp
  [[nodiscard]] static bool waits(kept_copy& copy, replica_event& event);
  void clear_lane(std::uint16_t shard, std::function<void()> then);
  void go_on_with_copies();
  void install(std::uint16_t shard);
  void installed(std::uint16_t shard, const result<persistence::copied_registry>& registry);
  void finish_copy(std::uint16_t shard);
  void put_records(const persistence::copied_registry& records);

  // registry_sync.cpp
  [[nodiscard]] bool has_copy(std::uint16_t shard) const;
  void load_registries_known();

  // replicator_rounds.cpp
  void schedule_flush();
  [[nodiscard]] bool has_work() const;
  bool write();
  void note_written(persistence::round_number round);
  void follow(std::uint16_t shard, written_chunk& c);
  void tell_lanes();
  void answer_waiting();
  void open_shards();
  void note_untold();
  void send_out();
  void fail_journal(const failure& why);
  void balance();
  void drop_unplaced(std::uint16_t shard);
  void create(std::uint16_t shard);
  [[nodiscard]] node_id wanted_leader(const kept_copy& copy, std::uint16_t shard) const;
  [[nodiscard]] bool is_wanted_here(const kept_copy& copy) const;
  void trim();
  void trim(std::uint16_t shard, persistence::round_number first_round);
  [[nodiscard]] static persistence::shard_end end_before(const kept_copy& copy,
                                                         std::uint64_t offset);
  [[nodiscard]] instant now() const;

  std::shared_ptr<replicator::shared> shared_;
  node_env_ptr env_;
  std::vector<actors::lane_actor> lanes_;  // none yet: nothing is told
  std::vector<kept_copy> copies_;
  std::map<node_id, std::vector<replica_message>> outbox_;
  std::set<node_id> live_;

  // the next round
  persistence::round_content next_;
  std::map<std::uint16_t, std::uint64_t> operations_;  // of it, the last one by shard
  std::set<std::uint16_t> commits_due_;                // advanced since they were written
  std::chrono::steady_clock::time_point written_at_{};

  // of copies of history; by shard
  log_starts starts_;
  std::vector<std::uint16_t> wiping_, wiped_, replacing_, replaced_;  // in next_, and on disk
  std::vector<persistence::round_content::commit> fixed_commits_;     // of the next round

  std::uint64_t tickets_given_ = 0;
  std::unordered_map<std::uint64_t, ticket> tickets_;
  std::array<std::deque<telling_ptr>, lane_count> tellings_;
  std::array<lane_round_ptr, lane_count> followed_;  // being gathered
  std::set<std::uint16_t> opening_;
  bool flush_scheduled_ = false, is_flushing_ = false, is_leaving_ = false;
  std::chrono::steady_clock::time_point balanced_at_{}, complained_at_{}, registries_asked_at_{};
  std::vector<std::pair<std::uint16_t, std::uint64_t>> registries_due_;  // in next_, by shard
  persistence::round_number read_round_ = 0;                             // what read_body read last
  persistence::stored_round read_content_;
};

}  // namespace tally::cluster

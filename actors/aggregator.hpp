#pragma once

#include <vector>

#include "actors/light_actor.hpp"
#include "actors/node_env.hpp"
#include "domain/logic_v1/apply.hpp"

namespace tally::actors {

/// What an aggregator is spawned with.
struct aggregator_init {
  node_env_ptr env;
  lane_actor lane;
  std::string merchant;
  std::uint64_t hash = 0;
  std::shared_ptr<slot_meter> meter;
  std::vector<persistence::round_number> tail;  // rounds to read past the snapshot
  std::vector<tail_event> events;               // or what was read of them already
  live_feed_ptr feed;                           // who looks at its live numbers
};

/// Owns the state of one merchant. Everything that needs the disk is done by an I/O worker; what
/// arrives meanwhile waits in `parts` and `later`, in order.
struct aggregator_state {
  explicit aggregator_state(light_actor* me) : self{me} {}
  aggregator_state(const aggregator_state&) = delete;
  aggregator_state& operator=(const aggregator_state&) = delete;
  ~aggregator_state();

  void start(aggregator_init init);
  void apply(merchant_part part);
  void loaded(const loaded_ptr& from);
  void ids_loaded(const loaded_ids_ptr& from);
  void saved(bool good);
  void write();
  void ask(const query_job_ptr& job);
  void look(const inspection_ptr& what);
  void watch(const live_feed_ptr& feed);
  void save();
  void sleep();

  light_actor* self;
  node_env_ptr env;
  lane_actor lane;
  persistence::state_owner owner;
  std::shared_ptr<slot_meter> meter;
  merchant_state state;
  persistence::snapshot_result snapshot;

 private:
  [[nodiscard]] aggregator_actor me() const { return {self->ctrl(), true}; }
  void work();
  void work_on_requests();
  bool run_tail();
  bool run_part(merchant_part& part);
  void begin_switch(persistence::round_number round, std::uint32_t generation);
  [[nodiscard]] bool switched_badly(const loaded_merchant& from) const;
  void work_on_switch();
  void read_again();
  logic_v1::applied apply_decoded(const round_item& item);
  bool want_ids(const round_item* from, const round_item* to);
  void fetch_ids();
  void begin_save(persistence::round_number upto);
  void rebuild(const inspection_ptr& what);
  void hand_to_worker(const query_job_ptr& job);
  void hand_to_scanner(const query_job_ptr& job);
  [[nodiscard]] merchant_facts facts() const;
  void measure();
  [[nodiscard]] failure unknown() const;
  [[nodiscard]] bool dirty() const { return state.unsaved_events > 0; }
  [[nodiscard]] bool blocked() const {
    return !ready_ || fetching_ || rebuilding_ || switch_round_ != 0;
  }

  std::vector<merchant_part> parts_;  // a vector and a position: a deque costs 600 bytes empty
  std::size_t parts_next_ = 0;
  std::vector<query_job_ptr> questions_;
  std::vector<inspection_ptr> looks_;
  loaded_ptr tail_;  // while its items are being applied
  std::size_t tail_next_ = 0;
  std::uint64_t received_ = 0;  // messages that the lane has sent
  persistence::round_number last_round_ = 0, saved_round_ = 0;
  std::uint32_t measure_in_ = 0;
  std::int64_t ids_counted_ = 0;
  rules_ptr rules_;                             // of owner.generation
  const ruleset* counting_ = nullptr;           // in rules_, of this merchant
  persistence::round_number switch_round_ = 0;  // of the promotion that is being followed
  std::uint32_t switch_to_ = 0;                 // its generation
  std::vector<slice_range> ids_wanted_;
  std::shared_ptr<persistence::state_store::batch> batch_;  // the snapshot on its way to disk
  std::unique_ptr<delta_rows> saving_rows_;                 // its rows
  std::uint64_t saving_offset_ = 0, saving_bytes_ = 0;
  std::uint32_t write_failures_ = 0;
  bool ready_ = false, fetching_ = false, saving_ = false, rebuilding_ = false;
  bool save_wanted_ = false, sleep_wanted_ = false;
  live_feed_ptr feed_;  // usually null
};

class aggregator final : public light_actor {
 public:
  using behavior_type = aggregator_actor::behavior_type;

  aggregator(caf::actor_config& config, aggregator_init init);
  [[nodiscard]] const char* name() const override { return "aggregator"; }

 private:
  void receive(caf::type_erased_tuple& message) override;

  aggregator_state state_;
};

}  // namespace tally::actors

#pragma once

#include <array>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "actors/node_env.hpp"
#include "actors/round_trace.hpp"
#include "actors/slot_table.hpp"

namespace tally::actors {

/// What a lane is spawned with.
struct lane_init {
  node_env_ptr env;
  std::uint32_t number = 0;
  journal_actor journal;
  tail_index tail;
  persistence::round_number tail_first = 0;  // the oldest round in `tail`
  persistence::round_number tail_last = 0;
  // Of events before it all are saved. Before tail_first where history has what `tail` lacks.
  persistence::round_number saved_before = 0;
};

/// Which of its lane's shards a shard is.
constexpr std::size_t index_in_lane(std::uint16_t shard) {
  return shard / lane_count;
}

/// Leads the shards whose number is `number` modulo lane_count.
struct lane_state {
  static constexpr const char* name = "lane";
  explicit lane_state(lane_actor::pointer me) : self{me} {}

  void start(lane_init init);
  void submit(const lane_part_ptr& part);
  void flush();
  void committed(const lane_round_ptr& round, errc code);
  void follow(const lane_round_ptr& round);
  caf::result<bool> clear(std::uint16_t shard, std::uint64_t offset, std::int64_t stamped_at_ms);
  void clear_more();
  void take_role(std::uint16_t shard, bool leads);
  void ask(const query_job_ptr& job);
  void look(const inspection_ptr& what);
  void live(const live_request_ptr& who);
  void change(const registry_change_ptr& what);
  void saved(const std::string& merchant, persistence::round_number round);
  void asleep(const std::string& merchant, std::uint64_t received);
  void tail_read(const tail_events_ptr& events);
  void hand_out_more();
  void answer_overdue();
  void tick();
  void passivate(const std::string& merchant);
  void save_older(persistence::round_number round);
  [[nodiscard]] std::uint64_t oldest_dirty() const;
  caf::result<std::uint64_t, std::uint64_t> live() const;
  caf::result<bool> drain();

  lane_actor::pointer self;
  node_env_ptr env;
  std::uint32_t number = 0;
  journal_actor journal;

 private:
  /// A shard's end of the log as this lane has given it out, and as it is on disk.
  struct shard_log {
    persistence::shard_end given, durable;
    bool led = true;  // by this node
  };
  /// Events gathered for the next round, by shard.
  struct gathering {
    std::map<std::uint16_t, std::string> payloads;
    std::map<std::uint16_t, std::uint32_t> counts;
    std::map<std::uint16_t, std::vector<round_item>> items;
    lane_round_ptr round;
    std::chrono::steady_clock::time_point since;  // the round is being gathered
  };
  merchant_slot& slot_of(std::string_view merchant, std::uint64_t hash,
                         std::chrono::steady_clock::time_point now);
  void wake(merchant_slot& slot);
  bool admit(merchant_slot& slot, submission::entry& e, const submission::entry* previous);
  void gather(std::string_view bytes, const round_item& item);
  [[nodiscard]] bool may_flush() const;
  void schedule_flush();
  void begin_round();
  lane_round_ptr close_round();
  void refuse(const lane_round_ptr& round, errc code);
  static void give_offsets(lane_round& round);
  void refuse_item(const round_item& item);
  void refuse_some(lane_round& round);
  void hand_out(const lane_round_ptr& round);
  void handed_out(const lane_round& round);
  void send_part(const lane_round_ptr& round, std::uint32_t begin, std::uint32_t end);
  [[nodiscard]] live_feed_ptr feed_of(const std::string& merchant);
  void forget_feeds(std::chrono::steady_clock::time_point now);
  void release_questions();
  bool question_ready(const query_job& job) const;
  void set_dirty(merchant_slot& slot, persistence::round_number since);
  void ask_to_save();
  void put_to_sleep(merchant_slot& slot) const;
  void catch_up();
  void check_drained();
  void watch(const submission_ptr& durable);

  std::array<shard_log, shard_count / lane_count> logs_{};
  gathering gathering_;
  std::uint32_t in_flight_ = 0;
  std::deque<std::chrono::steady_clock::time_point> in_flight_since_;  // oldest round first
  bool flush_scheduled_ = false, resetting_ = false;
  slot_table slots_;
  std::set<std::pair<persistence::round_number, merchant_slot*>> dirty_;
  persistence::round_number save_before_ = 0;  // what is dirty since an earlier round is to save
  std::uint32_t saves_asked_ = 0;              // slots with `saving`
  tail_index tail_;
  persistence::round_number tail_first_ = 0, tail_last_ = 0, tail_floor_ = 0;
  tail_events_ptr tail_events_;  // of the merchants in tail_, once read
  bool reading_tail_ = false;
  /// How far the merchants of a shard have been given its events.
  struct given_out {
    std::uint64_t offset = 0;
    std::int64_t stamped_at_ms = 0;
  };
  std::array<given_out, shard_count / lane_count> handed_out_{};
  struct committed_round {
    lane_round_ptr round;
    std::uint32_t next = 0;  // position of the first item that is still to be handed out
  };
  std::deque<committed_round> committed_;
  round_trace trace_;  // of what this lane has handed out
  std::vector<query_job_ptr> parked_;
  std::unordered_map<std::string, live_feed_ptr> feeds_;  // somebody looks, or did a moment ago
  struct durable_one {
    std::chrono::steady_clock::time_point until;
    std::weak_ptr<submission> waits;
  };
  std::deque<durable_one> durable_;  // not counted when they became durable; oldest first
  bool overdue_scheduled_ = false;
  std::vector<caf::typed_response_promise<bool>> draining_;
  struct clearing {
    std::uint16_t shard = 0;
    given_out end;
    caf::typed_response_promise<bool> done;
  };
  std::vector<clearing> clearing_;
  bool clear_scheduled_ = false;
};

lane_actor::behavior_type lane(lane_actor::stateful_pointer<lane_state> self, lane_init init);

}  // namespace tally::actors

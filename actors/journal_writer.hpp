#pragma once

#include <vector>

#include "actors/node_env.hpp"

namespace tally::actors {

struct journal_writer_state {
  static constexpr const char* name = "journal_writer";
  explicit journal_writer_state(journal_actor::pointer owner) : self{owner} {}

  void append(lane_round_ptr round, caf::strong_actor_ptr lane);
  void flush();
  void probe();
  bool put_meta(const std::string& key, const std::string& value);
  bool drop_before(persistence::round_number round);

  journal_actor::pointer self;
  node_env_ptr env;
  struct waiting {
    lane_round_ptr round;
    lane_actor lane;
  };
  std::vector<waiting> queue;
  std::vector<persistence::shard_end> ends;  // what is on disk
  bool flushing = false;
  bool many_wait = false;  // the last round answered many small requests

 private:
  [[nodiscard]] bool many_requests(const std::vector<waiting>& rounds) const;
  void answer(const waiting& w, errc code) const;
  [[nodiscard]] bool follows(const lane_round& round) const;
};

journal_actor::behavior_type journal_writer(
    journal_actor::stateful_pointer<journal_writer_state> self, node_env_ptr env);

}  // namespace tally::actors

#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "actors/node_env.hpp"

namespace tally::actors {

/// Hands work that reads many events to the scan workers: different merchants take turns, so that
/// one with many questions does not keep the others waiting. At most
/// `engine_options::scans_waiting_max` wait; more are refused.
struct scan_desk_state {
  static constexpr const char* name = "scan_desk";

  void take(scan_desk_actor::pointer self, const scan_task_ptr& task);
  void next(scan_desk_actor::pointer self, std::uint32_t worker);

  std::size_t waiting_max = 0;
  std::vector<io_actor> workers;
  std::vector<std::uint32_t> idle;

 private:
  void give(scan_desk_actor::pointer self, std::uint32_t worker, const scan_task_ptr& task);

  std::map<std::string, std::deque<scan_task_ptr>> waiting_;  // by merchant
  std::deque<std::string> turns_;                             // the merchants of waiting_
  std::size_t waiting_count_ = 0;
};

scan_desk_actor::behavior_type scan_desk(scan_desk_actor::stateful_pointer<scan_desk_state> self,
                                         const node_env_ptr& env);

}  // namespace tally::actors

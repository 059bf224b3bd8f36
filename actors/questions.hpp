#pragma once

#include <chrono>
#include <vector>

#include "actors/node_env.hpp"

namespace tally::actors {

/// How to ask: what must be in the answer, how long the question may wait, and when it is.
struct asking {
  std::vector<ack_position> after;
  std::chrono::milliseconds wait_max{};
  event_time now{};
};

/// Send questions to their merchant's lane, with the goals and segments that they name. `then` is
/// called once, on any thread.
void ask_question(const node_env_ptr& env, const std::vector<lane_actor>& lanes, question q,
                  asking how, callback<query_reply> then);
void ask_funnel(const node_env_ptr& env, const std::vector<lane_actor>& lanes, funnel_question q,
                asking how, callback<funnel_reply> then);
void ask_journeys(const node_env_ptr& env, const std::vector<lane_actor>& lanes,
                  journeys_question q, asking how, callback<journeys_reply> then);
void ask_retention(const node_env_ptr& env, const std::vector<lane_actor>& lanes,
                   retention_question q, asking how, callback<retention_reply> then);
void ask_export(const std::vector<lane_actor>& lanes, export_wish wish,
                std::chrono::milliseconds wait_max, callback<export_page> then);

}  // namespace tally::actors

#pragma once

#include "actors/node_env.hpp"

namespace tally::actors {

/// Plans a question, reads its rows from the job's view, adds the unsaved ones and evaluates.
/// Waits for the disk.
result<query_reply> answer_question(const node_env& env, const query_job& job);

/// Answers jobs. Spawned detached.
query_actor::behavior_type query_worker(query_actor::pointer self, node_env_ptr env);

}  // namespace tally::actors

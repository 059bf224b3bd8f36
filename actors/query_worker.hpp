#pragma once

#include <vector>

#include "actors/node_env.hpp"
#include "domain/merchant_state.hpp"

namespace tally::actors {

/// Those rows of `ranges` that are among `deltas`; `state` knows their tags.
[[nodiscard]] row_set rows_among(const delta_rows& deltas, const merchant_state& state,
                                 const std::vector<row_range>& ranges);

/// Adds the saved rows of a planned question, as its view has them, to the job's unsaved ones and
/// evaluates. Waits for the disk.
result<query_reply> answer_question(const node_env& env, query_job& job);

/// Answers jobs. Spawned detached.
query_actor::behavior_type query_worker(query_actor::pointer self, node_env_ptr env);

}  // namespace tally::actors

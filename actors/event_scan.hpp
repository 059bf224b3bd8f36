#pragma once

#include "actors/node_env.hpp"

namespace tally::actors {

/// Answers a question from the merchant's events up to `job.upto`: history as far as it is sealed,
/// the log behind it. Waits for the disk. unavailable where it takes longer than the job's
/// deadline, over_limit where it needs too much memory.
void answer_from_events(node_env& env, query_job& job);

/// The page of events that `wish` asks for, up to `job.upto`. Waits for the disk.
result<export_page> export_page_of(node_env& env, const query_job& job, const export_wish& wish);

/// The merchant's events that are not sealed in `view`, up to `job.upto`, in order. Waits for the
/// disk.
result<std::vector<tail_event>> unsealed_events(node_env& env, const query_job& job,
                                                const persistence::history::view_ptr& view);

}  // namespace tally::actors

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "domain/replica_types.hpp"

namespace tally::simulation {

struct run_options {
  std::uint64_t seed = 1;
  replica_rules rules;
  /// At each commit, look at every in-sync copy's disk at once instead of waiting for a loss.
  bool looks_at_disks = true;
  bool keeps_trace = false;
};

struct run_outcome {
  std::string violation;  // empty: none
  /// All in-sync copies lost their disks in the same moment; only an operator can go on.
  bool is_stuck_by_loss = false;
  std::uint64_t steps = 0;  // of the cores
  std::uint64_t commits = 0, acknowledged = 0, leaders = 0, truncations = 0, reads = 0;
  std::uint64_t crashes = 0, lost_disks = 0, doubtful_swaps = 0, handovers = 0, fetched_copies = 0;
  std::vector<std::string> trace;  // one line per lasting thing, where kept
};

/// Adds up the counts of another run; violation, loss and trace stay.
void add_counts(run_outcome& sum, const run_outcome& one);

/// One shard, three to five nodes, a configuration store and clients, under the faults that the
/// seed draws; then healing. Virtual time only: the same options give the same outcome.
[[nodiscard]] run_outcome run(const run_options& options);

}  // namespace tally::simulation

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "domain/result.hpp"
#include "domain/ruleset.hpp"

namespace tally::persistence {

/// What an offline check found.
struct verify_report {
  std::uint64_t rounds = 0, chunks = 0, events = 0;
  std::uint64_t merchants = 0;        // whose stored state was compared with a replay
  std::vector<std::string> problems;  // what is wrong and where; empty: nothing
};

/// Checks a data directory that no node uses: every checksum, the order and chain of every shard's
/// log, every snapshot, and that a replay of the journal gives each merchant's stored state in each
/// generation (`rules` are those of the first). Writes nothing in it; the replay works in
/// `scratch_dir`, which is made and removed. `progress` gets the rounds read so far and their
/// number. Fails only where it cannot look at all.
result<verify_report> verify(const std::string& data_dir, const std::string& scratch_dir,
                             const ruleset& rules,
                             const std::function<void(std::uint64_t, std::uint64_t)>& progress);

}  // namespace tally::persistence

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "domain/result.hpp"
#include "domain/ruleset.hpp"
#include "persistence/generation_diff.hpp"

namespace tally::persistence {

/// A ruleset that is to be tried on a data directory.
struct trial_options {
  std::string data_dir;
  std::string scratch_dir;  // made and removed
  ruleset rules;
  std::vector<std::string> merchants;  // empty: all
  std::size_t changes_max = 100;
};

struct trial_report {
  std::uint64_t events = 0, merchants = 0;
  std::vector<generation_change> changes;  // the largest first
};

/// Replays a journal twice, by the rules that serve each merchant and by those on trial, and
/// compares. Takes no lock and writes nothing in the data directory, so a node may be using it:
/// what it adds meanwhile is left out. `progress` gets the rounds read so far and those of both
/// passes.
result<trial_report> try_ruleset(const trial_options& options,
                                 const std::function<void(std::uint64_t, std::uint64_t)>& progress);

}  // namespace tally::persistence

#pragma once

#include <string>
#include <vector>

#include "domain/result.hpp"
#include "persistence/state_store.hpp"

namespace tally::persistence {

/// One number of one day that two generations see differently.
struct generation_change {
  std::string merchant, metric;
  std::string currency;  // of money and of what is counted by currency; else empty
  std::string bucket;    // the day, as its generation's zone shows it
  std::string old_value, new_value;
  std::uint64_t size = 0;  // of the difference, in millionths
};

/// A merchant's rows of one generation at one moment.
struct generation_side {
  state_owner owner;
  state_store::view_ptr view;  // null: the newest
};

/// Appends what differs between a merchant's day rows of two generations: every counter and sum,
/// and the number of visitors and customers.
status compare_generations(const state_store& store, const generation_side& old_side,
                           const generation_side& new_side,
                           std::vector<generation_change>& changes);

/// Keeps the `limit` largest, the largest first; ties by merchant, metric, bucket.
void keep_largest(std::vector<generation_change>& changes, std::size_t limit);

}  // namespace tally::persistence

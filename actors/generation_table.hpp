#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "actors/messages.hpp"
#include "persistence/generation_builder.hpp"

namespace tally::actors {

using persistence::first_generation;
using persistence::rules_ptr;

/// The rules of every generation that is not dropped, and what new merchants begin with. Thread
/// safe.
class generation_table {
 public:
  void put(rules_ptr rules);
  void remove(std::uint32_t number);
  /// Null where there is no such generation.
  [[nodiscard]] rules_ptr find(std::uint32_t number) const;
  /// As persistence::load_defaults() gives them.
  void set_defaults(std::vector<std::uint32_t> defaults);
  [[nodiscard]] std::vector<std::uint32_t> defaults() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::uint32_t, rules_ptr> rules_;
  std::vector<std::uint32_t> defaults_{first_generation};
};

/// Events from a round on, read once for all the merchants that change their generation meanwhile.
/// Thread safe.
class switch_tail {
 public:
  /// Takes out a merchant's events of the rounds since..upto, in order. Waits for the disk.
  result<std::vector<tail_event>> take(const persistence::journal& log, const std::string& merchant,
                                       persistence::round_number since,
                                       persistence::round_number upto);
  /// Forgets what nobody took.
  void clear();

 private:
  std::mutex mutex_;
  tail_events events_;
  std::size_t bytes_ = 0;
  persistence::round_number since_ = 0, next_ = 0;
};

struct node_env;

/// Which generation a merchant's questions see. Waits for the disk.
result<persistence::serving_record> serving_of(const node_env& env, std::string_view merchant);

/// Reads rules and defaults from the journal; holds the tail where a change of generation was
/// interrupted. unsupported where a generation needs code that this
/// program does not have.
status load_generations(node_env& env);

}  // namespace tally::actors

#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string_view>
#include <unordered_map>

#include "domain/user_agent.hpp"

namespace tally {

/// Remembers what was read from the agents that were seen last. For one thread. Two halves: when
/// one is full it becomes the old one, and what is found in the old one moves to the new.
class agent_cache {
 public:
  /// Agents in one half: some 200 bytes each.
  static constexpr std::size_t half_max = 4'096;

  explicit agent_cache(std::function<agent_facts(std::string_view)> read = read_agent)
      : read_{std::move(read)} {}

  /// Valid until the next call.
  const agent_facts& of(std::string_view agent);

 private:
  using key = std::array<std::uint64_t, 2>;  // a 128-bit hash of the agent
  struct hash {
    std::size_t operator()(const key& k) const { return k[0]; }
  };
  using half = std::unordered_map<key, agent_facts, hash>;

  const agent_facts& keep(const key& k, agent_facts facts);

  std::function<agent_facts(std::string_view)> read_;
  half fresh_, old_;
};

}  // namespace tally

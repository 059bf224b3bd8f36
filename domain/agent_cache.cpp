#include "domain/agent_cache.hpp"

#include <xxhash.h>

#include <utility>

namespace tally {

const agent_facts& agent_cache::of(std::string_view agent) {
  const auto digest = XXH3_128bits(agent.data(), agent.size());
  const key k{digest.low64, digest.high64};
  if (const auto found = fresh_.find(k); found != fresh_.end()) return found->second;
  if (auto found = old_.find(k); found != old_.end()) {
    auto facts = std::move(found->second);
    old_.erase(found);
    return keep(k, std::move(facts));
  }
  return keep(k, read_(agent));
}

const agent_facts& agent_cache::keep(const key& k, agent_facts facts) {
  if (fresh_.size() >= half_max) {
    old_ = std::exchange(fresh_, {});
  }
  return fresh_.insert_or_assign(k, std::move(facts)).first->second;
}

}  // namespace tally

#include "api/key_cache.hpp"

namespace tally::api {

std::optional<key_cache::answer> key_cache::find(const std::string& key, time now) const {
  const std::lock_guard lock{mutex_};
  const auto found = entries_.find(key);
  if (found == entries_.end() || found->second.until < now) return std::nullopt;
  return found->second.what;
}

void key_cache::put(const std::string& key, const answer& what, time now) {
  if (!what && what.error().code != errc::unauthorized) return;
  const std::lock_guard lock{mutex_};
  // Everything in it is a few seconds old at most: starting over costs little.
  if (entries_.size() >= keys_max_) entries_.clear();
  entries_.insert_or_assign(key, entry{what, now + kept_});
}

}  // namespace tally::api

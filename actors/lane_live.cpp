#include "actors/lane.hpp"

/// The part of a lane that knows who looks at live numbers. A merchant that is asleep stays asleep:
/// its feed waits here for its next events.
namespace tally::actors {

live_feed_ptr lane_state::feed_of(const std::string& merchant) {
  if (feeds_.empty()) return nullptr;
  const auto found = feeds_.find(merchant);
  return found == feeds_.end() ? nullptr : found->second;
}

void lane_state::live(const live_request_ptr& who) {
  auto& metrics = env->metrics;
  const auto& limits = env->limits;
  auto feed = feed_of(who->merchant);
  if (!feed) {
    if (metrics.live_window_bytes > static_cast<std::int64_t>(limits.live_bytes_max.load()))
      return who->then(failure{errc::unavailable, "no memory is left for more live numbers"});
    const auto hash = merchant_hash(who->merchant);
    feed = std::make_shared<live_feed>(
        live_window::limits{limits.live_events_max, limits.live_bytes_max}, env->now,
        metrics.live_window_bytes, limits.live_bytes_max,
        handed_out_[index_in_lane(shard_of(hash))].offset);
    metrics.live_windows += 1;
    feeds_.emplace(who->merchant, feed);
    if (auto* const slot = slots_.find(who->merchant, hash); slot != nullptr && slot->aggregator)
      self->send(slot->aggregator, watch_atom::value, feed);
  }
  feed->asked = std::chrono::steady_clock::now();
  if (!who->subscribe) return who->then(std::move(feed));
  if (feed->subscriptions >= limits.live_merchant_subscriptions_max)
    return who->then(failure{errc::over_limit, "the merchant has all the subscriptions it may"});
  if (metrics.live_subscriptions >= static_cast<std::int64_t>(limits.live_subscriptions_max))
    return who->then(failure{errc::unavailable, "the node has all the subscriptions it can serve"});
  ++feed->subscriptions;
  metrics.live_subscriptions += 1;
  auto* const lent = feed.get();
  who->then(live_feed_ptr{lent, [env = env, feed = std::move(feed)](live_feed* f) {
                            --f->subscriptions;
                            env->metrics.live_subscriptions -= 1;
                          }});
}

void lane_state::forget_feeds(std::chrono::steady_clock::time_point now) {
  for (auto i = feeds_.begin(); i != feeds_.end();) {
    auto& feed = *i->second;
    if (feed.subscriptions != 0) feed.asked = now;
    if (now - feed.asked < env->limits.live_keep.load()) {
      ++i;
      continue;
    }
    auto* const slot = slots_.find(i->first, merchant_hash(i->first));
    if (slot != nullptr && slot->aggregator)
      self->send(slot->aggregator, watch_atom::value, live_feed_ptr{});
    env->metrics.live_windows -= 1;
    i = feeds_.erase(i);
  }
}

}  // namespace tally::actors

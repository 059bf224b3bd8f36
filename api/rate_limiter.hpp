#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>

namespace tally::api {

/// Token buckets by name: `rate` a second on average, twice that at once. Bounded; may be called
/// from any thread.
class rate_limiter {
 public:
  using time = std::chrono::steady_clock::time_point;

  explicit rate_limiter(std::size_t names_max = 100'000) : names_max_{names_max} {}

  /// 0 where the request may go on, else the milliseconds after which it may. A rate of 0 is no
  /// limit.
  std::uint32_t take(const std::string& name, std::uint32_t rate, time now) {
    if (rate == 0) return 0;
    const std::lock_guard lock{mutex_};
    if (buckets_.size() >= names_max_) buckets_.clear();
    auto& b = buckets_.try_emplace(name, bucket{2.0 * rate, now}).first->second;
    const std::chrono::duration<double> passed = now - b.filled;
    b.filled = now;
    b.tokens = std::min(2.0 * rate, b.tokens + passed.count() * rate);
    if (b.tokens >= 1) {
      b.tokens -= 1;
      return 0;
    }
    return static_cast<std::uint32_t>((1 - b.tokens) / rate * 1'000) + 1;
  }

 private:
  struct bucket {
    double tokens;
    time filled;
  };
  std::size_t names_max_;
  std::mutex mutex_;
  std::unordered_map<std::string, bucket> buckets_;
};

}  // namespace tally::api

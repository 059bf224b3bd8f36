#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "actors/metrics.hpp"

namespace tally::api {

/// Memory that all bodies of a server share.
class http_budget {
 public:
  http_budget(actors::gauge& used, std::uint64_t bytes_max)
      : used_{used}, bytes_max_{static_cast<std::int64_t>(bytes_max)} {}

  [[nodiscard]] bool take(std::size_t bytes) {
    const auto n = static_cast<std::int64_t>(bytes);
    if (used_.fetch_add(n, std::memory_order_relaxed) + n <= bytes_max_) return true;
    give_back(bytes);
    return false;
  }
  void give_back(std::size_t bytes) {
    used_.fetch_sub(static_cast<std::int64_t>(bytes), std::memory_order_relaxed);
  }

 private:
  actors::gauge& used_;
  std::int64_t bytes_max_;
};

/// A part of the budget, given back at its end.
class http_charge {
 public:
  explicit http_charge(http_budget budget) : budget_{budget} {}
  http_charge(http_charge&& other) noexcept
      : budget_{other.budget_}, bytes_{std::exchange(other.bytes_, 0)} {}
  http_charge& operator=(http_charge&&) = delete;
  ~http_charge() { budget_.give_back(bytes_); }

  /// False where the budget has no more: nothing changed.
  [[nodiscard]] bool add(std::size_t bytes) {
    if (!budget_.take(bytes)) return false;
    bytes_ += bytes;
    return true;
  }

 private:
  http_budget budget_;
  std::size_t bytes_ = 0;
};

}  // namespace tally::api

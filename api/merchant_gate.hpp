#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "actors/engine.hpp"
#include "api/ingest_types.hpp"

namespace tally::api {

/// Knows which merchants are registered, for keys that may name any. Remembers a bounded number of
/// them by hash, so that an event of a known one costs a look into memory. Any thread.
class merchant_gate {
 public:
  explicit merchant_gate(actors::engine& engine);

  /// Lets events of registered merchants pass. Others are registered first where `may_create`, else
  /// rejected as `unknown_merchant`. What was refused before registers nobody: of a merchant that
  /// is not there it loses its name. `then` runs once, at once where all are known, else on any
  /// thread; unavailable where they could not be looked up or registered.
  void pass(parsed_batch batch, bool may_create, actors::callback<parsed_batch> then);
  /// Whether the merchant is registered; `then` as above.
  void find(const std::string& merchant, actors::callback<bool> then);

 private:
  struct newcomers;
  void notice_deletions();
  [[nodiscard]] bool knows(std::uint64_t hash) const;
  void learn(const std::vector<std::uint64_t>& hashes,
             const actors::engine::found_merchants& found);
  [[nodiscard]] newcomers unknown_of(const parsed_batch& batch, bool may_create) const;

  actors::engine& engine_;
  std::vector<std::atomic<std::uint64_t>> known_;  // by the hash's low bits; 0: nobody
  std::atomic<std::uint32_t> deletions_{0};
};

}  // namespace tally::api

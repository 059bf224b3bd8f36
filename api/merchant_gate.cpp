#include "api/merchant_gate.hpp"

#include <algorithm>
#include <unordered_map>

#include "domain/shard.hpp"
#include "persistence/event_codec.hpp"

namespace tally::api {
namespace {

constexpr std::size_t known_max = 1 << 18;  // 2 MiB

}  // namespace

/// Merchants of one batch that have to be looked up.
struct merchant_gate::newcomers {
  std::vector<actors::engine::merchant_wish> wishes;
  std::vector<std::uint64_t> hashes;
  std::unordered_map<std::uint64_t, std::size_t> places;  // of hashes

  void add(std::uint64_t hash, std::string_view merchant, bool create) {
    const auto [at, fresh] = places.emplace(hash, hashes.size());
    if (!fresh) {
      wishes[at->second].create = wishes[at->second].create || create;
      return;
    }
    hashes.push_back(hash);
    wishes.push_back({std::string{merchant}, create});
  }
  [[nodiscard]] bool stays_unknown(std::uint64_t hash,
                                   const actors::engine::found_merchants& found) const {
    const auto at = places.find(hash);
    return at != places.end() && !found.known[at->second];
  }
  void refuse_unknown(parsed_batch& batch, const actors::engine::found_merchants& found) const;
};

void merchant_gate::newcomers::refuse_unknown(parsed_batch& batch,
                                              const actors::engine::found_merchants& found) const {
  for (auto& r : batch.rejected)
    if (!r.merchant.empty() && stays_unknown(merchant_hash(r.merchant), found)) r.merchant.clear();
  std::vector<parsed_event> kept;
  for (const auto& e : batch.events) {
    if (!stays_unknown(e.merchant_hash, found)) {
      kept.push_back(e);
      continue;
    }
    const auto name =
        persistence::peek_merchant(std::string_view{batch.bytes}.substr(e.begin, e.size));
    rejected_event r;
    r.index = e.index;
    r.code = "unknown_merchant";
    r.detail = "merchant: '" + std::string{name} + "' is not known, and this key may not create it";
    batch.rejected.push_back(std::move(r));
  }
  if (kept.size() == batch.events.size()) return;
  batch.events = std::move(kept);
  std::sort(batch.rejected.begin(), batch.rejected.end(),
            [](const auto& a, const auto& b) { return a.index < b.index; });
}

merchant_gate::merchant_gate(actors::engine& engine) : engine_{engine}, known_(known_max) {}

void merchant_gate::notice_deletions() {
  const auto now = engine_.deletions();
  if (deletions_.exchange(now) == now) return;
  for (auto& place : known_) place.store(0, std::memory_order_relaxed);
}

bool merchant_gate::knows(std::uint64_t hash) const {
  return known_[hash % known_max].load(std::memory_order_relaxed) == hash;
}

void merchant_gate::learn(const std::vector<std::uint64_t>& hashes,
                          const actors::engine::found_merchants& found) {
  for (std::size_t i = 0; i < hashes.size(); ++i)
    if (found.known[i]) known_[hashes[i] % known_max] = hashes[i];
  if (found.deletions == engine_.deletions()) return;
  // Some of them may be gone again. In this order: a deletion from here on clears all anyway.
  for (const auto hash : hashes) known_[hash % known_max] = 0;
}

merchant_gate::newcomers merchant_gate::unknown_of(const parsed_batch& batch,
                                                   bool may_create) const {
  newcomers found;
  std::uint64_t previous = 0;
  for (const auto& e : batch.events) {
    if (e.merchant_hash == previous || knows(e.merchant_hash)) continue;
    previous = e.merchant_hash;
    const auto bytes = std::string_view{batch.bytes}.substr(e.begin, e.size);
    found.add(e.merchant_hash, persistence::peek_merchant(bytes), may_create);
  }
  for (const auto& r : batch.rejected) {
    const auto hash = merchant_hash(r.merchant);
    if (!r.merchant.empty() && !knows(hash)) found.add(hash, r.merchant, false);
  }
  return found;
}

void merchant_gate::pass(parsed_batch batch, bool may_create, actors::callback<parsed_batch> then) {
  notice_deletions();
  auto unknown = std::make_shared<newcomers>(unknown_of(batch, may_create));
  if (unknown->wishes.empty()) return then(std::move(batch));
  auto wishes = std::move(unknown->wishes);
  auto kept = std::make_shared<parsed_batch>(std::move(batch));
  engine_.find_merchants(std::move(wishes),
                         [this, unknown, kept, then = std::move(then)](
                             const result<actors::engine::found_merchants>& found) {
                           if (!found) return then(found.error());
                           learn(unknown->hashes, *found);
                           unknown->refuse_unknown(*kept, *found);
                           then(std::move(*kept));
                         });
}

void merchant_gate::find(const std::string& merchant, actors::callback<bool> then) {
  notice_deletions();
  const auto hash = merchant_hash(merchant);
  if (knows(hash)) return then(true);
  engine_.find_merchants(
      {{merchant, false}},
      [this, hash, then = std::move(then)](const result<actors::engine::found_merchants>& found) {
        if (!found) return then(found.error());
        learn({hash}, *found);
        then(static_cast<bool>(found->known.front()));
      });
}

}  // namespace tally::api

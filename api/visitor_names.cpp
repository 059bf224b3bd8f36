#include "api/visitor_names.hpp"

#include <sodium.h>

#include <array>

namespace tally::api {
namespace {

constexpr std::size_t seen_max = 1 << 18;

std::uint64_t hash_of(const persistence::daily_salt& salt, const visitor_traits& who) {
  static_assert(crypto_shorthash_KEYBYTES == sizeof salt.key);
  std::string text;
  text.reserve(who.merchant.size() + who.address.size() + who.agent.size() + 2);
  text.append(who.merchant).append(1, '\0').append(who.address).append(1, '\0').append(who.agent);
  std::array<unsigned char, crypto_shorthash_BYTES> out{};
  crypto_shorthash(out.data(), reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                   salt.key.data());
  std::uint64_t hash = 0;
  for (const auto byte : out) hash = hash << 8 | byte;
  return hash;
}

std::string hex(std::uint64_t value) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) text += digits[value >> shift & 0xF];
  return text;
}

}  // namespace

void visitor_names::remember(std::uint64_t hash, event_time now) {
  if (now - forgot_ > visit_gap) {
    std::erase_if(seen_, [&](const auto& one) { return now - one.second > visit_gap; });
    forgot_ = now;
  }
  if (seen_.size() < seen_max || seen_.contains(hash)) seen_[hash] = now;
}

std::string visitor_names::name(const visitor_traits& who, event_time now) {
  const auto salts = salts_();
  const auto hash = hash_of(salts.today, who);
  const event_time midnight{std::chrono::days{persistence::day_of(now) + 1}};
  const bool late = now >= midnight - visit_gap;
  const bool followed = salts.yesterday.day >= 0;
  const std::lock_guard lock{mutex_};
  if (followed && !seen_.empty()) {
    const auto before = hash_of(salts.yesterday, who);
    const auto found = seen_.find(before);
    if (found != seen_.end() && now - found->second <= visit_gap) {
      found->second = now;
      return hex(before);
    }
  }
  if (late) remember(hash, now);
  return hex(hash);
}

}  // namespace tally::api

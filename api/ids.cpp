#include "api/ids.hpp"

#include <sys/random.h>
#include <xxhash.h>

#include <array>
#include <bit>

#include "domain/ensure.hpp"

namespace tally::api {
namespace {

// xoshiro256++ of Blackman and Vigna: fast, and good enough for ids that need not be secret.
class generator {
 public:
  generator() {
    const auto size = static_cast<ssize_t>(sizeof state_);
    ensure(getrandom(state_.data(), sizeof state_, 0) == size, "getrandom gives 32 bytes at once");
  }

  std::uint64_t next() {
    const auto out = std::rotl(state_[0] + state_[3], 23) + state_[0];
    const auto shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return out;
  }

 private:
  std::array<std::uint64_t, 4> state_{};
};

}  // namespace

std::string mint_id() {
  static constexpr char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
  thread_local generator random;
  std::string id;
  id.reserve(26);
  for (int word = 0; word < 2; ++word) {
    auto bits = random.next();
    for (int i = 0; i < 13; ++i, bits >>= 5) id += digits[bits & 31];
  }
  return id;
}

std::string repeatable_id(std::string_view idempotency_key, std::uint32_t index) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string input{idempotency_key};
  for (unsigned i = 0; i < 4; ++i) input += static_cast<char>(index >> (8 * i) & 0xFF);
  const auto hash = XXH3_128bits(input.data(), input.size());
  std::string id;
  id.reserve(32);
  for (const auto word : {hash.high64, hash.low64}) {
    for (int shift = 60; shift >= 0; shift -= 4) id += digits[word >> shift & 0xF];
  }
  return id;
}

}  // namespace tally::api

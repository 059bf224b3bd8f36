#include <string>

#include "api/ack_token.hpp"
#include "domain/ensure.hpp"
#include "domain/event.hpp"
#include "persistence/registry.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using namespace tally;

namespace {

constexpr std::int64_t now_s = 1'700'000'000;

void try_ack(std::string_view text) {
  const auto positions = api::decode_ack(text);
  if (!positions) return;
  ensure(api::encode_ack(*positions) == text, "an ack token has two spellings");
}

void try_read_token(std::string_view text) {
  ensure(!persistence::check_read_token("secret", text, now_s), "a token that nobody signed");
  if (text.size() > 64 || !is_merchant_id(text)) return;
  const auto token = persistence::make_read_token("secret", text, now_s + 1);
  const auto merchant = persistence::check_read_token("secret", token, now_s);
  ensure(merchant && *merchant == text, "a token does not name its merchant");
  ensure(!persistence::check_read_token("secret", token, now_s + 2), "a token outlives its end");
  ensure(!persistence::check_read_token("other", token, now_s), "another secret signed it");
}

/// Keys and records of keys; what is read is written to be read again.
void try_registry(std::string_view text) {
  const auto claim = persistence::claim_of(text);
  if (claim.scope == "write" || claim.scope == "read")
    ensure(is_merchant_id(claim.merchant), "a key of no merchant");
  if (const auto m = persistence::parse_merchant(text); m && is_merchant_id(m->merchant)) {
    const auto again = persistence::parse_merchant(persistence::to_record(*m).value);
    ensure(again && again->merchant == m->merchant && again->zone == m->zone, "a merchant changes");
  }
  if (const auto k = persistence::parse_key(text); k && is_merchant_id(k->merchant)) {
    const auto again = persistence::parse_key(persistence::to_record(*k).value);
    ensure(again && again->hash == k->hash && again->scope == k->scope, "a key changes");
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = testing::as_bytes(data, size);
  try_ack(text);
  try_read_token(text);
  try_registry(text);
  return 0;
}

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "domain/result.hpp"
#include "persistence/journal.hpp"

namespace tally::persistence {

/// A merchant's settings, in the journal's `merchants` family.
/// Key: shard u16be, merchant, 0, 's'. Value: JSON.
struct merchant_record {
  std::string merchant, zone, currency;
  std::int64_t created_ms = 0;
};

/// A key, of which only the hash is stored. Of a merchant: `merchants` family, key shard u16be,
/// merchant, 0, 'k', hash in hex. Platform and admin keys: `meta`, "key/" and the hash in hex.
/// Value: JSON.
struct key_record {
  std::string hash;   // hex of BLAKE2b-256 of the key's text
  std::string scope;  // write, read, platform, admin
  std::string merchant, label;
  std::int64_t created_ms = 0;
  std::uint32_t events_per_s = 0, queries_per_s = 0;  // 0: the node's setting
  bool may_create = true;
};

/// A new key's text: prefix of its scope, merchant, '.', 32 random bytes in base64url.
[[nodiscard]] std::string make_key_text(std::string_view scope, std::string_view merchant);
/// The scope and the merchant that a key's text names; empty scope where it is no key.
struct key_claim {
  std::string_view scope, merchant;
};
[[nodiscard]] key_claim claim_of(std::string_view key_text);
[[nodiscard]] std::string hash_of_key(std::string_view key_text);

[[nodiscard]] record to_record(const merchant_record& m);
[[nodiscard]] record to_record(const key_record& k);
/// The record that removes a key: an empty value.
[[nodiscard]] record removal_of(const key_record& k);

/// Reads a record's value; corrupt_record where it is not what to_record() writes. Fields that are
/// missing keep their defaults, fields that nobody knows are skipped.
result<merchant_record> parse_merchant(std::string_view value);
result<key_record> parse_key(std::string_view value);

result<merchant_record> find_merchant(const journal& log, std::string_view merchant);
/// Merchants after `after` (text) over all shards, by shard, then name; at most `limit`.
result<std::vector<merchant_record>> list_merchants(const journal& log, std::size_t limit);
result<key_record> find_key(const journal& log, std::string_view key_text);
/// A merchant's keys; platform and admin keys where `merchant` is empty.
result<std::vector<key_record>> list_keys(const journal& log, std::string_view merchant);

/// Signed read tokens for embedding: "ts_" merchant "." expiry in seconds "." HMAC in base64url.
[[nodiscard]] std::string make_read_token(std::string_view secret, std::string_view merchant,
                                          std::int64_t expires_s);
/// The merchant of a token that `secret` signed and that has not expired; else unauthorized.
result<std::string> check_read_token(std::string_view secret, std::string_view token,
                                     std::int64_t now_s);
/// 32 random bytes in hex.
[[nodiscard]] std::string random_secret();

}  // namespace tally::persistence

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
  bool honours_gpc = false;  // whoever asks not to be followed is stored as nobody
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

/// A merchant's name in a foreign protocol. Two records of the `merchants` family, since a gateway
/// looks by alias and an operator by merchant. Where the alias is reserved: key u16be of the shard
/// of the alias's own hash, alias, 0, 'a'. The merchant's list: key shard u16be, merchant, 0, 'n',
/// alias. Value of both: JSON.
struct alias_record {
  std::string alias;  // "protocol:name", see alias_text
  std::string merchant;
  std::int64_t created_ms = 0;
};

constexpr std::size_t aliases_of_merchant_max = 1'000;

/// The text that an alias is stored and looked up by: protocol, ':' and name, where capitals of a
/// domain or UUID count as small letters. Empty where the protocol is unknown or the name is no
/// name of 1 to 200 printable bytes without spaces (of Matomo: digits).
[[nodiscard]] std::string alias_text(std::string_view protocol, std::string_view name);
/// Splits "protocol:name" at the first colon and gives its alias_text.
[[nodiscard]] std::string alias_text(std::string_view alias);
/// The protocols that merchants have names in, for messages.
[[nodiscard]] std::string alias_protocols();

/// A new key's text: prefix of its scope, merchant, '.', 32 random bytes in base64url.
[[nodiscard]] std::string make_key_text(std::string_view scope, std::string_view merchant);
/// The scope and the merchant that a key's text names; empty scope where it is no key.
struct key_claim {
  std::string_view scope, merchant;
};
[[nodiscard]] key_claim claim_of(std::string_view key_text);
[[nodiscard]] std::string hash_of_key(std::string_view key_text);

/// What the keys of all of a merchant's records in the `merchants` family begin with: shard u16be,
/// merchant, 0.
[[nodiscard]] std::string merchant_prefix(std::string_view merchant);
[[nodiscard]] record to_record(const merchant_record& m);
[[nodiscard]] record to_record(const key_record& k);
/// The record that removes a key: an empty value.
[[nodiscard]] record removal_of(const key_record& k);

/// Reads a record's value; corrupt_record where it is not what to_record() writes. Fields that are
/// missing keep their defaults, fields that nobody knows are skipped.
result<merchant_record> parse_merchant(std::string_view value);
result<key_record> parse_key(std::string_view value);

result<merchant_record> find_merchant(const journal& log, std::string_view merchant);
[[nodiscard]] record reservation_of(const alias_record& a);
[[nodiscard]] record listing_of(const alias_record& a);
/// The reservation of an alias_text; not_found.
result<alias_record> find_alias(const journal& log, std::string_view alias);
/// True where the merchant's own list has the alias too, so that it was added whole.
result<bool> is_listed(const journal& log, const alias_record& a);
result<std::vector<alias_record>> list_aliases(const journal& log, std::string_view merchant);
/// Merchants after `after` (text) over all shards, by shard, then name; at most `limit`.
result<std::vector<merchant_record>> list_merchants(const journal& log, std::size_t limit);
result<key_record> find_key(const journal& log, std::string_view key_text);
/// A merchant's keys; platform and admin keys where `merchant` is empty.
result<std::vector<key_record>> list_keys(const journal& log, std::string_view merchant);

/// Signed read tokens for embedding: "ts_" merchant "." expiry in seconds "." HMAC in base64url.
[[nodiscard]] std::string make_read_token(std::string_view secret, std::string_view merchant,
                                          std::int64_t expires_s);
/// The merchant of a token that `secret` signed; forbidden where it has come to its end, else
/// unauthorized.
result<std::string> check_read_token(std::string_view secret, std::string_view token,
                                     std::int64_t now_s);
/// 32 random bytes in hex.
[[nodiscard]] std::string random_secret();

}  // namespace tally::persistence

#include "persistence/registry.hpp"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "domain/bytes.hpp"
#include "domain/client_time.hpp"
#include "domain/event.hpp"
#include "domain/shard.hpp"

namespace tally::persistence {
namespace {

using nlohmann::json;

struct scope_prefix {
  std::string_view scope, prefix;
};
constexpr std::array prefixes{scope_prefix{"write", "tw_"}, scope_prefix{"read", "tr_"},
                              scope_prefix{"platform", "tp_"}, scope_prefix{"admin", "ta_"}};
constexpr std::string_view token_prefix = "ts_";

/// Whether capitals mean the same as small letters in a protocol's names.
struct alias_rule {
  std::string_view protocol;
  bool folds_case, digits_only;
};
constexpr std::array alias_rules{
    alias_rule{"plausible", true, false}, alias_rule{"umami", true, false},
    alias_rule{"ga4", false, false},      alias_rule{"posthog", false, false},
    alias_rule{"matomo", false, true},    alias_rule{"segment", false, false}};
constexpr std::size_t alias_name_bytes_max = 200;

void start_sodium() {
  static const int started = sodium_init();
  ensure(started >= 0, "libsodium does not start");
}

std::string base64url(std::string_view bytes) {
  const auto size =
      sodium_base64_encoded_len(bytes.size(), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
  std::string text(size, '\0');
  sodium_bin2base64(text.data(), text.size(), reinterpret_cast<const unsigned char*>(bytes.data()),
                    bytes.size(), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
  text.resize(text.size() - 1);
  return text;
}

std::string hex(std::string_view bytes) {
  std::string text(bytes.size() * 2 + 1, '\0');
  sodium_bin2hex(text.data(), text.size(), reinterpret_cast<const unsigned char*>(bytes.data()),
                 bytes.size());
  text.resize(bytes.size() * 2);
  return text;
}

std::string random_bytes(std::size_t count) {
  start_sodium();
  std::string bytes(count, '\0');
  randombytes_buf(bytes.data(), count);
  return bytes;
}

std::string key_of(std::string_view merchant, std::string_view hash) {
  if (merchant.empty()) return "key/" + std::string{hash};
  return merchant_prefix(merchant) + 'k' + std::string{hash};
}

result<alias_record> parse_alias(std::string_view value) {
  const failure corrupt{errc::corrupt_record, "an alias's record"};
  const auto j = json::parse(value, nullptr, false);
  if (!j.is_object()) return corrupt;
  try {
    return alias_record{j.value("alias", ""), j.value("merchant", ""),
                        j.value("created_ms", std::int64_t{0})};
  } catch (const json::type_error&) {
    return corrupt;
  }
}

std::string alias_value(const alias_record& a) {
  return json{{"alias", a.alias}, {"merchant", a.merchant}, {"created_ms", a.created_ms}}.dump();
}

std::string sign(std::string_view secret, std::string_view text) {
  start_sodium();
  std::string mac(crypto_generichash_BYTES, '\0');
  crypto_generichash(reinterpret_cast<unsigned char*>(mac.data()), mac.size(),
                     reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                     reinterpret_cast<const unsigned char*>(secret.data()), secret.size());
  return base64url(mac);
}

}  // namespace

std::string alias_text(std::string_view protocol, std::string_view name) {
  const auto* const rule =
      std::find_if(alias_rules.begin(), alias_rules.end(),
                   [&](const alias_rule& r) { return r.protocol == protocol; });
  if (rule == alias_rules.end() || name.empty() || name.size() > alias_name_bytes_max) return {};
  std::string text{protocol};
  text += ':';
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7f || (rule->digits_only && (c < '0' || c > '9'))) return {};
    text += rule->folds_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return text;
}

std::string alias_text(std::string_view alias) {
  const auto colon = alias.find(':');
  if (colon == std::string_view::npos) return {};
  return alias_text(alias.substr(0, colon), alias.substr(colon + 1));
}

std::string alias_protocols() {
  std::string all;
  for (const auto& r : alias_rules) {
    if (!all.empty()) all += ", ";
    all += r.protocol;
  }
  return all;
}

std::string make_key_text(std::string_view scope, std::string_view merchant) {
  for (const auto& p : prefixes)
    if (p.scope == scope)
      return std::string{p.prefix} + std::string{merchant} + '.' + base64url(random_bytes(32));
  ensure(false, "a key of an unknown scope");
  return {};
}

key_claim claim_of(std::string_view key_text) {
  const auto dot = key_text.rfind('.');
  if (key_text.size() > 256 || dot == std::string_view::npos || dot < 3) return {};
  for (const auto& p : prefixes)
    if (key_text.substr(0, 3) == p.prefix) {
      const auto merchant = key_text.substr(3, dot - 3);
      const bool of_merchant = p.scope == "write" || p.scope == "read";
      if (of_merchant && !is_merchant_id(merchant)) return {};
      return {p.scope, of_merchant ? merchant : std::string_view{}};
    }
  return {};
}

std::string hash_of_key(std::string_view key_text) {
  start_sodium();
  std::string hash(32, '\0');
  crypto_generichash(reinterpret_cast<unsigned char*>(hash.data()), hash.size(),
                     reinterpret_cast<const unsigned char*>(key_text.data()), key_text.size(),
                     nullptr, 0);
  return hex(hash);
}

std::string merchant_prefix(std::string_view merchant) {
  std::string key;
  byte_writer out{key};
  out.u16be(shard_of(merchant_hash(merchant)));
  out.raw(merchant);
  out.u8(0);
  return key;
}

record to_record(const merchant_record& m) {
  const json j{{"merchant", m.merchant},
               {"timezone", m.zone},
               {"currency", m.currency},
               {"created_ms", m.created_ms},
               {"honours_gpc", m.honours_gpc}};
  return {merchant_prefix(m.merchant) + 's', j.dump()};
}

record to_record(const key_record& k) {
  const json j{{"hash", k.hash},
               {"scope", k.scope},
               {"merchant", k.merchant},
               {"label", k.label},
               {"created_ms", k.created_ms},
               {"events_per_s", k.events_per_s},
               {"queries_per_s", k.queries_per_s},
               {"may_create", k.may_create}};
  return {key_of(k.merchant, k.hash), j.dump()};
}

record removal_of(const key_record& k) {
  return {key_of(k.merchant, k.hash), {}};
}

result<merchant_record> parse_merchant(std::string_view value) {
  const failure corrupt{errc::corrupt_record, "a merchant's record"};
  const auto j = json::parse(value, nullptr, false);
  if (!j.is_object()) return corrupt;
  try {
    return merchant_record{j.value("merchant", ""), j.value("timezone", "UTC"),
                           j.value("currency", "USD"), j.value("created_ms", std::int64_t{0}),
                           j.value("honours_gpc", false)};
  } catch (const json::type_error&) {
    return corrupt;
  }
}

result<key_record> parse_key(std::string_view value) {
  const failure corrupt{errc::corrupt_record, "a key's record"};
  const auto j = json::parse(value, nullptr, false);
  if (!j.is_object()) return corrupt;
  try {
    key_record k;
    k.hash = j.value("hash", "");
    k.scope = j.value("scope", "");
    k.merchant = j.value("merchant", "");
    k.label = j.value("label", "");
    k.created_ms = j.value("created_ms", std::int64_t{0});
    k.events_per_s = j.value("events_per_s", 0u);
    k.queries_per_s = j.value("queries_per_s", 0u);
    k.may_create = j.value("may_create", true);
    return k;
  } catch (const json::type_error&) {
    return corrupt;
  }
}

record reservation_of(const alias_record& a) {
  return {merchant_prefix(a.alias) + 'a', alias_value(a)};
}

record listing_of(const alias_record& a) {
  return {merchant_prefix(a.merchant) + 'n' + a.alias, alias_value(a)};
}

result<alias_record> find_alias(const journal& log, std::string_view alias) {
  const auto value = log.get_merchant(merchant_prefix(alias) + 'a');
  if (!value) return value.error();
  return parse_alias(*value);
}

result<bool> is_listed(const journal& log, const alias_record& a) {
  const auto value = log.get_merchant(listing_of(a).key);
  if (value) return true;
  if (value.error().code == errc::not_found) return false;
  return value.error();
}

result<std::vector<alias_record>> list_aliases(const journal& log, std::string_view merchant) {
  const auto records =
      log.list_merchants(merchant_prefix(merchant) + 'n', {}, aliases_of_merchant_max);
  if (!records) return records.error();
  std::vector<alias_record> aliases;
  for (const auto& r : *records) {
    auto a = parse_alias(r.value);
    if (!a) return a.error();
    aliases.push_back(std::move(*a));
  }
  return aliases;
}

result<merchant_record> find_merchant(const journal& log, std::string_view merchant) {
  const auto value = log.get_merchant(merchant_prefix(merchant) + 's');
  if (!value) return value.error();
  return parse_merchant(*value);
}

result<std::vector<merchant_record>> list_merchants(const journal& log, std::size_t limit) {
  std::vector<merchant_record> all;
  std::string after;
  while (all.size() < limit) {
    const auto page = log.list_merchants({}, after, 1'000);
    if (!page) return page.error();
    if (page->empty()) break;
    for (const auto& r : *page) {
      after = r.key;
      if (r.key.back() != 's' || r.key.size() < 2 || r.key[r.key.size() - 2] != '\0') continue;
      auto m = parse_merchant(r.value);
      if (!m) return m.error();
      if (all.size() < limit) all.push_back(std::move(*m));
    }
  }
  return all;
}

result<key_record> find_key(const journal& log, std::string_view key_text) {
  const auto claim = claim_of(key_text);
  if (claim.scope.empty()) return failure{errc::unauthorized, "not a key"};
  const auto key = key_of(claim.merchant, hash_of_key(key_text));
  const auto value = claim.merchant.empty() ? log.get_meta(key) : log.get_merchant(key);
  if (!value && value.error().code == errc::not_found)
    return failure{errc::unauthorized, "unknown key"};
  if (!value) return value.error();
  auto found = parse_key(*value);
  if (found && found->scope != claim.scope) return failure{errc::unauthorized, "unknown key"};
  return found;
}

result<std::vector<key_record>> list_keys(const journal& log, std::string_view merchant) {
  const auto records = merchant.empty()
                           ? log.list_meta("key/")
                           : log.list_merchants(merchant_prefix(merchant) + 'k', {}, 10'000);
  if (!records) return records.error();
  std::vector<key_record> keys;
  for (const auto& r : *records) {
    auto k = parse_key(r.value);
    if (!k) return k.error();
    keys.push_back(std::move(*k));
  }
  return keys;
}

std::string make_read_token(std::string_view secret, std::string_view merchant,
                            std::int64_t expires_s) {
  const auto claim =
      std::string{token_prefix} + std::string{merchant} + '.' + std::to_string(expires_s);
  return claim + '.' + sign(secret, claim);
}

result<std::string> check_read_token(std::string_view secret, std::string_view token,
                                     std::int64_t now_s) {
  const failure refused{errc::unauthorized, "the token is not valid"};
  const auto mac_dot = token.rfind('.');
  if (token.size() > 256 || !token.starts_with(token_prefix) || mac_dot == std::string_view::npos)
    return refused;
  const auto claim = token.substr(0, mac_dot);
  const auto expected = sign(secret, claim);
  const auto given = token.substr(mac_dot + 1);
  if (given.size() != expected.size() ||
      sodium_memcmp(given.data(), expected.data(), expected.size()) != 0)
    return refused;
  const auto expiry_dot = claim.rfind('.');
  if (expiry_dot == std::string_view::npos || expiry_dot < token_prefix.size()) return refused;
  const auto end_s = std::strtoll(std::string{claim.substr(expiry_dot + 1)}.c_str(), nullptr, 10);
  if (end_s < now_s) {
    constexpr std::int64_t year_9999_s = 253'402'300'799;
    const bool is_time = end_s >= 0 && end_s <= year_9999_s;
    return failure{errc::forbidden,
                   "the token expired" +
                       (is_time ? " at " + format_rfc3339(time_from_ms(end_s * 1'000)) : "")};
  }
  return std::string{claim.substr(token_prefix.size(), expiry_dot - token_prefix.size())};
}

std::string random_secret() {
  return hex(random_bytes(32));
}

}  // namespace tally::persistence

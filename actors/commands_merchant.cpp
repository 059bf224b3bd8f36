#include "actors/command_parts.hpp"
#include "domain/client_time.hpp"
#include "persistence/event_codec.hpp"
#include "persistence/registry.hpp"

namespace tally::actors::command_parts {
namespace {

status check_reporting(const std::string& zone_name, const std::string& currency) {
  if (zone::find(zone_name) == nullptr)
    return failure{errc::bad_request,
                   "timezone: '" + zone_name + "' is no zone of the tz database"};
  if (!is_currency(currency))
    return failure{errc::bad_request, "currency: '" + currency + "' is no ISO 4217 code"};
  return done{};
}

outcome_text merchant_create(command_context& context, const arguments& a) {
  if (a.words.size() != 1)
    return usage("merchant create ID --timezone ZONE --currency CODE [--honour-gpc]");
  persistence::merchant_record m{a.words[0],
                                 a.option("timezone", context.env->options.default_zone),
                                 a.option("currency", context.env->options.default_currency),
                                 to_ms(context.env->now()), a.options.contains("honour-gpc")};
  if (!is_merchant_id(m.merchant))
    return failure{errc::bad_request, "merchant: 1 to 64 characters of A-Z a-z 0-9 . _ -"};
  if (auto good = check_reporting(m.zone, m.currency); !good) return good.error();
  if (persistence::find_merchant(*context.env->journal, m.merchant))
    return failure{errc::conflict, "merchant '" + m.merchant + "' exists"};
  event e;
  e.kind = event_kind::settings;
  e.merchant = m.merchant;
  e.name = "settings";
  e.title = m.zone;
  e.has_order = true;
  e.order.currency = m.currency;
  e.at = e.received_at = context.env->now();
  std::string bytes;
  persistence::encode_event(e, bytes);
  if (auto made = change(context, m.merchant, bytes, {to_record(m)}); !made) return made.error();
  const auto write_key = create_key(context, {"write", m.merchant, "first"});
  const auto read_key = create_key(context, {"read", m.merchant, "first"});
  if (!write_key) return write_key.error();
  if (!read_key) return read_key.error();
  audit(context, "merchant create", {{"merchant", m.merchant}});
  return json{{"merchant", m.merchant},       {"timezone", m.zone},      {"currency", m.currency},
              {"honours_gpc", m.honours_gpc}, {"write_key", *write_key}, {"read_key", *read_key}}
      .dump();
}

/// Whether events of visitors who ask not to be followed are stored as nobody's, from a few seconds
/// from now on.
status set_privacy(command_context& context, persistence::merchant_record merchant,
                   const arguments& a) {
  const bool honour = a.options.contains("honour-gpc"), ignore = a.options.contains("ignore-gpc");
  if (honour && ignore)
    return failure{errc::bad_request, "honour-gpc and ignore-gpc: only one of them"};
  if ((!honour && !ignore) || merchant.honours_gpc == honour) return done{};
  merchant.honours_gpc = honour;
  if (auto made = change(context, merchant.merchant, {}, {to_record(merchant)}); !made) return made;
  audit(context, "merchant set", {{"merchant", merchant.merchant}, {"honours_gpc", honour}});
  return done{};
}

outcome_text merchant_set(command_context& context, const arguments& a) {
  if (a.words.size() != 1 || a.options.empty())
    return usage(
        "merchant set ID [--timezone ZONE] [--currency CODE] [--honour-gpc | --ignore-gpc]");
  const auto known = persistence::find_merchant(*context.env->journal, a.words[0]);
  if (!known) return failure{known.error().code, "merchant '" + a.words[0] + "'"};
  const auto zone = a.option("timezone", known->zone);
  const auto currency = a.option("currency", known->currency);
  if (auto good = check_reporting(zone, currency); !good) return good.error();
  if (auto set = set_privacy(context, *known, a); !set) return set.error();
  std::uint32_t generation = 0;
  if (zone != known->zone || currency != known->currency) {
    const auto changed = change_reporting(context, a.words[0], zone, currency);
    if (!changed) return changed.error();
    generation = *changed;
    audit(context, "merchant set",
          {{"merchant", a.words[0]}, {"timezone", zone}, {"currency", currency}});
  }
  const bool honours =
      a.options.contains("honour-gpc") || (known->honours_gpc && !a.options.contains("ignore-gpc"));
  json reply{{"merchant", a.words[0]},
             {"timezone", zone},
             {"currency", currency},
             {"honours_gpc", honours}};
  if (generation != 0) reply["generation"] = generation;
  return reply.dump();
}

outcome_text merchant_list(command_context& context, const arguments&) {
  const auto all = persistence::list_merchants(*context.env->journal, list_limit);
  if (!all) return all.error();
  auto list = json::array();
  for (const auto& m : *all)
    list.push_back({{"merchant", m.merchant}, {"timezone", m.zone}, {"currency", m.currency}});
  return json{{"merchants", list}}.dump();
}

outcome_text merchant_show(command_context& context, const arguments& a) {
  if (a.words.size() != 1) return usage("merchant show ID");
  const auto found = persistence::find_merchant(*context.env->journal, a.words[0]);
  if (!found) return failure{found.error().code, "merchant '" + a.words[0] + "'"};
  return look_into<std::string>(
      context, a.words[0], false, [&](const merchant_state& s) -> result<std::string> {
        return json{{"merchant", a.words[0]},
                    {"timezone", s.zone_name},
                    {"currency", s.currency},
                    {"created", format_rfc3339(time_from_ms(found->created_ms))},
                    {"honours_gpc", found->honours_gpc},
                    {"ledger", ledger_json(s.counts)}}
            .dump();
      });
}

/// Takes a merchant's settings, keys and aliases away, so that nothing can be written or read any
/// more; its events stay in the journal.
outcome_text merchant_delete(command_context& context, const arguments& a) {
  if (a.words.size() != 1) return usage("merchant delete ID");
  const auto found = persistence::find_merchant(*context.env->journal, a.words[0]);
  if (!found) return failure{found.error().code, "merchant '" + a.words[0] + "'"};
  const auto keys = persistence::list_keys(*context.env->journal, a.words[0]);
  if (!keys) return keys.error();
  const auto aliases = persistence::list_aliases(*context.env->journal, a.words[0]);
  if (!aliases) return aliases.error();
  for (const auto& alias : *aliases)
    if (auto gone = forget_alias(context, alias); !gone) return gone.error();
  std::vector<persistence::record> records{{to_record(*found).key, {}}};
  for (const auto& k : *keys) records.push_back(removal_of(k));
  const auto filters = removals_of_filters(context, a.words[0]);
  if (!filters) return filters.error();
  records.insert(records.end(), filters->begin(), filters->end());
  const auto positions = persistence::list_positions(*context.env->journal, a.words[0]);
  if (!positions) return positions.error();
  for (const auto& p : *positions) records.push_back(removal_of(a.words[0], p));
  if (auto made = change(context, a.words[0], {}, records); !made) return made.error();
  ++context.env->deletions;
  audit(context, "merchant delete", {{"merchant", a.words[0]}});
  return json{{"merchant", a.words[0]}, {"deleted", true}, {"keys_revoked", keys->size()}}.dump();
}

outcome_text merchant_inspect(command_context& context, const arguments& a) {
  if (a.words.size() != 1) return usage("merchant inspect ID");
  const auto& id = a.words[0];
  return look_into<std::string>(
      context, id, false, [&](const merchant_state& s) -> result<std::string> {
        const bool any = s.newest_ms != std::numeric_limits<std::int64_t>::min();
        return json{{"merchant", id},
                    {"shard", shard_of(merchant_hash(id))},
                    {"timezone", s.zone_name},
                    {"currency", s.currency},
                    {"offset", s.applied},
                    {"events", s.events},
                    {"unsaved_events", s.unsaved_events},
                    {"digest", std::to_string(s.digest)},
                    {"newest", any ? json(format_rfc3339(time_from_ms(s.newest_ms))) : json()},
                    {"oldest", any ? json(format_rfc3339(time_from_ms(s.oldest_ms))) : json()},
                    {"open_visits", s.visits.size()},
                    {"id_bytes", s.ids.heap_bytes()},
                    {"state_bytes", s.heap_bytes()},
                    {"names", s.names.all()},
                    {"currencies", s.currencies.all()},
                    {"ledger", ledger_json(s.counts)}}
            .dump();
      });
}

outcome_text key_create(command_context& context, const arguments& a) {
  const auto scope = a.option("scope");
  const auto merchant = a.option("merchant", a.words.empty() ? "" : a.words[0]);
  const bool of_merchant = scope == "write" || scope == "read";
  const bool may_create = !a.options.contains("no-create");
  if (!of_merchant && scope != "platform" && scope != "admin")
    return usage(
        "key create --scope platform|write|read|admin [--merchant ID] [--label TEXT] "
        "[--no-create]");
  if (of_merchant && merchant.empty())
    return usage("key create --scope " + scope + " --merchant ID [--label TEXT]");
  if (!may_create && scope != "platform")
    return failure{errc::bad_request, "no-create: only a platform key could create merchants"};
  if (of_merchant && !persistence::find_merchant(*context.env->journal, merchant))
    return failure{errc::not_found, "merchant '" + merchant + "'"};
  const auto key =
      create_key(context, {scope, of_merchant ? merchant : "", a.option("label"), may_create});
  if (!key) return key.error();
  audit(context, "key create",
        {{"scope", scope}, {"merchant", merchant}, {"may_create", may_create}});
  json reply{{"scope", scope}, {"key", *key}};
  if (of_merchant) reply["merchant"] = merchant;
  if (scope == "platform") reply["may_create"] = may_create;
  return reply.dump();
}

outcome_text key_list(command_context& context, const arguments& a) {
  const auto keys = persistence::list_keys(*context.env->journal,
                                           a.option("merchant", a.words.empty() ? "" : a.words[0]));
  if (!keys) return keys.error();
  auto list = json::array();
  for (const auto& k : *keys)
    list.push_back({{"id", k.hash.substr(0, 16)},
                    {"scope", k.scope},
                    {"merchant", k.merchant},
                    {"label", k.label},
                    {"may_create", k.scope == "platform" && k.may_create},
                    {"created", format_rfc3339(time_from_ms(k.created_ms))}});
  return json{{"keys", list}}.dump();
}

/// Revokes by the key's text or by the id that `key list` shows.
outcome_text key_revoke(command_context& context, const arguments& a) {
  if (a.words.size() != 1) return usage("key revoke KEY|ID [--merchant ID]");
  const auto claim = persistence::claim_of(a.words[0]);
  const std::string merchant{claim.scope.empty() ? a.option("merchant") : claim.merchant};
  const auto hash = claim.scope.empty() ? a.words[0] : persistence::hash_of_key(a.words[0]);
  const auto keys = persistence::list_keys(*context.env->journal, merchant);
  if (!keys) return keys.error();
  for (const auto& k : *keys) {
    if (hash.size() < 16 || !k.hash.starts_with(hash)) continue;
    const auto gone = removal_of(k);
    const auto removed =
        merchant.empty() ? put_meta(context, gone.key, "") : change(context, merchant, {}, {gone});
    if (!removed) return removed.error();
    audit(context, "key revoke", {{"id", k.hash.substr(0, 16)}, {"merchant", merchant}});
    return json{{"id", k.hash.substr(0, 16)}, {"revoked", true}}.dump();
  }
  return failure{errc::not_found, "no such key"};
}

outcome_text token_create(command_context& context, const arguments& a) {
  const auto merchant = a.option("merchant", a.words.empty() ? "" : a.words[0]);
  const auto ttl = std::strtoll(a.option("ttl", "3600").c_str(), nullptr, 10);
  if (!is_merchant_id(merchant) || ttl <= 0 || ttl > 86'400)
    return usage("token create --merchant ID [--ttl SECONDS, 1 to 86400]");
  if (const auto found = persistence::find_merchant(*context.env->journal, merchant); !found) {
    // Somebody may have written for it without making it.
    const auto known = look_into<bool>(context, merchant, false,
                                       [](const merchant_state&) -> result<bool> { return true; });
    if (!known) return known.error();
  }
  const auto secret = context.env->journal->get_meta("token_secret");
  if (!secret) return secret.error();
  const auto expires = to_ms(context.env->now()) / 1'000 + ttl;
  audit(context, "token create", {{"merchant", merchant}, {"ttl", ttl}});
  return json{{"merchant", merchant},
              {"token", persistence::make_read_token(*secret, merchant, expires)},
              {"expires", format_rfc3339(time_from_ms(expires * 1'000))}}
      .dump();
}

}  // namespace

const std::vector<command>& merchant_commands() {
  static const std::vector<command> all{
      {"merchants", "all registered merchants", merchant_list},
      {"merchant list", "all registered merchants", merchant_list},
      {"merchant create", "ID --timezone ZONE --currency CODE [--honour-gpc]", merchant_create},
      {"merchant set",
       "ID [--timezone ZONE] [--currency CODE]: for its past too; [--honour-gpc | --ignore-gpc]",
       merchant_set},
      {"merchant show", "ID: settings and ledger", merchant_show, 1},
      {"merchant inspect", "ID: the live state", merchant_inspect, 1},
      {"merchant alias", "add|remove ID PROTOCOL:NAME, list ID: its names in other protocols",
       merchant_alias},
      {"merchant delete", "ID: revokes its keys, aliases and settings", merchant_delete},
      {"keys", "[--merchant ID]: keys without their text", key_list},
      {"key create", "--scope platform|write|read|admin [--merchant ID] [--no-create]", key_create},
      {"key list", "[--merchant ID]: keys without their text", key_list},
      {"key revoke", "KEY|ID [--merchant ID]", key_revoke},
      {"token create", "--merchant ID [--ttl SECONDS]: a read token for embedding", token_create},
  };
  return all;
}

}  // namespace tally::actors::command_parts

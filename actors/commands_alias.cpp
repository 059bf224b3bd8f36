#include "actors/command_parts.hpp"
#include "domain/client_time.hpp"
#include "persistence/registry.hpp"

namespace tally::actors::command_parts {
namespace {

using persistence::alias_record;

// A reservation that its merchant does not list was left by an interrupted command. It may be taken
// over once no command can still be at work on it.
constexpr std::chrono::minutes interrupted_after{1};

status may_reserve(const command_context& context, const alias_record& wanted) {
  const auto& log = *context.env->journal;
  const auto held = persistence::find_alias(log, wanted.alias);
  if (!held) return held.error().code == errc::not_found ? status{done{}} : held.error();
  if (held->merchant == wanted.merchant) return done{};
  const auto listed = persistence::is_listed(log, *held);
  if (!listed) return listed.error();
  const auto age = std::chrono::milliseconds{wanted.created_ms - held->created_ms};
  if (!*listed && age > interrupted_after) return done{};
  return failure{errc::conflict,
                 "alias '" + wanted.alias + "' belongs to merchant '" + held->merchant + "'"};
}

outcome_text add_alias(command_context& context, const alias_record& a) {
  const auto& log = *context.env->journal;
  const auto found = persistence::find_merchant(log, a.merchant);
  if (!found) return failure{found.error().code, "merchant '" + a.merchant + "'"};
  const auto all = persistence::list_aliases(log, a.merchant);
  if (!all) return all.error();
  if (all->size() >= persistence::aliases_of_merchant_max)
    return failure{errc::conflict, "merchant '" + a.merchant + "' has as many aliases as allowed"};
  if (auto free = may_reserve(context, a); !free) return free.error();
  if (auto made = change(context, a.alias, {}, {reservation_of(a)}); !made) return made.error();
  if (auto made = change(context, a.merchant, {}, {listing_of(a)}); !made) return made.error();
  audit(context, "merchant alias add", {{"merchant", a.merchant}, {"alias", a.alias}});
  return json{{"merchant", a.merchant}, {"alias", a.alias}}.dump();
}

outcome_text list_aliases(const command_context& context, const std::string& merchant) {
  const auto all = persistence::list_aliases(*context.env->journal, merchant);
  if (!all) return all.error();
  auto list = json::array();
  for (const auto& a : *all)
    list.push_back({{"merchant", a.merchant},
                    {"alias", a.alias},
                    {"created", format_rfc3339(time_from_ms(a.created_ms))}});
  return json{{"aliases", list}}.dump();
}

}  // namespace

status forget_alias(command_context& context, const persistence::alias_record& a) {
  const auto listed = change(context, a.merchant, {}, {{listing_of(a).key, {}}});
  if (!listed) return listed;
  return change(context, a.alias, {}, {{reservation_of(a).key, {}}});
}

outcome_text merchant_alias(command_context& context, const arguments& a) {
  const auto& w = a.words;
  if (w.size() == 2 && w[0] == "list") return list_aliases(context, w[1]);
  if (w.size() != 3 || (w[0] != "add" && w[0] != "remove"))
    return usage("merchant alias add|remove ID PROTOCOL:NAME, or merchant alias list ID");
  const auto text = persistence::alias_text(w[2]);
  if (text.empty())
    return failure{errc::bad_request, "alias: '" + w[2] + "' is not PROTOCOL:NAME with one of " +
                                          persistence::alias_protocols()};
  const alias_record wanted{text, w[1], to_ms(context.env->now())};
  if (w[0] == "add") return add_alias(context, wanted);
  const auto held = persistence::find_alias(*context.env->journal, text);
  if (!held && held.error().code != errc::not_found) return held.error();
  if (!held || held->merchant != w[1])
    return failure{errc::not_found, "alias '" + text + "' of merchant '" + w[1] + "'"};
  if (auto gone = forget_alias(context, *held); !gone) return gone.error();
  audit(context, "merchant alias remove", {{"merchant", w[1]}, {"alias", text}});
  return json{{"merchant", w[1]}, {"alias", text}, {"removed", true}}.dump();
}

}  // namespace tally::actors::command_parts

#include "actors/command_parts.hpp"
#include "domain/client_time.hpp"
#include "persistence/named_filter_store.hpp"

namespace tally::actors::command_parts {
namespace {

using persistence::filter_record;

struct kind_of_filter {
  filter_use use;
  std::string_view name, list;
};
constexpr kind_of_filter goal{filter_use::goal, "goal", "goals"};
constexpr kind_of_filter segment{filter_use::segment, "segment", "segments"};

/// The filter that the options ask for; empty where they ask for none or for several.
std::string filter_asked(const arguments& a) {
  auto filter = a.option("filter");
  const auto event = a.option("event"), page = a.option("page");
  if ((filter.empty() ? 0 : 1) + (event.empty() ? 0 : 1) + (page.empty() ? 0 : 1) != 1) return {};
  if (!filter.empty()) return filter;
  return event.empty() ? persistence::filter_of_page(page) : persistence::filter_of_event(event);
}

/// The merchant's records of a kind; not_found where nobody registered the merchant.
result<std::vector<filter_record>> known_filters(const command_context& context,
                                                 const kind_of_filter& kind,
                                                 const std::string& merchant) {
  const auto& log = *context.env->journal;
  const auto found = persistence::find_merchant(log, merchant);
  if (!found) return failure{found.error().code, "merchant '" + merchant + "'"};
  return persistence::list_filters(log, merchant, kind.use);
}

outcome_text add(command_context& context, const kind_of_filter& kind, const arguments& a) {
  const auto text = filter_asked(a);
  if (a.words.size() != 2 || text.empty())
    return usage(std::string{kind.name} + " add ID NAME --filter JSON" +
                 (kind.use == filter_use::goal ? ", --event NAME or --page PATH" : ""));
  if (kind.use == filter_use::segment && a.option("filter").empty())
    return usage("segment add ID NAME --filter JSON");
  const auto made = persistence::make_filter_record(
      {kind.use, a.words[0], a.words[1], text, to_ms(context.env->now())});
  if (!made) return made.error();
  const auto all = known_filters(context, kind, a.words[0]);
  if (!all) return all.error();
  const bool replaces = std::ranges::find(*all, a.words[1], &filter_record::name) != all->end();
  if (!replaces && all->size() >= named_filters_max)
    return failure{errc::conflict, "merchant '" + a.words[0] + "' has as many " +
                                       std::string{kind.list} + " as allowed"};
  if (auto done = change(context, a.words[0], {}, {to_record(*made)}); !done) return done.error();
  const json reply{
      {"merchant", made->merchant}, {"name", made->name}, {"filter", json::parse(made->filter)}};
  audit(context, std::string{kind.name} + " add", reply);
  return reply.dump();
}

outcome_text list(const command_context& context, const kind_of_filter& kind, const arguments& a) {
  if (a.words.size() != 1) return usage(std::string{kind.name} + " list ID");
  const auto all = known_filters(context, kind, a.words[0]);
  if (!all) return all.error();
  auto rows = json::array();
  for (const auto& f : *all)
    rows.push_back({{"name", f.name},
                    {"filter", json::parse(f.filter)},
                    {"created", format_rfc3339(time_from_ms(f.created_ms))}});
  return json{{kind.list, rows}}.dump();
}

outcome_text remove(command_context& context, const kind_of_filter& kind, const arguments& a) {
  if (a.words.size() != 2) return usage(std::string{kind.name} + " remove ID NAME");
  const auto all = known_filters(context, kind, a.words[0]);
  if (!all) return all.error();
  const auto held = std::ranges::find(*all, a.words[1], &filter_record::name);
  if (held == all->end())
    return failure{errc::not_found, std::string{kind.name} + " '" + a.words[1] + "' of merchant '" +
                                        a.words[0] + "'"};
  if (auto gone = change(context, a.words[0], {}, {removal_of(*held)}); !gone) return gone.error();
  const json reply{{"merchant", a.words[0]}, {"name", a.words[1]}, {"removed", true}};
  audit(context, std::string{kind.name} + " remove", reply);
  return reply.dump();
}

}  // namespace

result<std::vector<persistence::record>> removals_of_filters(const command_context& context,
                                                             const std::string& merchant) {
  std::vector<persistence::record> removals;
  for (const auto use : {filter_use::goal, filter_use::segment}) {
    const auto all = persistence::list_filters(*context.env->journal, merchant, use);
    if (!all) return all.error();
    for (const auto& f : *all) removals.push_back(removal_of(f));
  }
  return removals;
}

const std::vector<command>& goal_commands() {
  static const std::vector<command> all{
      {"goal add", "ID NAME --event NAME, --page PATH or --filter JSON: name what is a goal",
       [](command_context& c, const arguments& a) { return add(c, goal, a); }, 1},
      {"goal list", "ID: a merchant's goals",
       [](command_context& c, const arguments& a) { return list(c, goal, a); }, 1},
      {"goal remove", "ID NAME: forget a goal",
       [](command_context& c, const arguments& a) { return remove(c, goal, a); }, 1},
      {"segment add", "ID NAME --filter JSON: name a part of a merchant's events",
       [](command_context& c, const arguments& a) { return add(c, segment, a); }, 1},
      {"segment list", "ID: a merchant's segments",
       [](command_context& c, const arguments& a) { return list(c, segment, a); }, 1},
      {"segment remove", "ID NAME: forget a segment",
       [](command_context& c, const arguments& a) { return remove(c, segment, a); }, 1},
  };
  return all;
}

}  // namespace tally::actors::command_parts

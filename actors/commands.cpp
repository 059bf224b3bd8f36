#include "actors/commands.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <atomic>

#include "actors/command_parts.hpp"
#include "actors/replication.hpp"
#include "domain/client_time.hpp"
#include "domain/shard.hpp"
#include "persistence/registry.hpp"

namespace tally::actors {
namespace command_parts {

status change(command_context& context, const std::string& merchant, std::string event,
              std::vector<persistence::record> records) {
  auto promise = std::make_shared<std::promise<status>>();
  auto future = promise->get_future();
  auto what = std::make_shared<registry_change>();
  what->merchant = merchant;
  what->event = std::move(event);
  what->records = std::move(records);
  what->then = [promise](status s) { promise->set_value(std::move(s)); };
  const auto lane = lane_of(merchant.empty() ? platform_merchant : std::string_view{merchant});
  caf::anon_send(context.lanes[lane], run_atom::value, registry_change_ptr{what});
  if (future.wait_for(answer_timeout) != std::future_status::ready)
    return failure{errc::unavailable, "no answer in time"};
  return future.get();
}

status put_meta(command_context& context, const std::string& key, const std::string& value) {
  if (context.env->copies != nullptr) return change(context, {}, {}, {{key, value}});
  const auto put = request<bool>(context, context.journal, meta_atom::value, key, value);
  if (put.value_or(false)) return done{};
  return failure{errc::unavailable, "the journal takes no changes now"};
}

void audit(command_context& context, const std::string& action, const json& details) {
  static std::atomic<std::uint32_t> number{0};
  const auto now_ms = to_ms(context.env->now());
  auto key = std::to_string(now_ms) + "-" + std::to_string(number++);
  const json entry{
      {"at", format_rfc3339(context.env->now())}, {"action", action}, {"details", details}};
  static_cast<void>(put_meta(context, "audit/" + key, entry.dump()));
  spdlog::info("admin_action action={} details={}", action, details.dump());
}

json ledger_json(const ledger& l) {
  return {{"accepted", l.accepted},
          {"duplicate", l.duplicate},
          {"late", l.late},
          {"rejected", l.rejected.all()},
          {"filtered", l.filtered.all()}};
}

}  // namespace command_parts

using namespace command_parts;

namespace {

std::array<const std::vector<command>*, 6> lists() {
  return {&merchant_commands(),  &goal_commands(),  &ruleset_commands(),
          &reprocess_commands(), &rates_commands(), &node_commands()};
}

/// An option that is given more than once has all its values, with commas between them. What
/// follows a word "--" is no option.
arguments parse_words(const std::vector<std::string>& words, std::size_t from) {
  arguments a;
  bool all_plain = false;
  for (auto i = from; i < words.size(); ++i) {
    if (!all_plain && words[i] == "--") {
      all_plain = true;
    } else if (!all_plain && words[i].starts_with("--")) {
      const bool has_value = i + 1 < words.size() && !words[i + 1].starts_with("--");
      auto& value = a.options[words[i].substr(2)];
      if (has_value) value += (value.empty() ? "" : ",") + words[++i];
    } else {
      a.words.push_back(words[i]);
    }
  }
  return a;
}

}  // namespace

void inspect(const std::vector<lane_actor>& lanes, const inspection_ptr& what) {
  caf::anon_send(lanes[lane_of(what->merchant)], run_atom::value, what);
}

result<std::string> create_key(command_context& context, const key_wish& wish) {
  const auto text =
      persistence::make_key_text(wish.scope, wish.merchant.empty() ? "main" : wish.merchant);
  persistence::key_record k;
  k.hash = persistence::hash_of_key(text);
  k.scope = wish.scope;
  k.merchant = wish.merchant;
  k.label = wish.label;
  k.may_create = wish.may_create;
  k.created_ms = to_ms(context.env->now());
  const auto r = to_record(k);
  const auto made = wish.merchant.empty() ? put_meta(context, r.key, r.value)
                                          : change(context, wish.merchant, {}, {r});
  if (!made) return made.error();
  return text;
}

const std::vector<std::pair<std::string, std::string>>& command_help() {
  static const auto all = [] {
    std::vector<std::pair<std::string, std::string>> help;
    for (const auto* list : lists())
      for (const auto& c : *list) help.emplace_back(c.name, c.help);
    return help;
  }();
  return all;
}

namespace {

/// Commands that build or choose generations, which nodes do not do together yet.
bool changes_counting(const std::vector<std::string>& words) {
  if (words.size() < 2) return false;
  const auto has = [&](std::string_view word) {
    return std::ranges::find(words, word) != words.end();
  };
  return (words[0] == "reprocess" && words[1] != "status" && words[1] != "list") ||
         (words[0] == "merchant" && words[1] == "set" && (has("--timezone") || has("--currency")));
}

}  // namespace

namespace {

/// At the node that leads the shard of the merchant that it is about, where there are several.
outcome_text run_where_it_belongs(command_context& context, const command& c,
                                  const std::vector<std::string>& words, const arguments& a) {
  auto* const copies = context.env->copies;
  if (copies != nullptr && c.merchant_word != 0 && a.words.size() >= c.merchant_word) {
    const auto& merchant = a.words[c.merchant_word - 1];
    auto elsewhere = copies->run_at_leader(shard_of(merchant_hash(merchant)), words);
    if (elsewhere) return std::move(*elsewhere);
  }
  return c.run(context, a);
}

}  // namespace

result<std::string> run_command(command_context& context, const std::vector<std::string>& asked) {
  if (asked.empty()) return usage("help");
  const bool is_here = asked[0] == "here" && asked.size() > 1;
  const std::vector<std::string> words{asked.begin() + (is_here ? 1 : 0), asked.end()};
  const auto run = [&](const command& c, std::size_t from) {
    const auto a = parse_words(words, from);
    return is_here ? c.run(context, a) : run_where_it_belongs(context, c, words, a);
  };
  if (words[0] == "help") {
    auto list = json::array();
    for (const auto& [name, help] : command_help())
      list.push_back({{"command", name}, {"help", help}});
    return json{{"commands", list}}.dump();
  }
  if (context.env->copies != nullptr && changes_counting(words))
    return failure{errc::unsupported,
                   "not in a cluster yet: it would change how this node alone counts"};
  for (const auto* list : lists())
    for (const auto& c : *list) {
      const auto space = c.name.find(' ');
      if (space == std::string::npos) {
        if (words[0] == c.name) return run(c, 1);
      } else if (words.size() > 1 && words[0] + ' ' + words[1] == c.name) {
        return run(c, 2);
      }
    }
  return failure{errc::bad_request, "unknown command '" + words[0] + "'; try: help"};
}

}  // namespace tally::actors

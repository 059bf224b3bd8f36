#pragma once

#include <future>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "actors/commands.hpp"
#include "persistence/registry.hpp"

/// What the command handlers share: words, waiting for actors, durable changes.
namespace tally::actors::command_parts {

using nlohmann::json;
constexpr std::chrono::seconds answer_timeout{30};
constexpr std::chrono::seconds long_timeout{3'600};  // a rebuild reads the whole log
constexpr std::size_t list_limit = 10'000;

/// A command's words: positional ones, "--name value" options and "--name" switches (empty).
struct arguments {
  std::vector<std::string> words;
  std::map<std::string, std::string, std::less<>> options;

  [[nodiscard]] std::string option(std::string_view name, const std::string& otherwise = {}) const {
    const auto found = options.find(name);
    return found == options.end() ? otherwise : found->second;
  }
};

using outcome_text = result<std::string>;
using handler = outcome_text (*)(command_context&, const arguments&);

/// A command's name, one-line help and handler.
struct command {
  std::string name, help;
  handler run;
  // Which of its words is the merchant that it looks at; 0: none, or what it says is on every node.
  std::size_t merchant_word = 0;
};
[[nodiscard]] const std::vector<command>& merchant_commands();
[[nodiscard]] const std::vector<command>& goal_commands();
[[nodiscard]] const std::vector<command>& node_commands();
[[nodiscard]] const std::vector<command>& ruleset_commands();
[[nodiscard]] const std::vector<command>& reprocess_commands();
[[nodiscard]] const std::vector<command>& rates_commands();

/// "merchant alias add|remove ID PROTOCOL:NAME" and "merchant alias list ID".
outcome_text merchant_alias(command_context& context, const arguments& a);
/// Takes an alias from the merchant's list, then frees it.
status forget_alias(command_context& context, const persistence::alias_record& a);

/// What takes a merchant's goals and segments away.
result<std::vector<persistence::record>> removals_of_filters(const command_context& context,
                                                             const std::string& merchant);

inline failure usage(std::string text) {
  return {errc::bad_request, "usage: " + std::move(text)};
}

template <class T>
result<T> wait_for(std::future<result<T>>& future, std::chrono::seconds limit) {
  if (future.wait_for(limit) != std::future_status::ready)
    return failure{errc::unavailable, "no answer in time"};
  return future.get();
}

/// Looks into a merchant's aggregator; `look` runs there. not_found where the journal has nothing
/// of the merchant.
template <class T>
result<T> look_into(command_context& context, const std::string& merchant, bool save_first,
                    std::function<result<T>(const merchant_state&)> look) {
  auto promise = std::make_shared<std::promise<result<T>>>();
  auto future = promise->get_future();
  auto what = std::make_shared<inspection>();
  what->merchant = merchant;
  what->save_first = save_first;
  what->looker = [promise, look](result<const merchant_state*> state, persistence::round_number) {
    promise->set_value(state ? look(**state) : result<T>{state.error()});
  };
  inspect(context.lanes, what);
  return wait_for(future, answer_timeout);
}

template <class Reply, class Actor, class... Args>
std::optional<Reply> request(command_context& context, const Actor& to, Args&&... args) {
  caf::scoped_actor self{context.worker->home_system(), true};
  std::optional<Reply> got;
  self->request(to, answer_timeout, std::forward<Args>(args)...)
      .receive([&](Reply& reply) { got = std::move(reply); }, [](caf::error&) {});
  return got;
}

/// Journals records of a merchant and, where `event` is not empty, a control event with them.
status change(command_context& context, const std::string& merchant, std::string event,
              std::vector<persistence::record> records);
status put_meta(command_context& context, const std::string& key, const std::string& value);
/// Adds to the audit trail.
void audit(command_context& context, const std::string& action, const json& details);
/// Checks a ruleset's text and keeps it. Gives its version; that of an equal one where there is
/// one.
result<std::uint32_t> add_ruleset(command_context& context, const std::string& text);
/// Builds and promotes a generation of one merchant with this zone and currency. Gives its number.
result<std::uint32_t> change_reporting(command_context& context, const std::string& merchant,
                                       const std::string& zone, const std::string& currency);
[[nodiscard]] json ledger_json(const ledger& l);

}  // namespace tally::actors::command_parts

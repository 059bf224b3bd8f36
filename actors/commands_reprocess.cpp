#include <poll.h>

#include <algorithm>
#include <sstream>

#include "actors/command_parts.hpp"
#include "actors/reprocessor.hpp"
#include "domain/client_time.hpp"
#include "persistence/registry.hpp"

namespace tally::actors::command_parts {

namespace {

constexpr std::size_t merchants_max = 100'000;
constexpr std::size_t changes_default = 100, changes_max = 10'000;
constexpr int look_again_ms = 50;

/// Runs `f` on the reprocessor's thread and waits.
template <class T>
result<T> run_there(command_context& context, std::function<result<T>(reprocessor&)> f) {
  auto promise = std::make_shared<std::promise<result<T>>>();
  auto future = promise->get_future();
  caf::anon_send(context.reprocess, run_atom::value,
                 std::make_shared<std::function<void(reprocessor&)>>(
                     [promise, f = std::move(f)](reprocessor& r) { promise->set_value(f(r)); }));
  return wait_for(future, long_timeout);
}

result<std::uint32_t> generation_of(const arguments& a, const char* what) {
  const auto number = a.words.size() == 1 ? std::strtoul(a.words[0].c_str(), nullptr, 10) : 0;
  if (number == 0 || number > 99'999'999) return usage("reprocess " + std::string{what} + " ID");
  return static_cast<std::uint32_t>(number);
}

/// As the contract names states; those on the way are shown as what they were.
std::string state_of(const generation_progress& p) {
  switch (p.record.state) {
    case generation_state::running:
      return p.built ? "ready" : "running";
    case generation_state::promoting:
      return "ready";
    case generation_state::rolling_back:
      return "promoted";
    case generation_state::dropping:
      return "dropped";
    default:
      return std::string{to_string(p.record.state)};
  }
}

json progress_json(const generation_progress& p) {
  json out{{"id", p.record.number},
           {"generation", p.record.number},
           {"state", state_of(p)},
           {"progress", p.progress},
           {"events_per_s", static_cast<std::uint64_t>(p.events_per_s)},
           {"remaining_s", static_cast<std::uint64_t>(p.remaining_s)},
           {"ruleset", p.record.ruleset},
           {"logic", p.record.logic},
           {"merchants", p.record.of_all() ? json("all") : json(p.record.merchants.size())},
           {"started", format_rfc3339(time_from_ms(p.record.created_ms))}};
  if (!p.record.problem.empty()) out["problem"] = p.record.problem;
  return out;
}

/// Registered, or known by its events.
result<bool> is_known(command_context& context, const std::string& merchant) {
  if (persistence::find_merchant(*context.env->journal, merchant)) return true;
  const auto serving = serving_of(*context.env, merchant);
  if (!serving) return serving.error();
  const auto looked = look_into<bool>(context, merchant, false,
                                      [](const merchant_state&) -> result<bool> { return true; });
  if (!looked && looked.error().code == errc::not_found) return false;
  return looked;
}

result<std::vector<std::string>> wished_merchants(command_context& context, const arguments& a) {
  std::vector<std::string> merchants;
  std::istringstream words{a.option("merchant")};
  for (std::string one; std::getline(words, one, ',');) merchants.push_back(one);
  if (merchants.size() > merchants_max)
    return failure{errc::over_limit, "at most " + std::to_string(merchants_max) + " merchants"};
  std::ranges::sort(merchants);
  merchants.erase(std::unique(merchants.begin(), merchants.end()), merchants.end());
  for (const auto& m : merchants) {
    if (!is_merchant_id(m)) return failure{errc::bad_request, "'" + m + "' is no merchant id"};
    const auto known = is_known(context, m);
    if (!known) return known.error();
    if (!*known) return failure{errc::not_found, "merchant '" + m + "'"};
  }
  return merchants;
}

result<std::uint32_t> wished_ruleset(command_context& context, const std::string& word) {
  if (word.find_first_not_of("0123456789") != std::string::npos) return add_ruleset(context, word);
  const auto version = std::strtoul(word.c_str(), nullptr, 10);
  if (version == 0 || version > 99'999'999)
    return failure{errc::bad_request, "'" + word + "' is no version of a ruleset"};
  return static_cast<std::uint32_t>(version);
}

outcome_text reprocess_start(command_context& context, const arguments& a) {
  if (!a.words.empty() || a.option("ruleset").empty())
    return usage("reprocess start --ruleset VERSION|TEXT [--merchant ID]...");
  generation_wish wish;
  auto merchants = wished_merchants(context, a);
  if (!merchants) return merchants.error();
  wish.merchants = std::move(*merchants);
  const auto ruleset = wished_ruleset(context, a.option("ruleset"));
  if (!ruleset) return ruleset.error();
  wish.ruleset = *ruleset;
  const auto started =
      run_there<generation_record>(context, [wish](reprocessor& r) { return r.start(wish); });
  if (!started) return started.error();
  audit(context, "reprocess start",
        {{"generation", started->number}, {"ruleset", started->ruleset}});
  return json{
      {"id", started->number}, {"generation", started->number}, {"ruleset", started->ruleset}}
      .dump();
}

outcome_text reprocess_status(command_context& context, const arguments& a) {
  const auto number = generation_of(a, "status");
  if (!number) return number.error();
  const auto p = run_there<generation_progress>(
      context, [number = *number](reprocessor& r) { return r.look(number); });
  if (!p) return p.error();
  return progress_json(*p).dump();
}

outcome_text reprocess_list(command_context& context, const arguments&) {
  const auto all = run_there<std::vector<generation_progress>>(
      context, [](reprocessor& r) { return result{r.list()}; });
  if (!all) return all.error();
  auto list = json::array();
  for (const auto& p : *all) list.push_back(progress_json(p));
  return json{{"generations", list}}.dump();
}

/// A command that changes a generation's state and says no more.
template <class F>
outcome_text change_state(command_context& context, const arguments& a, const char* what, F&& f) {
  const auto number = generation_of(a, what);
  if (!number) return number.error();
  const auto p = run_there<generation_progress>(
      context, [number = *number, f](reprocessor& r) -> result<generation_progress> {
        const auto good = f(r, number);
        if (!good) return good.error();
        return r.look(number);
      });
  if (!p) return p.error();
  audit(context, "reprocess " + std::string{what}, {{"generation", *number}});
  return json{{"id", *number}, {"generation", *number}, {"state", state_of(*p)}}.dump();
}

outcome_text reprocess_pause(command_context& context, const arguments& a) {
  return change_state(context, a, "pause",
                      [](reprocessor& r, std::uint32_t n) { return r.pause(n); });
}
outcome_text reprocess_resume(command_context& context, const arguments& a) {
  return change_state(context, a, "resume",
                      [](reprocessor& r, std::uint32_t n) { return r.resume(n); });
}
outcome_text reprocess_promote(command_context& context, const arguments& a) {
  return change_state(context, a, "promote",
                      [](reprocessor& r, std::uint32_t n) { return r.promote(n); });
}
outcome_text reprocess_rollback(command_context& context, const arguments& a) {
  return change_state(context, a, "rollback",
                      [](reprocessor& r, std::uint32_t n) { return r.rollback(n); });
}
outcome_text reprocess_drop(command_context& context, const arguments& a) {
  return change_state(context, a, "drop",
                      [](reprocessor& r, std::uint32_t n) { return r.drop(n); });
}

outcome_text reprocess_diff(command_context& context, const arguments& a) {
  const auto number = generation_of(a, "diff");
  if (!number) return number.error();
  const auto limit =
      std::strtoul(a.option("limit", std::to_string(changes_default)).c_str(), nullptr, 10);
  if (limit == 0 || limit > changes_max)
    return failure{errc::bad_request, "limit must be from 1 to " + std::to_string(changes_max)};
  const auto changes = run_there<std::vector<persistence::generation_change>>(
      context, [number = *number, limit](reprocessor& r) { return r.diff(number, limit); });
  if (!changes) return changes.error();
  auto list = json::array();
  for (const auto& c : *changes) {
    json one{{"merchant", c.merchant},
             {"metric", c.metric},
             {"bucket", c.bucket},
             {"old", c.old_value},
             {"new", c.new_value}};
    if (!c.currency.empty()) one["currency"] = c.currency;
    list.push_back(std::move(one));
  }
  return json{{"generation", *number}, {"changes", list}}.dump();
}

/// Waits until a generation that is to be promoted once it is built has been.
status until_promoted(command_context& context, std::uint32_t number) {
  const auto until = std::chrono::steady_clock::now() + long_timeout;
  while (std::chrono::steady_clock::now() < until) {
    if (context.env->draining || context.env->is_broken) break;
    const auto p = run_there<generation_progress>(
        context, [number](reprocessor& r) { return r.look(number); });
    if (!p) return p.error();
    if (p->record.state == generation_state::promoted) return done{};
    if (p->record.state == generation_state::failed)
      return failure{errc::io_error, p->record.problem};
    ::poll(nullptr, 0, look_again_ms);
  }
  return failure{errc::unavailable,
                 "generation " + std::to_string(number) + " is not promoted yet"};
}

}  // namespace

result<std::uint32_t> change_reporting(command_context& context, const std::string& merchant,
                                       const std::string& zone, const std::string& currency) {
  const auto serving = serving_of(*context.env, merchant);
  if (!serving) return serving.error();
  const auto rules = context.env->generations.find(serving->generation);
  if (!rules) return failure{errc::not_found, "the merchant's generation"};
  const generation_wish wish{rules->rules.version, zone, currency, {merchant}, true};
  const auto started =
      run_there<generation_record>(context, [wish](reprocessor& r) { return r.start(wish); });
  if (!started) return started.error();
  if (auto promoted = until_promoted(context, started->number); !promoted) return promoted.error();
  return started->number;
}

const std::vector<command>& reprocess_commands() {
  static const std::vector<command> all{
      {"reprocess start", "--ruleset VERSION|TEXT [--merchant ID]...: builds a generation",
       reprocess_start},
      {"reprocess list", "all generations", reprocess_list},
      {"reprocess status", "ID: how far a generation is", reprocess_status},
      {"reprocess pause", "ID: stops building for now", reprocess_pause},
      {"reprocess resume", "ID: goes on building", reprocess_resume},
      {"reprocess diff", "ID [--limit N]: what it changes, largest first", reprocess_diff},
      {"reprocess promote", "ID: serves its merchants from it", reprocess_promote},
      {"reprocess rollback", "ID: serves them from the one before", reprocess_rollback},
      {"reprocess drop", "ID: deletes what serves nobody", reprocess_drop},
  };
  return all;
}

}  // namespace tally::actors::command_parts

#include <spdlog/spdlog.h>

#include <algorithm>

#include "actors/command_parts.hpp"
#include "domain/client_time.hpp"
#include "domain/shard.hpp"
#include "domain/user_agent.hpp"
#include "persistence/backup.hpp"
#include "persistence/event_codec.hpp"
#include "persistence/registry.hpp"

namespace tally::actors::command_parts {
namespace {

outcome_text node_status(command_context& context, const arguments&) {
  auto& env = *context.env;
  const auto up = std::chrono::duration_cast<std::chrono::seconds>(
      std::chrono::steady_clock::now() - context.started);
  return json{{"version", context.version},
              {"node", env.journal->identity()},
              {"uptime_s", up.count()},
              {"state", env.is_broken                 ? "broken"
                        : env.leaving || env.draining ? "draining"
                        : env.disk_full               ? "disk_full"
                                                      : "ready"},
              {"rounds", env.last_round.load()},
              {"log_bytes", env.log_bytes_now.load()},
              {"saved_before_round", env.saved_before.load()},
              {"sealed_before_round", env.sealed_before.load()},
              {"history_bytes", env.history->bytes()},
              {"live_merchants", env.metrics.live_merchants.load()},
              {"live_bytes", env.metrics.live_bytes.load()},
              {"id_bytes", env.metrics.id_bytes.load()},
              {"queue_bytes", env.metrics.queue_bytes.load()},
              {"user_agents", "uap-core " + std::string{agent_data_version()}},
              {"events",
               {{"accepted", env.metrics.events_accepted.load()},
                {"duplicate", env.metrics.events_duplicate.load()},
                {"over_quota", env.metrics.events_over_quota.load()},
                {"unavailable", env.metrics.events_unavailable.load()}}}}
      .dump();
}

outcome_text shards(command_context& context, const arguments&) {
  auto list = json::array();
  for (std::size_t i = 0; i < context.lanes.size(); ++i) {
    caf::scoped_actor self{context.worker->home_system(), true};
    self->request(context.lanes[i], answer_timeout, status_atom::value)
        .receive(
            [&](std::uint64_t merchants, std::uint64_t bytes) {
              list.push_back({{"lane", i},
                              {"shards", shard_count / lane_count},
                              {"live_merchants", merchants},
                              {"bytes", bytes}});
            },
            [](caf::error&) {});
  }
  return json{{"shards", shard_count}, {"lanes", list}}.dump();
}

outcome_text actors_list(command_context& context, const arguments&) {
  const auto& env = *context.env;
  return json{{"actors", context.worker->home_system().registry().running()},
              {"lanes", context.lanes.size()},
              {"aggregators", env.metrics.live_merchants.load()},
              {"io_workers", env.io.size()},
              {"query_workers", env.queries.size()},
              {"wake_ups", env.metrics.wake_ups.load()},
              {"passivations", env.metrics.passivations.load()}}
      .dump();
}

outcome_text snapshot(command_context& context, const arguments& a) {
  if (a.words.size() > 1) return usage("snapshot [ID]");
  if (a.words.empty()) {
    for (const auto& lane : context.lanes)
      caf::anon_send(lane, save_atom::value, std::uint64_t{context.env->last_round + 1});
    const auto flushed = request<bool>(context, context.keeper, flush_atom::value);
    return json{{"flushed", flushed.value_or(false)}}.dump();
  }
  return look_into<std::string>(
      context, a.words[0], true, [&](const merchant_state& s) -> result<std::string> {
        return json{{"merchant", a.words[0]}, {"offset", s.applied}}.dump();
      });
}

outcome_text seal(command_context& context, const arguments& a) {
  if (!a.words.empty()) return usage("seal");
  const auto sealed = request<std::uint64_t>(context, context.seals, flush_atom::value);
  if (!sealed) return failure{errc::unavailable, "the log is still being sealed"};
  return json{{"sealed_before_round", *sealed},
              {"history_bytes", context.env->history->bytes()},
              {"log_from_round", context.env->journal->first_round()}}
      .dump();
}

outcome_text history_of(command_context& context, const arguments& a) {
  if (a.words.size() != 1) return usage("history ID");
  const auto& history = *context.env->history;
  const auto view = history.look();
  const auto blocks = history.list_blocks(shard_of(merchant_hash(a.words[0])), a.words[0], view);
  if (!blocks) return blocks.error();
  auto list = json::array();
  for (const auto& b : *blocks) {
    json one{{"first_offset", b.first_offset},
             {"last_offset", b.last_offset},
             {"events", b.rows},
             {"bytes", b.bytes},
             {"event_bytes", b.event_bytes}};
    if (b.oldest_ms <= b.newest_ms) {
      one["oldest"] = format_rfc3339(time_from_ms(b.oldest_ms));
      one["newest"] = format_rfc3339(time_from_ms(b.newest_ms));
    }
    list.push_back(std::move(one));
  }
  return json{{"merchant", a.words[0]}, {"blocks", list}}.dump();
}

outcome_text passivate(command_context& context, const arguments& a) {
  if (a.words.size() != 1) return usage("passivate ID");
  const auto known = look_into<bool>(context, a.words[0], false,
                                     [](const merchant_state&) -> result<bool> { return true; });
  if (!known) return known.error();
  caf::anon_send(context.lanes[lane_of(a.words[0])], sleep_atom::value, a.words[0]);
  return json{{"merchant", a.words[0]}, {"passivating", true}}.dump();
}

outcome_text rebuild(command_context& context, const arguments& a) {
  if (a.words.size() != 1) return usage("rebuild ID");
  auto promise = std::make_shared<std::promise<result<bool>>>();
  auto future = promise->get_future();
  auto what = std::make_shared<inspection>();
  what->merchant = a.words[0];
  what->rebuild = true;
  what->rebuilt = [promise](result<bool> equal) { promise->set_value(std::move(equal)); };
  inspect(context.lanes, what);
  const auto equal = wait_for(future, long_timeout);
  if (!equal) return equal.error();
  audit(context, "rebuild", {{"merchant", a.words[0]}, {"equal", *equal}});
  return json{{"merchant", a.words[0]}, {"equal", *equal}}.dump();
}

json round_json(persistence::round_number number,
                const std::vector<persistence::round_entry>& entries, bool with_events) {
  auto chunks = json::array();
  for (const auto& c : entries) {
    json chunk{{"shard", c.header.shard},
               {"epoch", c.header.epoch},
               {"base", c.header.base},
               {"count", c.header.count},
               {"stamped_at", format_rfc3339(c.header.stamped_at)},
               {"bytes", c.header.size}};
    if (with_events)
      persistence::for_each_event(c.payload, c.header.count,
                                  [&](std::uint32_t i, std::string_view bytes) {
                                    event e;
                                    if (!persistence::decode_event(bytes, e)) return;
                                    chunk["events"].push_back({{"offset", c.header.base + i},
                                                               {"merchant", e.merchant},
                                                               {"kind", static_cast<int>(e.kind)},
                                                               {"id", e.id},
                                                               {"name", e.name},
                                                               {"visitor", e.visitor},
                                                               {"network", e.network},
                                                               {"country", e.country},
                                                               {"device", e.device},
                                                               {"browser", e.browser},
                                                               {"os", e.os},
                                                               {"at", format_rfc3339(e.at)}});
                                  });
    chunks.push_back(std::move(chunk));
  }
  return {{"round", number}, {"chunks", chunks}};
}

outcome_text log_show(command_context& context, const arguments& a) {
  const bool dump = !a.words.empty() && a.words[0] == "dump";
  if (!dump && (a.words.empty() || a.words[0] != "tail"))
    return usage("log tail [ROUNDS] | log dump ROUND");
  const auto& log = *context.env->journal;
  const auto number =
      a.words.size() > 1 ? std::strtoull(a.words[1].c_str(), nullptr, 10) : (dump ? 0u : 10u);
  const auto last = context.env->last_round.load();
  persistence::round_number from =
      dump ? number : last - std::min<std::uint64_t>(last, std::min(number, 1000ull)) + 1;
  const auto to = dump ? number : last;
  if (dump && (number < log.first_round() || number > last))
    return failure{errc::not_found, "round " + std::to_string(number)};
  auto rounds = json::array();
  from = std::max(from, log.first_round());
  const auto scanned = log.scan(from, to, [&](auto round, const auto& entries) {
    rounds.push_back(round_json(round, entries, dump));
    return true;
  });
  if (!scanned) return scanned.error();
  return json{{"rounds", rounds}}.dump();
}

outcome_text log_level(command_context& context, const arguments& a) {
  if (a.words.size() != 1) return usage("loglevel error|warn|info|debug");
  const auto level = spdlog::level::from_str(a.words[0]);
  if (level == spdlog::level::off) return usage("loglevel error|warn|info|debug");
  spdlog::set_level(level);
  audit(context, "loglevel", {{"level", a.words[0]}});
  return json{{"level", a.words[0]}}.dump();
}

outcome_text audit_list(command_context& context, const arguments&) {
  const auto records = context.env->journal->list_meta("audit/");
  if (!records) return records.error();
  auto list = json::array();
  for (const auto& r : *records) list.push_back(json::parse(r.value, nullptr, false));
  return json{{"actions", list}}.dump();
}

outcome_text rejects(command_context& context, const arguments& a) {
  if (a.words.size() < 2 || a.words[0] != "list") return usage("rejects list MERCHANT");
  const auto saved = look_into<bool>(context, a.words[1], true,
                                     [](const merchant_state&) -> result<bool> { return true; });
  if (!saved) return saved.error();
  const auto serving = serving_of(*context.env, a.words[1]);
  if (!serving) return serving.error();
  const auto owner = owner_of(merchant_hash(a.words[1]), a.words[1], serving->generation);
  auto list = json::array();
  const auto scanned =
      context.env->state->scan_rejects(owner, 0, [&](std::uint64_t offset, std::string_view bytes) {
        event e;
        if (persistence::decode_event(bytes, e))
          list.push_back({{"offset", offset},
                          {"code", e.name},
                          {"detail", e.title},
                          {"received_at", format_rfc3339(e.received_at)},
                          {"raw", e.raw}});
        return list.size() < list_limit;
      });
  if (!scanned) return scanned.error();
  return json{{"merchant", a.words[1]}, {"rejects", list}}.dump(-1, ' ', false,
                                                                json::error_handler_t::replace);
}

outcome_text backup(command_context& context, const arguments& a) {
  if (a.words.size() != 1) return usage("backup DIRECTORY");
  // The log is copied last: it must not begin behind the copied history, nor say that more is saved
  // than the copied state has.
  const auto kept = context.env->backups.hold(context.env->sealed_before);
  static_cast<void>(request<bool>(context, context.keeper, flush_atom::value));
  const auto made = persistence::backup(*context.env->journal, *context.env->state, a.words[0],
                                        context.env->history.get());
  if (!made) return made.error();
  audit(context, "backup", {{"directory", a.words[0]}});
  return json{{"directory", a.words[0]}}.dump();
}

/// Ends the node as SIGTERM does. A repeat changes nothing: a second signal would end it at once.
outcome_text drain_node(command_context& context, const arguments& a) {
  if (!a.words.empty()) return usage("drain");
  auto& env = *context.env;
  if (!env.options.on_drain) return failure{errc::unavailable, "this node cannot end itself"};
  if (!env.leaving.exchange(true)) {
    audit(context, "drain", json::object());
    env.options.on_drain();
  }
  return json{{"state", "draining"}}.dump();
}

}  // namespace

const std::vector<command>& node_commands() {
  static const std::vector<command> all{
      {"status", "what this node is and does", node_status},
      {"shards", "live merchants by lane", shards},
      {"actors", "how many actors run", actors_list},
      {"snapshot", "[ID]: save a merchant's state now, or everyone's", snapshot},
      {"seal", "move everything committed from the log into the history now", seal},
      {"history", "ID: a merchant's blocks of history", history_of, 1},
      {"passivate", "ID: end its aggregator after a snapshot", passivate, 1},
      {"rebuild", "ID: replay its journal and compare", rebuild, 1},
      {"rejects", "list MERCHANT: refused events that were kept", rejects, 2},
      {"log", "tail [ROUNDS] | dump ROUND", log_show},
      {"loglevel", "error|warn|info|debug", log_level},
      {"drain", "finish what was accepted, save everything and end the node", drain_node},
      {"audit", "admin actions, oldest first", audit_list},
      {"backup", "DIRECTORY: a checkpoint of this node's data", backup},
  };
  return all;
}

}  // namespace tally::actors::command_parts

#include "actors/engine.hpp"

#include <spdlog/spdlog.h>

#include <caf/io/all.hpp>
#include <nlohmann/json.hpp>
#include <thread>

#include "actors/commands.hpp"
#include "actors/console.hpp"
#include "actors/event_scan.hpp"
#include "actors/gateway.hpp"
#include "actors/io_worker.hpp"
#include "actors/journal_writer.hpp"
#include "actors/keeper.hpp"
#include "actors/lane.hpp"
#include "actors/query_worker.hpp"
#include "actors/questions.hpp"
#include "actors/recovery.hpp"
#include "actors/replication.hpp"
#include "actors/reprocessor.hpp"
#include "actors/scan_desk.hpp"
#include "actors/sealing.hpp"
#include "persistence/registry.hpp"

namespace tally::actors {
namespace {

constexpr std::uint32_t gateways = 2;
constexpr std::chrono::seconds flush_timeout{120};

struct engine_config : caf::actor_system_config {
  explicit engine_config(const engine_options& options) {
    load<caf::io::middleman>();
    // The stealing policy spins for ever on two cores.
    set("scheduler.policy", caf::atom("sharing"));
    const auto cores = std::max(2u, std::thread::hardware_concurrency());
    set("scheduler.max-threads",
        std::size_t{options.scheduler_threads == 0 ? cores : options.scheduler_threads});
    set("logger.console", caf::atom("none"));
  }
};

status validate(const engine_options& o) {
  if (o.data_dir.empty()) return failure{errc::bad_option, "data_dir must be set"};
  if (zone::find(o.default_zone) == nullptr)
    return failure{errc::bad_option, "default_zone: unknown zone '" + o.default_zone + "'"};
  if (!is_currency(o.default_currency))
    return failure{errc::bad_option, "default_currency: '" + o.default_currency + "'"};
  if (o.chunks_in_flight_max == 0 || o.query_workers == 0 || o.io_workers == 0 ||
      o.scan_workers == 0)
    return failure{errc::bad_option, "workers and chunks in flight must be positive"};
  if (o.queue_bytes_max < (1u << 20) || o.state_memory_max < (1u << 20))
    return failure{errc::bad_option, "queue and memory limits must be at least 1 MiB"};
  if (o.live_events_max == 0 || o.live_bytes_max < (64u << 10))
    return failure{errc::bad_option, "live numbers need room for one event and 64 KiB"};
  return done{};
}

/// Merchants on their way into the journal for one caller.
struct registration {
  engine::found_merchants found;
  callback<engine::found_merchants> then;
  std::atomic<std::size_t> open{0};
  std::atomic<errc> failed{errc{0}};

  void one_done(const status& outcome) {
    if (!outcome) failed = outcome.error().code;
    if (open.fetch_sub(1) != 1) return;
    if (failed.load() == errc{0}) return then(std::move(found));
    then(failure{failed.load(), "the merchant could not be registered"});
  }
};

void send_registration(const node_env& env, const std::vector<lane_actor>& lanes,
                       std::string merchant, std::shared_ptr<registration> work) {
  const auto& to = lanes[lane_of(merchant)];
  auto what = std::make_shared<registry_change>();
  what->records.push_back(persistence::to_record(persistence::merchant_record{
      merchant, env.options.default_zone, env.options.default_currency, to_ms(env.now())}));
  what->merchant = std::move(merchant);
  what->then = [work = std::move(work)](const status& s) { work->one_done(s); };
  caf::anon_send(to, run_atom::value, registry_change_ptr{what});
}

}  // namespace

struct engine::impl {
  impl(const engine_options& options, node_env_ptr shared)
      : config{options}, system{config}, env{std::move(shared)} {}

  void spawn(std::vector<tail_index> tails, persistence::round_number tail_first);
  void run_command_later(std::vector<std::string> words, callback<std::string> then);
  result<std::string> import_session();

  engine_config config;
  caf::actor_system system;
  node_env_ptr env;
  journal_actor journal;
  std::vector<lane_actor> lanes;
  std::vector<gateway_actor> fronts;
  keeper_actor keeper;
  sealing_actor seals;
  io_actor worker;
  reprocess_actor reprocess;
  console_actor console_handle;
  command_context commands;
  std::map<std::string, command_runner, std::less<>> more_commands;
  std::atomic<std::uint32_t> next_front{0};
  std::string token = persistence::random_secret();
  std::string token_secret;
  std::string http_address;
  std::uint16_t console_port = 0;
  bool drained = false;
};

void engine::impl::spawn(std::vector<tail_index> tails, persistence::round_number tail_first) {
  const auto& options = env->options;
  for (std::uint32_t i = 0; i < options.io_workers; ++i)
    env->io.push_back(system.spawn<caf::detached>(io_worker, i));
  env->writer = system.spawn<caf::detached>(io_worker, options.io_workers + 2);
  env->background = system.spawn<caf::detached>(io_worker, options.io_workers);
  for (std::uint32_t i = 0; i < options.query_workers; ++i)
    env->queries.push_back(system.spawn<caf::detached>(query_worker, env));
  env->scans = system.spawn(scan_desk, env);
  journal = env->copies != nullptr ? env->copies->spawn(system, env)
                                   : system.spawn<caf::detached>(journal_writer, env);
  for (std::uint32_t i = 0; i < lane_count; ++i)
    lanes.push_back(
        system.spawn(lane, lane_init{env, i, journal, std::move(tails[i]), tail_first,
                                     env->last_round.load(), env->saved_before.load()}));
  for (std::uint32_t i = 0; i < gateways; ++i) fronts.push_back(system.spawn(gateway, env, lanes));
  keeper = system.spawn<caf::detached>(actors::keeper, env, lanes, journal);
  seals = system.spawn<caf::detached>(sealing, env, lanes, keeper, journal);
  env->run_sealing = [seals = seals](task_ptr task) {
    caf::anon_send(seals, run_atom::value, std::move(task));
  };
  if (env->copies != nullptr) env->copies->begin(lanes);
  worker = system.spawn<caf::detached>(io_worker, options.io_workers + 1);
  commands.env = env;
  commands.lanes = lanes;
  commands.journal = journal;
  commands.keeper = keeper;
  commands.worker = worker;
  commands.version = TALLY_VERSION;
  reprocess = system.spawn<caf::detached>(actors::reprocess, commands);
  commands.reprocess = reprocess;
  commands.seals = seals;
}

/// An import writes with a platform key of its own, which anyone who may use the console could
/// make anyway.
result<std::string> engine::impl::import_session() {
  const auto key = create_key(commands, {"platform", "", "import"});
  if (!key) return key.error();
  return nlohmann::json{{"http", http_address}, {"key", *key}}.dump();
}

void engine::impl::run_command_later(std::vector<std::string> words, callback<std::string> then) {
  auto found = words.empty() ? more_commands.end() : more_commands.find(words[0]);
  if (found == more_commands.end() && words.size() > 1)
    found = more_commands.find(words[0] + ' ' + words[1]);
  if (found != more_commands.end()) {
    found->second(std::move(words), std::move(then));
    return;
  }
  auto task = std::make_shared<std::function<void()>>(
      [this, words = std::move(words), then = std::move(then)] {
        const bool session = words.size() == 2 && words[0] == "import" && words[1] == "session";
        then(session ? import_session() : run_command(commands, words));
      });
  caf::anon_send(worker, run_atom::value, task_ptr{task});
}

engine::engine(std::unique_ptr<impl> i) : impl_{std::move(i)} {}

result<std::unique_ptr<engine>> engine::start(const engine_options& options) {
  if (auto good = validate(options); !good) return good.error();
  auto env = std::make_shared<node_env>();
  env->options = options;
  env->copies = options.copies;
  env->limits.take(options);
  env->on_broken = options.on_broken;
  if (!env->on_broken) env->on_broken = [](const std::string&) {};
  env->now = [] {
    return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  };
  if (auto armed = env->crash.arm(options.crash_at); !armed) return armed.error();
  auto opened = open_node(*env);
  if (!opened) return opened.error();
  auto made = std::make_unique<impl>(options, env);
  made->token_secret = opened->token_secret;
  made->spawn(std::move(opened->tails), opened->tail_first);
  auto& self = *made;
  self.console_handle = self.system.spawn(
      console, self.token, [&self](std::vector<std::string> words, callback<std::string> then) {
        self.run_command_later(std::move(words), std::move(then));
      });
  const auto port = self.system.middleman().publish(self.console_handle, options.console_port,
                                                    options.console_host.c_str(), true);
  if (!port)
    return failure{errc::bad_option, "console: cannot listen on " + options.console_host + ":" +
                                         std::to_string(options.console_port)};
  self.console_port = *port;
  return std::unique_ptr<engine>{new engine{std::move(made)}};
}

engine::~engine() {
  auto& self = *impl_;
  if (!self.drained) self.env->draining = true;
  if (self.env->copies != nullptr) self.env->copies->end();
  self.system.middleman().unpublish(self.console_handle, self.console_port);
  const auto end = [](auto& actor) {
    caf::anon_send_exit(actor, caf::exit_reason::kill);
    actor = nullptr;
  };
  end(self.console_handle);
  end(self.reprocess);
  for (auto& f : self.fronts) end(f);
  for (auto& l : self.lanes) end(l);
  self.commands = {};
  self.env->run_sealing = nullptr;
  end(self.seals);
  end(self.keeper);
  end(self.worker);
  end(self.journal);
  end(self.env->writer);
  end(self.env->background);
  end(self.env->scans);
  for (auto& a : self.env->io) end(a);
  for (auto& a : self.env->queries) end(a);
  // A merchant's aggregator may still ask for one of them.
  self.system.await_all_actors_done();
  self.env->io.clear();
  self.env->queries.clear();
}

void engine::submit(submission_ptr events) {
  auto& env = *impl_->env;
  if (events->events.empty()) {
    events->on_done();
    return;
  }
  events->seal();
  if (env.copies != nullptr) return env.copies->submit(std::move(events));
  if (!takes(env, *events)) return;
  const auto& front = impl_->fronts[impl_->next_front.fetch_add(1) % gateways];
  caf::anon_send(front, submit_atom::value, std::move(events));
}

void engine::find_key(std::string key, callback<key_facts> then) {
  impl_->env->run_io([env = impl_->env, key = std::move(key), then = std::move(then)] {
    const auto found = persistence::find_key(*env->journal, key);
    if (!found) {
      then(found.error());
      return;
    }
    key_facts facts;
    facts.scope = found->scope == "write"      ? key_scope::write
                  : found->scope == "read"     ? key_scope::read
                  : found->scope == "platform" ? key_scope::platform
                                               : key_scope::admin;
    facts.merchant = found->merchant;
    facts.may_create = found->may_create;
    facts.events_per_s = found->events_per_s;
    facts.queries_per_s = found->queries_per_s;
    if (facts.scope == key_scope::write) {
      const auto merchant = persistence::find_merchant(*env->journal, found->merchant);
      facts.honours_gpc = merchant && merchant->honours_gpc;
    }
    then(facts);
  });
}

void engine::find_alias(std::string alias, callback<alias_facts> then) {
  impl_->env->run_io([env = impl_->env, alias = std::move(alias), then = std::move(then)] {
    const auto found = persistence::find_alias(*env->journal, alias);
    if (!found) return then(found.error());
    const auto merchant = persistence::find_merchant(*env->journal, found->merchant);
    then(alias_facts{found->merchant, merchant && merchant->honours_gpc});
  });
}

void engine::find_filters(std::string merchant, filter_use use,
                          callback<std::vector<persistence::filter_record>> then) {
  impl_->env->run_io(
      [env = impl_->env, merchant = std::move(merchant), use, then = std::move(then)] {
        then(persistence::list_filters(*env->journal, merchant, use));
      });
}

void engine::find_positions(std::string merchant,
                            callback<std::vector<persistence::source_position>> then) {
  impl_->env->run_io([env = impl_->env, merchant = std::move(merchant), then = std::move(then)] {
    then(persistence::list_positions(*env->journal, merchant));
  });
}

void engine::keep_positions(std::string merchant,
                            std::vector<persistence::source_position> positions,
                            std::function<void(status)> then) {
  auto what = std::make_shared<registry_change>();
  for (const auto& p : positions) what->records.push_back(persistence::to_record(merchant, p));
  const auto& lane = impl_->lanes[lane_of(merchant)];
  what->merchant = std::move(merchant);
  what->then = std::move(then);
  caf::anon_send(lane, run_atom::value, registry_change_ptr{what});
}

bool engine::leads(std::string_view merchant) const {
  const auto* const copies = impl_->env->copies;
  return copies == nullptr || copies->may_read(shard_of(merchant_hash(merchant)));
}

void engine::ask(question q, std::vector<ack_position> after, std::chrono::milliseconds wait_max,
                 event_time now, callback<query_reply> then) {
  ask_question(impl_->env, impl_->lanes, std::move(q), {std::move(after), wait_max, now},
               std::move(then));
}

void engine::ask_funnel(funnel_question q, std::vector<ack_position> after,
                        std::chrono::milliseconds wait_max, event_time now,
                        callback<funnel_reply> then) {
  actors::ask_funnel(impl_->env, impl_->lanes, std::move(q), {std::move(after), wait_max, now},
                     std::move(then));
}

void engine::ask_retention(retention_question q, std::vector<ack_position> after,
                           std::chrono::milliseconds wait_max, event_time now,
                           callback<retention_reply> then) {
  actors::ask_retention(impl_->env, impl_->lanes, std::move(q), {std::move(after), wait_max, now},
                        std::move(then));
}

void engine::ask_journeys(journeys_question q, std::vector<ack_position> after,
                          std::chrono::milliseconds wait_max, event_time now,
                          callback<journeys_reply> then) {
  actors::ask_journeys(impl_->env, impl_->lanes, std::move(q), {std::move(after), wait_max, now},
                       std::move(then));
}

void engine::export_events(export_wish wish, std::chrono::milliseconds wait_max,
                           callback<export_page> then) {
  ask_export(impl_->lanes, std::move(wish), wait_max, std::move(then));
}

void engine::report(std::string merchant, callback<merchant_report> then) {
  auto what = std::make_shared<inspection>();
  what->merchant = std::move(merchant);
  what->looker = [merchant = what->merchant, then = std::move(then), env = impl_->env,
                  shown = what.get()](result<const merchant_state*> state,
                                      persistence::round_number) {
    if (!state) return then(state.error());
    const auto& s = **state;
    merchant_report r;
    r.merchant = merchant;
    r.zone = s.zone_name;
    r.currency = s.currency;
    r.generation = shown->generation;
    r.as_of = r.complete_through = env->now();
    r.ledger.accepted = s.counts.accepted;
    r.ledger.duplicate = s.counts.duplicate;
    r.ledger.late = s.counts.late;
    r.ledger.rejected = s.counts.rejected;
    r.ledger.filtered = s.counts.filtered;
    then(std::move(r));
  };
  inspect(impl_->lanes, what);
}

void engine::live(std::string merchant, bool subscribe, callback<live_feed_ptr> then) {
  const auto lane = lane_of(shard_of(merchant_hash(merchant)));
  auto who = std::make_shared<live_request>();
  who->merchant = std::move(merchant);
  who->subscribe = subscribe;
  who->then = std::move(then);
  caf::anon_send<caf::message_priority::high>(impl_->lanes[lane], live_atom::value,
                                              live_request_ptr{who});
}

void engine::count_live_message() {
  impl_->env->metrics.live_messages += 1;
}

void engine::find_merchants(std::vector<merchant_wish> wishes, callback<found_merchants> then) {
  impl_->env->run_io([lanes = impl_->lanes, env = impl_->env, wishes = std::move(wishes),
                      then = std::move(then)]() mutable {
    auto work = std::make_shared<registration>();
    work->then = std::move(then);
    work->found.deletions = env->deletions;
    std::vector<std::string> missing;
    for (auto& w : wishes) {
      const auto there = persistence::find_merchant(*env->journal, w.merchant);
      if (!there && there.error().code != errc::not_found) return work->then(there.error());
      work->found.known.push_back(there.ok() || w.create);
      if (!there && w.create) missing.push_back(std::move(w.merchant));
    }
    work->open = missing.size();
    if (missing.empty()) return work->then(std::move(work->found));
    for (auto& merchant : missing) send_registration(*env, lanes, std::move(merchant), work);
  });
}

std::uint32_t engine::deletions() const {
  return impl_->env->deletions;
}

void engine::add_command(std::string words, command_runner run) {
  impl_->more_commands[std::move(words)] = std::move(run);
}

void engine::set_http_address(std::string host_port) {
  impl_->http_address = std::move(host_port);
}

result<std::string> engine::check_token(std::string_view token) const {
  return persistence::check_read_token(impl_->token_secret, token,
                                       to_ms(impl_->env->now()) / 1'000);
}

persistence::daily_salts engine::visitor_salts() const {
  return impl_->env->salts.get();
}

const std::string& engine::console_token() const {
  return impl_->token;
}

void engine::command(std::vector<std::string> words, callback<std::string> then) {
  impl_->run_command_later(std::move(words), std::move(then));
}

std::uint16_t engine::console_port() const {
  return impl_->console_port;
}

std::string engine::not_ready() const {
  const auto& env = *impl_->env;
  if (env.is_broken) return "journal broken: " + env.broken;
  if (env.disk_full) return "disk full";
  if (env.leaving || env.draining) return "draining";
  return env.copies == nullptr ? std::string{} : env.copies->not_ready();
}

const engine_metrics& engine::metrics() const {
  return impl_->env->metrics;
}

status engine::change_limits(const engine_options& options) {
  if (auto good = validate(options); !good) return good;
  impl_->env->limits.take(options);
  return done{};
}

void engine::leave() {
  impl_->env->leaving = true;
}

status engine::drain(std::chrono::milliseconds limit) {
  auto& self = *impl_;
  self.env->draining = true;
  const auto deadline = std::chrono::steady_clock::now() + limit;
  caf::scoped_actor asker{self.system, true};
  status outcome = done{};
  const auto left = [&] {
    return std::max(std::chrono::milliseconds{1},
                    std::chrono::duration_cast<std::chrono::milliseconds>(
                        deadline - std::chrono::steady_clock::now()));
  };
  for (const auto& lane : self.lanes)
    asker->request(lane, left(), drain_atom::value)
        .receive([](bool) {},
                 [&](caf::error&) {
                   outcome = failure{errc::unavailable, "some merchants were not saved in time"};
                 });
  asker->request(self.keeper, flush_timeout, flush_atom::value)
      .receive(
          [&](bool good) {
            if (!good) outcome = failure{errc::io_error, "the state database was not flushed"};
          },
          [&](caf::error&) {
            outcome = failure{errc::unavailable, "flush timed out"};
          });
  // A last answered request means that the journal's thread is idle and may be closed.
  asker->request(self.journal, left(), meta_atom::value, std::string{"drained"}, std::string{"1"})
      .receive([](bool) {}, [](caf::error&) {});
  if (self.env->copies != nullptr) self.env->copies->end();
  if (const auto closed = self.env->journal->close(); !closed) outcome = closed.error();
  self.drained = true;
  return outcome;
}

}  // namespace tally::actors

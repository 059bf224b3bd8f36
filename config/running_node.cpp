#include "config/running_node.hpp"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <future>
#include <nlohmann/json.hpp>
#include <thread>

#include "api/export_request.hpp"
#include "api/http_server.hpp"
#include "api/kafka_source.hpp"
#include "api/relayed_request.hpp"
#include "api/report_question.hpp"
#include "api/retry_rejects.hpp"
#include "api/routes.hpp"
#include "cluster/cluster_commands.hpp"
#include "cluster/clustered_node.hpp"
#include "cluster/request_relay.hpp"
#include "config/token_file.hpp"
#include "domain/shard.hpp"

namespace tally::config {
namespace {

constexpr int broken_exit = 1;

api::http_options public_options(const http_settings& from) {
  api::http_options to;
  to.listen = from.listen;
  if (from.threads != 0) to.loops = from.threads;
  to.connections_max = from.connections_max;
  to.header_bytes_max = from.header_bytes_max;
  to.body_bytes_max = to.encoded_body_bytes_max = from.body_bytes_max;
  to.header_timeout = from.header_timeout;
  to.body_timeout = from.body_timeout;
  to.write_timeout = from.write_timeout;
  to.idle_timeout = from.idle_timeout;
  to.answer_timeout = from.request_timeout;
  to.trusted_proxies = from.trusted_proxies;
  to.cors.origins = from.cors_origins;
  return to;
}

/// A node works without one, and its log says so.
std::shared_ptr<api::geo_database> open_geo_database(const std::string& path) {
  if (path == "none") return nullptr;
  const auto opened = api::geo_database::open(path);
  if (!opened) {
    spdlog::warn("geo_database_missing reason=\"{}\"", opened.error().detail);
    return nullptr;
  }
  spdlog::info("geo_database_opened database=\"{}\"", (*opened)->description());
  return *opened;
}

api::routes_options route_options(const http_settings& from, std::size_t loops,
                                  std::shared_ptr<api::geo_database> geo) {
  api::routes_options to;
  to.geo = std::move(geo);
  to.limits.event_bytes_max = from.event_bytes_max;
  to.limits.events_max = from.body_events_max;
  to.limits.props_max = from.props_max;
  to.limits.depth_max = from.depth_max;
  to.limits.ahead_max = from.ahead_max;
  to.limits.at_oldest = from.at_oldest;
  to.loops = loops;
  to.read_queries_per_s = from.read_queries_per_s;
  to.query_timeout = from.request_timeout;
  to.stream.socket.message_bytes_max = from.body_bytes_max;
  to.stream.socket.idle_timeout = from.web_socket_idle_timeout;
  to.stream.socket.write_timeout = from.write_timeout;
  to.stream.messages_max = from.stream_messages_max;
  to.stream.answer_timeout = from.request_timeout;
  to.stream.key_timeout = from.header_timeout;
  to.live.socket = to.stream.socket;
  to.live.heart_beat = from.live_heart_beat;
  return to;
}

void wanted_signals(sigset_t& set) {
  sigemptyset(&set);
  for (const int s : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, s);
}

}  // namespace

namespace {

/// Questions go to the node that leads the merchant's shard.
std::shared_ptr<cluster::request_relay> relay_to_leaders(cluster::clustered_node& node,
                                                         const cluster::relay_options& options) {
  cluster::request_relay::ways ways;
  ways.leader_elsewhere = [&node](std::string_view merchant) -> std::optional<node_id> {
    const auto leader = node.copies().leader_of(shard_of(merchant_hash(merchant)));
    if (leader.value == 0 || leader == node.self()) return std::nullopt;
    return leader;
  };
  ways.ask = [&node](node_id to, const std::string& kind, const std::string& body,
                     std::chrono::milliseconds timeout,
                     std::function<void(result<std::string>)> then) {
    node.ask(to, kind, body, timeout, std::move(then));
  };
  return std::make_shared<cluster::request_relay>(std::move(ways), options);
}

}  // namespace

using command_runner = std::function<void(std::vector<std::string>, actors::callback<std::string>)>;

struct running_node::impl {
  node_options options;
  std::unique_ptr<cluster::clustered_node> cluster;  // ends after the engine
  std::unique_ptr<actors::engine> engine;
  std::unique_ptr<api::public_api> routes;
  std::unique_ptr<api::http_server> open;  // the public listeners
  std::unique_ptr<api::http_server> admin;
  api::kafka_metrics kafka_metrics;
  std::unique_ptr<api::kafka_source> kafka;  // ends before the engine
  std::string token;

  status join();
  status take_part();
  void add_questions();
  void add_question(const std::string& name, const std::string& merchant_member,
                    const command_runner& run);
  status listen();
  status read_topics();
  status reload(const result<node_options>& fresh);
  [[nodiscard]] int drain();
};

namespace {

/// A command of another node, about a merchant whose shard this one leads.
void run_asked(actors::engine& engine, const std::string& body,
               const actors::callback<std::string>& reply) {
  const auto words = nlohmann::json::parse(body, nullptr, false);
  const bool is_good =
      words.is_array() && !words.empty() &&
      std::ranges::all_of(words, [](const auto& word) { return word.is_string(); });
  if (!is_good) return reply(failure{errc::corrupt_record, "command: torn request"});
  std::vector<std::string> all{"here"};
  for (const auto& word : words) all.push_back(word);
  engine.command(std::move(all), reply);
}

}  // namespace

/// A command that asks about one merchant, with a JSON object in its second word.
void running_node::impl::add_question(const std::string& name, const std::string& merchant_member,
                                      const command_runner& run) {
  engine->add_command("here " + name,
                      [run](std::vector<std::string> words, actors::callback<std::string> then) {
                        words.erase(words.begin());
                        run(std::move(words), std::move(then));
                      });
  engine->add_command(name, [this, run, merchant_member](std::vector<std::string> words,
                                                         actors::callback<std::string> then) {
    const auto asked = nlohmann::json::parse(words.size() > 1 ? words[1] : "", nullptr, false);
    const auto found = asked.is_object() ? asked.find(merchant_member) : asked.end();
    if (!cluster || found == asked.end() || !found->is_string())
      return run(std::move(words), std::move(then));
    const auto leader = cluster->copies().leader_of(shard_of(merchant_hash(std::string{*found})));
    if (leader.value == 0 || leader == cluster->self())
      return run(std::move(words), std::move(then));
    cluster->ask(leader, cluster::command_request, nlohmann::json(words).dump(),
                 options.http.request_timeout, std::move(then));
  });
}

void running_node::impl::add_questions() {
  auto& asked = *engine;
  add_question("query", "site_id",
               [&asked](std::vector<std::string> words, actors::callback<std::string> then) {
                 if (words.size() < 2)
                   return then(failure{errc::bad_request, "usage: query JSON [FORMAT]"});
                 api::run_query(asked, words[1], words.size() > 2 ? words[2] : "", std::move(then));
               });
  for (const auto* const report : {"funnel", "retention", "journeys"})
    add_question(report, "site_id",
                 [&asked, path = "/api/v2/" + std::string{report}](
                     std::vector<std::string> words, actors::callback<std::string> then) {
                   api::run_report(asked, path, words.size() == 2 ? words[1] : "", std::move(then));
                 });
  add_question("export", "merchant",
               [&asked](std::vector<std::string> words, actors::callback<std::string> then) {
                 api::run_export_command(asked, words.size() == 2 ? words[1] : "", std::move(then));
               });
}

/// Where the node is one of several.
status running_node::impl::join() {
  const auto& from = options.cluster;
  if (!from.is_used()) return done{};
  cluster::clustered_node_options to;
  to.cluster = from.name;
  to.data_dir = options.engine.data_dir;
  to.name = from.node_name;
  to.zone = from.zone;
  to.version = TALLY_VERSION;
  to.advertise = from.advertise;
  to.etcd = from.etcd;
  to.peer = from.peers;
  to.placement = from.placement;
  to.replication = from.replication;
  to.join_timeout = from.join_timeout;
  auto joined = cluster::clustered_node::join(std::move(to));
  if (!joined) return joined.error();
  cluster = std::move(*joined);
  options.engine.copies = &cluster->copies();
  return done{};
}

/// Tells the others where this node listens, and takes commands about the cluster.
status running_node::impl::take_part() {
  if (!cluster) return done{};
  cluster::node_addresses at;
  for (const auto& place : open->endpoints())
    if (at.http.empty() && !place.starts_with("unix:")) at.http = place;
  at.admin = admin->endpoints().front();
  at.console = options.engine.console_host + ':' + std::to_string(engine->console_port());
  cluster->set_request_handler([this, next = std::make_shared<std::atomic<std::size_t>>(0)](
                                   node_id, const std::string& kind, const std::string& body,
                                   const std::function<void(result<std::string>)>& reply) {
    if (kind == cluster::command_request) return run_asked(*engine, body, reply);
    if (kind != cluster::relay_kind)
      return reply(failure{errc::unsupported, "request '" + kind + "' is unknown here"});
    api::serve_relayed(*open, (*next)++ % open->loops(), routes->handle(), body, reply);
  });
  for (auto& [words, run] : cluster::commands_of(*cluster))
    engine->add_command(
        words, [run = run](const std::vector<std::string>& asked,
                           const actors::callback<std::string>& then) { then(run(asked)); });
  return cluster->begin(std::move(at));
}

/// Where the settings name brokers.
status running_node::impl::read_topics() {
  if (options.kafka.brokers.empty()) return done{};
  auto wanted = options.kafka;
  wanted.limits = route_options(options.http, 1, nullptr).limits;
  auto begun = api::kafka_source::start(*engine, wanted, kafka_metrics);
  if (!begun) return begun.error();
  kafka = std::move(*begun);
  return done{};
}

status running_node::impl::listen() {
  const auto http = public_options(options.http);
  auto served = route_options(options.http, http.loops, open_geo_database(options.geo_database));
  if (cluster) served.relay = relay_to_leaders(*cluster, options.cluster.relay);
  routes = std::make_unique<api::public_api>(*engine, served);
  auto server = api::http_server::start(http, routes->handle());
  if (!server) return server.error();
  open = std::move(*server);
  api::http_options local;
  local.listen = {options.http.admin};
  const auto* const topics = options.kafka.brokers.empty() ? nullptr : &kafka_metrics;
  auto second = api::http_server::start(local, api::admin_routes(*engine, open->stats(), topics));
  if (!second) return second.error();
  admin = std::move(*second);
  return done{};
}

/// Checks everything before it changes anything.
status running_node::impl::reload(const result<node_options>& fresh) {
  if (!fresh) return fresh.error();
  auto& running = options.read_from;
  std::string taken, fixed;
  for (const auto& name : running.differences(fresh->read_from)) {
    auto& names = is_live(name) ? taken : fixed;
    names += (names.empty() ? "" : ",") + name;
  }
  if (auto changed = open->change(public_options(fresh->http)); !changed) return changed;
  if (auto changed = engine->change_limits(fresh->engine); !changed) return changed;
  // Opened anew even where the path is the same: the file may be a newer one.
  auto geo = open_geo_database(fresh->geo_database);
  routes->change(route_options(fresh->http, open->loops(), std::move(geo)));
  options.shutdown_timeout = fresh->shutdown_timeout;
  options.drain_delay = fresh->drain_delay;
  running.take_live(fresh->read_from);
  start_logging(fresh->log_level, fresh->log_format);
  if (!fixed.empty()) spdlog::warn("settings_need_restart names={}", fixed);
  spdlog::info("settings_reloaded changed={}", taken.empty() ? "none" : taken);
  return done{};
}

running_node::running_node(std::unique_ptr<impl> i) : impl_{std::move(i)} {}

result<std::unique_ptr<running_node>> running_node::start(const node_options& options) {
  auto made = std::make_unique<impl>();
  made->options = options;
  // The journal's own thread finds out that the disk is gone; the process ends by its signal.
  made->options.engine.on_broken = [](const std::string&) { kill(getpid(), SIGUSR2); };
  made->options.engine.on_drain = [] { kill(getpid(), SIGTERM); };
  if (auto joined = made->join(); !joined) return joined.error();
  auto engine = actors::engine::start(made->options.engine);
  if (!engine) return engine.error();
  made->engine = std::move(*engine);
  if (auto listening = made->listen(); !listening) return listening.error();
  auto& started = *made->engine;
  for (const auto& place : made->open->endpoints())
    if (!place.starts_with("unix:")) {
      started.set_http_address(place);
      break;
    }
  made->add_questions();
  started.add_command("rejects retry", [&started](std::vector<std::string> words,
                                                  actors::callback<std::string> then) {
    api::retry_rejects(started, words.size() > 2 ? words[2] : "", std::move(then));
  });
  if (auto part = made->take_part(); !part) return part.error();
  if (auto reading = made->read_topics(); !reading) return reading.error();
  made->token = started.console_token();
  const auto written = write_token(options.engine.data_dir, started.console_port(), made->token);
  if (!written) return written.error();
  return std::unique_ptr<running_node>{new running_node{std::move(made)}};
}

running_node::~running_node() {
  if (impl_->engine && !impl_->token.empty())
    remove_token(impl_->options.engine.data_dir, impl_->engine->console_port(), impl_->token);
  impl_->kafka.reset();
  impl_->admin.reset();
  impl_->open.reset();
}

const std::vector<std::string>& running_node::endpoints() const {
  return impl_->open->endpoints();
}
std::string running_node::admin_endpoint() const {
  return impl_->admin->endpoints().front();
}
std::uint16_t running_node::console_port() const {
  return impl_->engine->console_port();
}

int running_node::impl::drain() {
  notify_service_manager("STOPPING=1");
  spdlog::info("node_drains delay_ms={} timeout_ms={}", options.drain_delay.count(),
               options.shutdown_timeout.count());
  engine->leave();
  std::promise<void> never;  // nothing to wait for but time
  never.get_future().wait_for(options.drain_delay);
  kafka.reset();
  if (cluster) {
    const bool given = cluster->leave(options.shutdown_timeout / 2);
    spdlog::info("shards_given_away all={}", given);
  }
  open->stop_accepting();
  const bool answered = open->drain(options.shutdown_timeout);
  const auto saved = engine->drain(options.shutdown_timeout);
  if (!saved) spdlog::error("node_not_drained reason={}", saved.error().text());
  spdlog::info("node_stopped answered={} saved={}", answered, saved.ok());
  return answered && saved ? 0 : 1;
}

int running_node::run(const std::function<result<node_options>()>& reload) {
  notify_service_manager("READY=1");
  sigset_t wanted;
  wanted_signals(wanted);
  sigaddset(&wanted, SIGUSR2);
  for (;;) {
    int got = 0;
    if (sigwait(&wanted, &got) != 0) continue;
    if (got == SIGUSR2) {
      spdlog::error("node_ends reason={}", impl_->engine->not_ready());
      // What is in memory may be ahead of the disk: nothing may be written any more.
      std::_Exit(broken_exit);
    }
    if (got != SIGHUP) break;
    if (const auto taken = impl_->reload(reload()); !taken)
      spdlog::error("settings_not_reloaded reason={}", taken.error().text());
  }
  std::thread impatient{[] {
    sigset_t again;
    wanted_signals(again);
    sigdelset(&again, SIGHUP);
    int got = 0;
    if (sigwait(&again, &got) == 0) std::_Exit(128 + got);
  }};
  impatient.detach();
  return impl_->drain();
}

}  // namespace tally::config

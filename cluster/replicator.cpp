#include "cluster/replicator.hpp"

#include <algorithm>
#include <future>
#include <nlohmann/json.hpp>
#include <utility>

#include "cluster/forwarding.hpp"
#include "cluster/replicator_state.hpp"

namespace tally::cluster {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds look_every{20};
constexpr std::chrono::seconds look_limit{5};
constexpr std::chrono::seconds end_limit{30};  // a disk that takes longer for one write hangs

replicator_actor::behavior_type run(replicator_actor::stateful_pointer<replicator_state> self,
                                    const std::shared_ptr<replicator::shared>& shared,
                                    const std::shared_ptr<std::promise<void>>& is_read) {
  auto& state = self->state;
  shared->state = &state;
  state.start(shared);
  is_read->set_value();
  return {
      [&state](actors::append_atom, lane_round_ptr& round, caf::strong_actor_ptr& lane) {
        state.append(std::move(round), std::move(lane));
      },
      [&state](actors::flush_atom) { state.flush(); },
      [&state](actors::probe_atom) { state.probe(); },
      [&state](actors::meta_atom, const std::string& key, const std::string& value) {
        return state.put_meta(key, value);
      },
      [&state](actors::drop_atom, std::uint64_t round) { return state.drop_before(round); },
      [](actors::run_atom, const actors::task_ptr& task) { (*task)(); },
      [&state](actors::tick_atom) { state.tick(); },
  };
}

}  // namespace

void replicator::shared::post(std::function<void()> task) const {
  const std::scoped_lock hold{mutex};
  if (!actor || has_ended) return;
  caf::anon_send(actor, actors::run_atom::value,
                 std::make_shared<std::function<void()>>(std::move(task)));
}

void replicator::shared::when_kept(std::uint16_t shard, std::uint64_t offset,
                                   std::function<void(status)> then) {
  post([this, shard, offset, then = std::move(then)] { state->when_kept(shard, offset, then); });
}

void replicator::shared::commit_of(std::uint16_t shard, std::function<void(std::uint64_t)> then) {
  post([this, shard, then = std::move(then)] { then(state->commit_of(shard)); });
}

replicator::replicator(replicator_options options, replicator_ports ports)
    : shared_{std::make_shared<shared>()} {
  shared_->options = std::move(options);
  shared_->ports = std::move(ports);
}

replicator::~replicator() {
  end();
}

actors::journal_actor replicator::spawn(caf::actor_system& system, const node_env_ptr& env) {
  shared_->env = env;
  auto* const s = shared_.get();
  shared_->source = std::make_unique<copy_source>(
      env, s->options, [s](std::uint16_t shard, persistence::sealed_end end, auto then) {
        s->post(
            [s, shard, end, then = std::move(then)] { then(s->state->position_of(shard, end)); });
      });
  copy_fetcher::options fetching;
  fetching.folder = env->options.data_dir + "/incoming";
  fetching.free_bytes_min = 2 * env->options.reserve_bytes;
  shared_->fetcher = std::make_unique<copy_fetcher>(
      std::move(fetching), s->ports.ask, [s](std::uint16_t shard, fetched_copy copy) {
        s->post([s, shard, copy = std::move(copy)] { s->state->take_fetched(shard, copy); });
      });
  // Blocks until the copies are read back, so that everything below knows their names.
  auto is_read = std::make_shared<std::promise<void>>();
  auto ready = is_read->get_future();
  auto actor = system.spawn<caf::detached>(run, shared_, is_read);
  ready.wait();
  const std::scoped_lock hold{shared_->mutex};
  shared_->actor = actor;
  return actor;
}

void replicator::begin(std::vector<actors::lane_actor> lanes) {
  shared_->lanes = lanes;
  shared_->post([s = shared_.get(), lanes = std::move(lanes)] { s->state->begin(lanes); });
}

void replicator::end() {
  shared_->has_ended = true;
  shared_->fetcher.reset();
  if (shared_->source) shared_->source->end();
  replicator_actor actor;
  {
    const std::scoped_lock hold{shared_->mutex};
    actor = std::exchange(shared_->actor, nullptr);
  }
  if (!actor) return;
  // What it is writing just now is still written.
  auto is_idle = std::make_shared<std::promise<void>>();
  auto idle = is_idle->get_future();
  caf::anon_send(actor, actors::run_atom::value,
                 std::make_shared<std::function<void()>>([is_idle] { is_idle->set_value(); }));
  idle.wait_for(end_limit);
  caf::anon_send_exit(actor, caf::exit_reason::kill);
}

void replicator::submit(actors::submission_ptr events) {
  forward_events(shared_, std::move(events));
}

void replicator::change(actors::registry_change_ptr what) {
  forward_change(shared_, std::move(what));
}

std::optional<result<std::string>> replicator::run_at_leader(
    std::uint16_t shard, const std::vector<std::string>& words) {
  const auto leader = leader_of(shard);
  if (leader == shared_->options.node) return std::nullopt;
  if (leader.value == 0)
    return result<std::string>{failure{errc::unavailable, "nobody leads the merchant's shard now"}};
  auto promise = std::make_shared<std::promise<result<std::string>>>();
  auto answer = promise->get_future();
  shared_->ports.ask(leader, command_request, nlohmann::json(words).dump(),
                     shared_->options.command_timeout,
                     [promise](result<std::string> r) { promise->set_value(std::move(r)); });
  if (answer.wait_for(2 * shared_->options.command_timeout) == std::future_status::ready)
    return answer.get();
  return result<std::string>{failure{errc::unavailable, "no answer in time"}};
}

result<std::string> replicator::secret(const std::string& name) {
  return shared_->ports.secret(name);
}

std::string replicator::not_ready() const {
  const auto shards = shared_->shards_unready.load();
  return shards == 0 ? std::string{}
                     : std::to_string(shards) + " shards have no leader or too few copies in sync";
}

bool replicator::may_read(std::uint16_t shard) const {
  const auto now = std::chrono::duration_cast<steady_time>(steady_clock::now().time_since_epoch());
  return now.count() < shared_->seen[shard].read_until_us.load(std::memory_order_acquire);
}

const status& replicator::recovered() const {
  return shared_->recovered;
}
std::vector<shard_config> replicator::first_configs() const {
  return shared_->first;
}
std::uint64_t replicator::incarnation() const {
  return shared_->incarnation;
}

void replicator::receive(node_id, std::vector<replica_message> messages) {
  shared_->post([s = shared_.get(), messages = std::move(messages)]() mutable {
    s->state->receive(std::move(messages));
  });
}

void replicator::see(std::uint16_t shard, const shard_config& config) {
  if (config.version == 0) return;
  shared_->post([s = shared_.get(), shard, config] { s->state->see(shard, config); });
}

void replicator::peer_down(node_id node) {
  shared_->post([s = shared_.get(), node] { s->state->peer_down(node); });
}

void replicator::place(std::uint16_t shard, std::vector<node_id> nodes) {
  shared_->post(
      [s = shared_.get(), shard, nodes = std::move(nodes)] { s->state->place(shard, nodes); });
}

void replicator::set_live(std::vector<node_id> nodes) {
  shared_->post([s = shared_.get(), nodes = std::move(nodes)] { s->state->set_live(nodes); });
}

void replicator::lease_lost() {
  shared_->post([s = shared_.get()] { s->state->lease_lost(); });
}

void replicator::answer(node_id, const std::string& kind, std::string body,
                        std::function<void(result<std::string>)> reply) {
  if (kind == events_request) return answer_events(shared_, body, std::move(reply));
  if (kind == change_request) return answer_change(shared_, body, std::move(reply));
  if (kind == registry_request) return answer_registry(shared_, body, std::move(reply));
  if (kind == copy_request) return shared_->source->answer(body, std::move(reply));
  reply(failure{errc::unsupported, "request '" + kind + "' is unknown here"});
}

bool replicator::leave(std::chrono::milliseconds limit) {
  const auto until = steady_clock::now() + limit;
  shared_->post([s = shared_.get()] { s->state->leave(); });
  for (;;) {
    auto led = std::make_shared<std::promise<std::size_t>>();
    auto count = led->get_future();
    shared_->post([s = shared_.get(), led] { led->set_value(s->state->shards_led()); });
    if (count.wait_until(until) != std::future_status::ready) return false;
    if (count.get() == 0) return true;
    if (steady_clock::now() >= until) return false;
    std::promise<void> never;  // nothing to wait for but time
    never.get_future().wait_for(look_every);
  }
}

bool replicator::is_well(std::chrono::milliseconds within) const {
  const auto now = std::chrono::duration_cast<steady_time>(steady_clock::now().time_since_epoch());
  const steady_time turned{shared_->turned_at_us.load()};
  return !shared_->env || (!shared_->env->is_broken && now - turned < within);
}

void replicator::hand_over(std::uint16_t shard, node_id to) {
  shared_->post([s = shared_.get(), shard, to] { s->state->hand_over(shard, to); });
}

node_id replicator::leader_of(std::uint16_t shard) const {
  return {shared_->seen[shard].leader.load(std::memory_order_acquire)};
}

std::vector<shard_report> replicator::report() const {
  auto told = std::make_shared<std::promise<std::vector<shard_report>>>();
  auto report = told->get_future();
  shared_->post([s = shared_.get(), told] { told->set_value(s->state->report()); });
  if (report.wait_for(look_limit) != std::future_status::ready) return {};
  return report.get();
}

}  // namespace tally::cluster

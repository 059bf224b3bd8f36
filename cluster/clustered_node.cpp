#include "cluster/clustered_node.hpp"

#include <fcntl.h>
#include <sodium.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <mutex>
#include <utility>

#include "cluster/forwarding.hpp"
#include "cluster/shard_entry.hpp"
#include "cluster/shard_store.hpp"
#include "domain/shard.hpp"

namespace tally::cluster {
namespace {

using std::chrono::steady_clock;

constexpr auto identity_file = "NODE";
constexpr std::size_t identity_digits = 32;
constexpr std::chrono::milliseconds join_pause{250};
constexpr std::chrono::hours salt_lasts{48};
constexpr auto lead_request = "lead";  // "SHARD NODE": hand the shard over
constexpr std::chrono::seconds move_limit{5};
constexpr std::chrono::milliseconds move_look{20};

std::string random_hex(std::size_t digits) {
  std::string bytes(digits / 2, '\0'), text(digits + 1, '\0');
  randombytes_buf(bytes.data(), bytes.size());
  sodium_bin2hex(text.data(), text.size(), reinterpret_cast<const unsigned char*>(bytes.data()),
                 bytes.size());
  text.pop_back();
  return text;
}

status write_synced(const std::string& path, const std::string& text) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const bool good = file >= 0 &&
                    ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                    ::fsync(file) == 0;
  const std::string why = std::strerror(errno);
  if (file >= 0) ::close(file);
  return good ? status{done{}} : status{failure{errc::io_error, path + ": " + why}};
}

status sync_directory(const std::string& path) {
  const int folder = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool good = folder >= 0 && ::fsync(folder) == 0;
  const std::string why = std::strerror(errno);
  if (folder >= 0) ::close(folder);
  return good ? status{done{}} : status{failure{errc::io_error, path + ": " + why}};
}

/// The directory's name for ever; made and on disk before anybody hears of it.
result<std::string> identity_of(const std::string& data_dir) {
  namespace fs = std::filesystem;
  const auto path = data_dir + "/" + identity_file;
  std::error_code error;
  fs::create_directories(data_dir, error);
  if (std::ifstream in{path}; in) {
    std::string text;
    in >> text;
    if (text.size() == identity_digits) return text;
    return failure{errc::corrupt_record, path + ": not a node's identity"};
  }
  const auto text = random_hex(identity_digits);
  const auto draft = path + ".new";
  if (auto written = write_synced(draft, text + "\n"); !written) return written.error();
  fs::rename(draft, path, error);
  if (error) return failure{errc::io_error, path + ": " + error.message()};
  if (auto synced = sync_directory(data_dir); !synced) return synced.error();
  return text;
}

event_time now_by_wall_clock() {
  return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

/// Nothing to wait for but time.
void pause(std::chrono::milliseconds time) {
  std::promise<void> never;
  never.get_future().wait_for(time);
}

/// What etcd answers at the start, tried again while it is away.
template <class F>
auto until_answered(std::chrono::milliseconds limit, F&& ask) -> decltype(ask()) {
  const auto until = steady_clock::now() + limit;
  for (bool told = false;; told = true) {
    auto answer = ask();
    const bool is_away = !answer && answer.error().code == errc::unavailable;
    if (!is_away || steady_clock::now() >= until) return answer;
    if (!told) spdlog::warn("etcd_waits reason={}", answer.error().text());
    pause(join_pause);
  }
}

result<peer_address> parse_peer(node_id node, const std::string& text) {
  const auto colon = text.rfind(':');
  if (colon == std::string::npos || colon + 1 == text.size())
    return failure{errc::bad_option, "'" + text + "' is not HOST:PORT"};
  auto host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  const auto port = std::strtoul(text.c_str() + colon + 1, nullptr, 10);
  if (port == 0 || port > 65'535) return failure{errc::bad_option, "'" + text + "': bad port"};
  return peer_address{node, host, static_cast<std::uint16_t>(port)};
}

}  // namespace

struct clustered_node::impl {
  explicit impl(clustered_node_options o) : options{std::move(o)} {}
  ~impl();

  status join();
  status begin(node_addresses at);
  [[nodiscard]] replicator_ports ports();
  void take_nodes(const std::vector<cluster_node>& nodes);
  void answer(node_id from, const std::string& kind, std::string body,
              std::function<void(result<std::string>)> reply);
  result<std::string> secret(const std::string& name);

  clustered_node_options options;
  joined_node me;
  std::mutex times_mutex;
  leader_times times;  // since this node sees them
  // As last told: a lease may be lost by a node that is well, so nobody hangs up for that.
  std::map<node_id, peer_address> peers;
  request_handler handler;
  std::mutex client_mutex;
  std::unique_ptr<etcd_client> client;
  std::unique_ptr<replicator> copies;
  std::unique_ptr<peer_links> links;
  std::unique_ptr<shard_store> store;
  std::unique_ptr<membership> who;
  std::unique_ptr<balancer> planner;
};

clustered_node::impl::~impl() {
  planner.reset();
  who.reset();
  store.reset();
  links.reset();
  copies.reset();
}

/// `store` and `links` come after the replicator, which asks nothing of them before begin(): its
/// cores ask again.
replicator_ports clustered_node::impl::ports() {
  replicator_ports p;
  p.send = [this](node_id to, std::vector<replica_message> messages) {
    links->send(to, std::move(messages));
  };
  p.swap = [this](std::uint16_t shard, std::uint64_t expected, shard_config proposed, auto then) {
    store->compare_and_swap(shard, expected, std::move(proposed), std::move(then));
  };
  p.read = [this](std::uint16_t shard, auto then) { store->read(shard, std::move(then)); };
  p.probe = [this](node_id node, auto then) { links->probe(node, std::move(then)); };
  p.ask = [this](node_id to, std::string kind, std::string body, std::chrono::milliseconds timeout,
                 auto then) {
    links->ask(to, std::move(kind), std::move(body), timeout, std::move(then));
  };
  p.secret = [this](const std::string& name) { return secret(name); };
  return p;
}

result<std::string> clustered_node::impl::secret(const std::string& name) {
  const auto lasts =
      name.starts_with("salt-") ? std::chrono::seconds{salt_lasts} : std::chrono::seconds{0};
  const std::scoped_lock hold{client_mutex};
  return shared_secret(
      *client, options.cluster, name, [] { return random_hex(2 * identity_digits); }, lasts);
}

void clustered_node::impl::answer(node_id from, const std::string& kind, std::string body,
                                  std::function<void(result<std::string>)> reply) {
  if (kind == lead_request) {
    char* rest = nullptr;
    const auto shard = std::strtoul(body.c_str(), &rest, 10);
    const auto to = std::strtoul(rest, nullptr, 10);
    if (shard < shard_count)
      copies->hand_over(static_cast<std::uint16_t>(shard), {static_cast<std::uint32_t>(to)});
    return reply(std::string{});
  }
  const bool is_of_copies = kind == events_request || kind == change_request ||
                            kind == copy_request || kind == registry_request;
  if (is_of_copies || !handler)
    return copies->answer(from, kind, std::move(body), std::move(reply));
  handler(from, kind, std::move(body), std::move(reply));
}

status clustered_node::impl::join() {
  if (sodium_init() < 0) return failure{errc::io_error, "libsodium does not start"};
  const auto identity = identity_of(options.data_dir);
  if (!identity) return identity.error();
  client = std::make_unique<etcd_client>(options.etcd);
  const auto fresh = std::strtoull(random_hex(16).c_str(), nullptr, 16);
  auto joined = until_answered(options.join_timeout, [&] {
    return join_cluster(*client, options.cluster, fresh | 1U,
                        {*identity, options.name, options.zone});
  });
  if (!joined) return joined.error();
  me = *joined;
  shard_store_options at;
  at.etcd = options.etcd;
  at.cluster = options.cluster;
  auto r = options.replication;
  r.cluster = me.cluster;
  r.node = me.node;
  copies = std::make_unique<replicator>(r, ports());
  store = std::make_unique<shard_store>(at, [this](std::uint16_t shard, const shard_config& c) {
    {
      const std::scoped_lock hold{times_mutex};
      times.note(shard, c, now_by_wall_clock());
    }
    copies->see(shard, c);
  });
  peer_links::callbacks told;
  told.on_messages = [this](node_id from, std::vector<replica_message> messages) {
    copies->receive(from, std::move(messages));
  };
  told.on_up = [](node_id) {};
  told.on_down = [this](node_id peer) { copies->peer_down(peer); };
  told.on_request = [this](node_id from, const std::string& kind, std::string body, auto reply) {
    answer(from, kind, std::move(body), std::move(reply));
  };
  auto started = peer_links::start(options.peer, me.node, me.cluster, std::move(told));
  if (!started) return started.error();
  links = std::move(*started);
  spdlog::info("cluster_joined cluster={} node={} peer_port={}", options.cluster, me.node.value,
               links->port());
  return done{};
}

void clustered_node::impl::take_nodes(const std::vector<cluster_node>& nodes) {
  std::vector<node_id> live;
  for (const auto& n : nodes) {
    if (n.what.state == node_state::removed && !n.live) peers.erase(n.what.id);
    if (!n.live) continue;
    live.push_back(n.what.id);
    if (n.what.id == me.node) continue;
    const auto at = parse_peer(n.what.id, n.live->at.peer);
    if (at)
      peers[n.what.id] = *at;
    else
      spdlog::error("peer_unknown node={} reason={}", n.what.id.value, at.error().text());
  }
  copies->set_live(std::move(live));
  std::vector<peer_address> all;
  for (const auto& [node, at] : peers) all.push_back(at);
  links->set_peers(std::move(all));
}

status clustered_node::impl::begin(node_addresses at) {
  if (!copies->recovered()) return copies->recovered();
  const auto colon = options.advertise.rfind(':');
  const auto host = options.advertise.substr(0, colon);
  const auto port = options.advertise.substr(colon + 1);
  at.peer = host + ':' + (port == "0" ? std::to_string(links->port()) : port);
  membership_options m;
  m.etcd = options.etcd;
  m.cluster = options.cluster;
  m.self = me.node;
  m.as = {copies->incarnation(), std::move(at), options.version};
  membership_callbacks told;
  told.is_well = [this] { return copies->is_well(options.well_within); };
  told.on_nodes = [this](const std::vector<cluster_node>& nodes) { take_nodes(nodes); };
  told.on_placement = [this](std::uint16_t shard, const std::vector<node_id>& nodes) {
    copies->place(shard, nodes);
  };
  told.on_lease_lost = [this] { copies->lease_lost(); };
  who = std::make_unique<membership>(std::move(m), std::move(told));
  balancer_options b;
  b.etcd = options.etcd;
  b.cluster = options.cluster;
  b.placement = options.placement;
  b.settle = options.settle;
  planner = std::make_unique<balancer>(std::move(b), *who);
  return done{};
}

clustered_node::clustered_node(std::unique_ptr<impl> i) : impl_{std::move(i)} {}
clustered_node::~clustered_node() = default;

result<std::unique_ptr<clustered_node>> clustered_node::join(clustered_node_options options) {
  if (auto good = validate_cluster_name(options.cluster); !good) return good.error();
  if (auto good = validate(options.etcd); !good) return good.error();
  if (auto good = validate(options.peer); !good) return good.error();
  if (!is_valid(options.replication.core) || !is_valid(options.placement))
    return failure{errc::bad_option, "cluster: times or numbers of copies that do not fit"};
  auto made = std::make_unique<impl>(std::move(options));
  if (auto joined = made->join(); !joined) return joined.error();
  return std::unique_ptr<clustered_node>{new clustered_node{std::move(made)}};
}

replicator& clustered_node::copies() {
  return *impl_->copies;
}
node_id clustered_node::self() const {
  return impl_->me.node;
}
status clustered_node::begin(node_addresses at) {
  return impl_->begin(std::move(at));
}
void clustered_node::set_request_handler(request_handler handler) {
  impl_->handler = std::move(handler);
}
void clustered_node::ask(node_id to, std::string kind, std::string body,
                         std::chrono::milliseconds timeout,
                         std::function<void(result<std::string>)> then) {
  impl_->links->ask(to, std::move(kind), std::move(body), timeout, std::move(then));
}
bool clustered_node::leave(std::chrono::milliseconds limit) {
  return impl_->copies->leave(limit);
}
cluster_picture clustered_node::picture() const {
  auto& of = *impl_;
  cluster_picture p;
  p.name = of.options.cluster;
  p.cluster = of.me.cluster;
  p.self = of.me.node;
  p.nodes = nodes();
  p.shards = of.store->known();
  if (of.who) p.planned = of.who->placement();
  const std::scoped_lock hold{of.times_mutex};
  p.times = of.times;
  return p;
}
std::uint32_t clustered_node::min_in_sync() const {
  return impl_->options.replication.core.min_in_sync;
}
status clustered_node::set_state(node_id node, node_state state) {
  const std::scoped_lock hold{impl_->client_mutex};
  return set_node_state(*impl_->client, impl_->options.cluster, node, state);
}

status clustered_node::move_lead(std::uint16_t shard, node_id to) {
  const auto until = steady_clock::now() + move_limit;
  for (bool asked = false; impl_->copies->leader_of(shard) != to; asked = true) {
    if (steady_clock::now() >= until)
      return failure{errc::unavailable, "node " + std::to_string(to.value) +
                                            " did not get the shard: is its copy in sync?"};
    const auto leader = impl_->copies->leader_of(shard);
    if (!asked && leader == impl_->me.node) impl_->copies->hand_over(shard, to);
    if (!asked && leader.value != 0 && leader != impl_->me.node)
      impl_->links->ask(leader, lead_request,
                        std::to_string(shard) + ' ' + std::to_string(to.value), move_limit,
                        [](const result<std::string>&) {});
    pause(move_look);
  }
  return done{};
}

std::vector<cluster_node> clustered_node::nodes() const {
  return impl_->who ? impl_->who->nodes() : std::vector<cluster_node>{};
}

}  // namespace tally::cluster

#include "cluster/peer_links.hpp"

#include <openssl/ssl.h>
#include <sodium.h>

#include <caf/openssl/all.hpp>

#include "cluster/peer_link_actors.hpp"
#include "cluster/port_probe.hpp"

namespace tally::cluster {
namespace {

/// A system of its own: whoever connects reaches its actors and no others, and its heart-beats are
/// those between nodes.
struct link_config : caf::actor_system_config {
  explicit link_config(const peer_options& options) {
    load<caf::io::middleman>();
    if (!options.tls.ca_file.empty()) {
      load<caf::openssl::manager>();
      openssl_certificate = options.tls.certificate_file;
      openssl_key = options.tls.key_file;
      openssl_cafile = options.tls.ca_file;
    }
    set("scheduler.policy", caf::atom("sharing"));
    set("scheduler.max-threads", std::size_t{2});
    set("logger.console", caf::atom("none"));
    // CAF does not notice a frozen or cut-off peer unless it is told to.
    set("middleman.heartbeat-interval", caf::timespan{options.heartbeat_interval});
    set("middleman.connection-timeout", caf::timespan{options.silence_max});
  }
};

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

/// CAF ends the process where a file cannot be used, so they are tried first.
status check_files(const tls_files& files) {
  const std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context{SSL_CTX_new(TLS_method()),
                                                             SSL_CTX_free};
  const auto refused = [](const std::string& field, const std::string& file) {
    return failure{errc::bad_option, "tls." + field + ": '" + file + "' cannot be used"};
  };
  if (!context) return failure{errc::bad_option, "tls: OpenSSL has no context"};
  if (SSL_CTX_load_verify_locations(context.get(), files.ca_file.c_str(), nullptr) != 1)
    return refused("ca_file", files.ca_file);
  if (SSL_CTX_use_certificate_chain_file(context.get(), files.certificate_file.c_str()) != 1)
    return refused("certificate_file", files.certificate_file);
  if (SSL_CTX_use_PrivateKey_file(context.get(), files.key_file.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context.get()) != 1)
    return refused("key_file", files.key_file);
  return done{};
}

status check_limits(const peer_options& o) {
  using named = std::pair<const char*, std::size_t>;
  for (const auto& [field, bytes] :
       {named{"data_window_bytes_max", o.data_window_bytes_max},
        named{"signal_window_bytes_max", o.signal_window_bytes_max},
        named{"call_window_bytes_max", o.call_window_bytes_max},
        named{"call_bytes_max", o.call_bytes_max}, named{"frame_bytes_max", o.frame_bytes_max}}) {
    if (bytes < o.piece_bytes_max)
      return failure{errc::bad_option, std::string{field} + " must hold piece_bytes_max"};
  }
  if (o.piece_bytes_max < 4'096 || o.piece_bytes_max > (16u << 20))
    return failure{errc::bad_option, "piece_bytes_max must be 4 KiB to 16 MiB"};
  if (o.call_queue_bytes_max < o.call_bytes_max)
    return failure{errc::bad_option, "call_queue_bytes_max must hold call_bytes_max"};
  if (o.calls_max == 0) return failure{errc::bad_option, "calls_max must be positive"};
  return done{};
}

}  // namespace

status validate(const peer_options& o) {
  const auto& tls = o.tls;
  const bool any = !tls.ca_file.empty() || !tls.certificate_file.empty() || !tls.key_file.empty();
  const bool all = !tls.ca_file.empty() && !tls.certificate_file.empty() && !tls.key_file.empty();
  if (any && !all)
    return failure{errc::bad_option,
                   "tls: ca_file, certificate_file and key_file are given together or not at all"};
  if (!all && !o.insecure && !is_loopback(o.host))
    return failure{
        errc::bad_option,
        "host: '" + o.host +
            "' is not loopback, so nodes need certificates (tls.ca_file, "
            "tls.certificate_file, tls.key_file), or insecure = true where the network itself "
            "is trusted"};
  if (o.heartbeat_interval.count() <= 0 || o.silence_max < 2 * o.heartbeat_interval)
    return failure{errc::bad_option, "silence_max must be two heartbeat_interval at least"};
  if (o.connect_timeout.count() <= 0 || o.handshake_timeout.count() <= 0)
    return failure{errc::bad_option, "connect_timeout and handshake_timeout must be positive"};
  if (o.retry_pause_min.count() <= 0 || o.retry_pause_max < o.retry_pause_min)
    return failure{errc::bad_option, "retry_pause_max must be retry_pause_min at least"};
  return check_limits(o);
}

struct peer_links::impl {
  explicit impl(const peer_options& options) : config{options}, system{config} {}
  ~impl() {
    core->is_stopping = true;
    caf::anon_send_exit(board, caf::exit_reason::user_shutdown);
    board = nullptr;
  }

  struct asked_probe {
    std::mutex mutex;
    std::map<node_id, std::vector<std::function<void(std::optional<witness>)>>> waiting;
  };

  peer_core_ptr core = std::make_shared<peer_core>();
  std::shared_ptr<asked_probe> probes = std::make_shared<asked_probe>();
  link_config config;
  caf::actor_system system;
  caf::actor board;
  std::uint16_t port = 0;
};

peer_links::peer_links(std::unique_ptr<impl> i) : impl_{std::move(i)} {}
peer_links::~peer_links() = default;

result<std::unique_ptr<peer_links>> peer_links::start(const peer_options& options, node_id self,
                                                      std::uint64_t cluster, callbacks told) {
  if (auto good = validate(options); !good) return good.error();
  const bool is_encrypted = !options.tls.ca_file.empty();
  if (is_encrypted)
    if (auto good = check_files(options.tls); !good) return good.error();
  auto made = std::make_unique<impl>(options);
  auto& core = *made->core;
  core.options = options;
  core.self = self;
  core.cluster = cluster;
  core.told = std::move(told);
  randombytes_buf(&core.instance, sizeof core.instance);
  made->board = made->system.spawn(peer_board, made->core);
  const char* host = options.host.empty() ? nullptr : options.host.c_str();
  const auto port = is_encrypted
                        ? caf::openssl::publish(made->board, options.port, host, true)
                        : made->system.middleman().publish(made->board, options.port, host, true);
  if (!port)
    return failure{errc::bad_option, "port: nodes cannot listen on " + options.host + ":" +
                                         std::to_string(options.port) + " (" +
                                         made->system.render(port.error()) + ")"};
  made->port = *port;
  return std::unique_ptr<peer_links>{new peer_links{std::move(made)}};
}

std::uint16_t peer_links::port() const {
  return impl_->port;
}

void peer_links::set_peers(std::vector<peer_address> peers) {
  auto& core = *impl_->core;
  {
    const std::unique_lock lock{core.mutex};
    core.wanted.clear();
    for (auto& peer : peers) {
      if (peer.node == core.self) continue;
      auto& channel = core.channels[peer.node];
      if (!channel) channel = std::make_shared<peer_channel>(peer.node, core.options, core.metrics);
      core.wanted[peer.node] = std::move(peer);
    }
    std::erase_if(core.channels, [&](const auto& c) { return !core.wanted.contains(c.first); });
  }
  caf::anon_send(impl_->board, peer_set_atom::value);
}

bool peer_links::is_up(node_id peer) const {
  const auto channel = impl_->core->channel(peer);
  return channel && channel->is_open();
}

void peer_links::send(node_id to, std::vector<replica_message> messages) {
  if (const auto channel = impl_->core->channel(to)) return channel->send(std::move(messages));
  impl_->core->metrics->messages_dropped += messages.size();
}

void peer_links::ask(node_id to, const std::string& kind, const std::string& body,
                     std::chrono::milliseconds timeout,
                     std::function<void(result<std::string>)> then) {
  if (const auto channel = impl_->core->channel(to))
    return channel->ask(kind, body, timeout, std::move(then));
  ++impl_->core->metrics->calls_failed;
  then(failure{errc::unavailable,
               "node " + std::to_string(to.value) + " is not a node of this cluster"});
}

void peer_links::probe(node_id peer, std::function<void(std::optional<witness>)> then) {
  auto& core = *impl_->core;
  peer_address address;
  {
    const std::shared_lock lock{core.mutex};
    const auto found = core.wanted.find(peer);
    if (found != core.wanted.end()) address = found->second;
  }
  if (address.port == 0) return then(std::nullopt);
  const auto probes = impl_->probes;
  {
    const std::scoped_lock lock{probes->mutex};
    auto& waiting = probes->waiting[peer];
    waiting.push_back(std::move(then));
    if (waiting.size() > 1) return;  // one look serves all
  }
  impl_->system.spawn<caf::detached>(
      [probes, timeout = core.options.connect_timeout](caf::event_based_actor*,
                                                       const peer_address& at) {
        const auto answer = probe_port(at.host, at.port, timeout);
        std::vector<std::function<void(std::optional<witness>)>> waiting;
        {
          const std::scoped_lock lock{probes->mutex};
          waiting.swap(probes->waiting[at.node]);
        }
        for (const auto& each : waiting)
          each(answer == port_answer::refused ? std::optional{witness::refused} : std::nullopt);
      },
      address);
}

const peer_metrics& peer_links::metrics() const {
  return *impl_->core->metrics;
}

}  // namespace tally::cluster

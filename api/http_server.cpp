#include "api/http_server.hpp"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstring>
#include <future>
#include <random>

#include "api/http_loop.hpp"

namespace tally::api {

namespace {

constexpr std::size_t accepts_per_turn = 64;
constexpr std::chrono::milliseconds accept_pause{100};
constexpr std::chrono::milliseconds drain_step{5};
constexpr std::size_t header_bytes_ceiling = 60 << 10;  // http_headers counts in 16 bits

status validate(const http_options& o) {
  const auto zero = std::chrono::milliseconds::zero();
  if (o.listen.empty()) return failure{errc::bad_option, "http: nowhere to listen"};
  if (o.loops == 0 || o.connections_max == 0 || o.pipeline_max == 0 || o.body_bytes_max == 0 ||
      o.encoded_body_bytes_max == 0 || o.buffered_bytes_max == 0)
    return failure{errc::bad_option, "http: every limit must be positive"};
  if (o.header_bytes_max == 0 || o.header_bytes_max > header_bytes_ceiling)
    return failure{errc::bad_option, "http: header_bytes_max must be 1 to 61440"};
  for (const auto limit : {o.header_timeout, o.body_timeout, o.body_grace, o.idle_timeout,
                           o.write_timeout, o.linger_timeout, o.answer_timeout})
    if (limit <= zero) return failure{errc::bad_option, "http: every time limit must be positive"};
  return done{};
}

result<http_rules> make_rules(const http_options& options) {
  if (auto checked = validate(options); !checked) return checked.error();
  auto proxies = http_proxies::parse(options.trusted_proxies);
  if (!proxies) return proxies.error();
  return http_rules{options, std::move(*proxies)};
}

bool is_out_of_descriptors(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/// A listening socket that hands its connections to the loops in turn. Runs on the first loop.
class acceptor {
 public:
  acceptor(http_listener&& listener, std::vector<std::unique_ptr<http_loop>>& loops)
      : listener_{std::move(listener)},
        loops_{loops},
        waiter_{loops.front()->context(), ::dup(listener_.descriptor())},
        pause_{loops.front()->context()} {}

  void wait() {
    waiter_.async_wait(asio::posix::stream_descriptor::wait_read,
                       [this](const boost::system::error_code& error) {
                         if (!error) accept();
                       });
  }
  void close() {
    boost::system::error_code ignored;
    waiter_.close(ignored);
    pause_.cancel();
    listener_.close();
  }

 private:
  void accept() {
    for (std::size_t i = 0; i < accepts_per_turn; ++i) {
      http_peer peer;
      const int descriptor = listener_.accept(peer);
      if (descriptor < 0 && is_out_of_descriptors(errno)) return rest(errno);
      if (descriptor < 0) break;
      hand_over(descriptor, std::move(peer));
    }
    wait();
  }

  void rest(int error) {
    spdlog::warn("accept_paused endpoint={} error={}", listener_.endpoint(), std::strerror(error));
    pause_.expires_after(accept_pause);
    pause_.async_wait([this](const boost::system::error_code& stopped) {
      if (!stopped) wait();
    });
  }

  void hand_over(int descriptor, http_peer&& peer) {
    auto& loop = *loops_[next_++ % loops_.size()];
    if (&loop == loops_.front().get()) return loop.adopt(descriptor, std::move(peer));
    // Closes it even where the other loop ends before it looks into its mailbox.
    const std::shared_ptr<int> owner{new int{descriptor}, [](const int* fd) {
                                       if (*fd >= 0) ::close(*fd);
                                       delete fd;
                                     }};
    loop.mailbox()->post(
        [owner, peer = std::move(peer), &loop] { loop.adopt(std::exchange(*owner, -1), peer); });
  }

  http_listener listener_;
  std::vector<std::unique_ptr<http_loop>>& loops_;
  asio::posix::stream_descriptor waiter_;
  asio::steady_timer pause_;
  std::size_t next_ = 0;
};

}  // namespace

struct http_server::impl {
  http_shared shared;
  std::vector<std::string> endpoints;
  std::vector<std::uint16_t> ports;
  std::vector<std::unique_ptr<http_loop>> loops;
  std::vector<std::unique_ptr<acceptor>> acceptors;  // before the loops go: they use a context

  ~impl() {
    for (auto& loop : loops) loop->stop();
    for (auto& a : acceptors) a->close();
    acceptors.clear();
  }
};

result<std::unique_ptr<http_server>> http_server::start(const http_options& options,
                                                        handler handle) {
  const auto rules = make_rules(options);
  if (!rules) return rules.error();
  auto i = std::make_unique<impl>();
  i->shared.handle = std::move(handle);
  std::random_device chance;
  i->shared.id_seed = static_cast<std::uint64_t>(chance()) << 32 | chance();
  for (std::size_t n = 0; n < options.loops; ++n)
    i->loops.push_back(std::make_unique<http_loop>(i->shared, *rules, n));
  for (const auto& where : options.listen) {
    auto listener = http_listener::open(where);
    if (!listener) return listener.error();
    i->endpoints.push_back(listener->endpoint());
    i->ports.push_back(listener->port());
    i->acceptors.push_back(std::make_unique<acceptor>(std::move(*listener), i->loops));
  }
  for (auto& a : i->acceptors) a->wait();
  for (auto& loop : i->loops) loop->start();
  return std::unique_ptr<http_server>{new http_server{std::move(i)}};
}

http_server::http_server(std::unique_ptr<impl> i) : impl_{std::move(i)} {}
http_server::~http_server() = default;

const std::vector<std::string>& http_server::endpoints() const {
  return impl_->endpoints;
}
std::uint16_t http_server::port(std::size_t i) const {
  return impl_->ports.at(i);
}
std::size_t http_server::loops() const {
  return impl_->loops.size();
}
const http_stats& http_server::stats() const {
  return impl_->shared.stats;
}

bool http_server::loop_post(std::size_t loop, std::function<void()> work) {
  return impl_->loops.at(loop)->mailbox()->post(std::move(work));
}

executor_ref http_server::loop(std::size_t i) const {
  return executor_ref{impl_->loops.at(i)->mailbox()};
}

status http_server::change(const http_options& options) {
  const auto rules = make_rules(options);
  if (!rules) return rules.error();
  const auto shared = std::make_shared<const http_rules>(*rules);
  for (auto& loop : impl_->loops)
    loop->mailbox()->post([l = loop.get(), shared] { l->set_rules(*shared); });
  return done{};
}

void http_server::stop_accepting() {
  std::promise<void> closed;
  auto future = closed.get_future();
  loop_post(0, [&] {
    for (auto& a : impl_->acceptors) a->close();
    closed.set_value();
  });
  future.wait();
}

bool http_server::drain(std::chrono::milliseconds limit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  impl_->shared.draining = true;
  stop_accepting();
  const auto& stats = impl_->shared.stats;
  boost::asio::io_context pause;
  while (stats.connections_open > 0 || stats.requests_in_flight > 0) {
    if (std::chrono::steady_clock::now() >= until) return false;
    for (auto& loop : impl_->loops)
      loop->mailbox()->post([l = loop.get()] { l->drain_connections(); });
    boost::asio::steady_timer{pause, drain_step}.wait();
  }
  return true;
}

}  // namespace tally::api

#include "cluster/http_exchange.hpp"

// g++ cannot instrument the fences that Asio puts around handlers; its locks order them already.
#if defined(__SANITIZE_THREAD__) && !defined(BOOST_ASIO_DISABLE_FENCED_BLOCK)
#define BOOST_ASIO_DISABLE_FENCED_BLOCK
#endif
// Boost 1.74's Asio uses std::exchange without including its header.
#include <utility>
//
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <cerrno>
#include <optional>

namespace tally::cluster {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using error_code = beast::error_code;

constexpr std::size_t read_bytes = 16u << 10;

}  // namespace

struct http_exchange::impl {
  std::string host_port, host, port;
  exchange_options options;
  asio::io_context context;
  std::optional<asio::ssl::context> tls_context;
  std::optional<beast::tcp_stream> plain;
  std::optional<beast::ssl_stream<beast::tcp_stream>> tls;
  beast::flat_buffer buffer;
  std::atomic<bool> is_cancelled{false};
  bool sent = false;

  [[nodiscard]] bool is_open() const { return plain || tls; }
  beast::tcp_stream& lowest() { return tls ? beast::get_lowest_layer(*tls) : *plain; }
  void close() {
    plain.reset();
    tls.reset();
    buffer.clear();
  }
  template <class F>
  error_code with_stream(F f) {
    return tls ? f(*tls) : f(*plain);
  }
  /// Starts something and runs it to its end; the stream's own timer ends it in time.
  template <class Start>
  error_code wait(Start start) {
    if (is_cancelled) return asio::error::operation_aborted;
    error_code outcome;
    start([&outcome](error_code e, auto&&...) { outcome = e; });
    context.restart();
    context.run();
    return is_cancelled ? error_code{asio::error::operation_aborted} : outcome;
  }

  /// A kept connection that the server closed meanwhile, or on which it said something unasked.
  bool is_stale() {
    char byte = 0;
    const auto got = ::recv(lowest().socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got < 0) return errno != EAGAIN && errno != EWOULDBLOCK;
    return got == 0 || !tls;  // of TLS it may be a session's ticket
  }

  error_code prepare_tls() {
    error_code error;
    auto& made = tls_context.emplace(asio::ssl::context::tls_client);
    made.set_verify_mode(asio::ssl::verify_peer, error);
    if (!error) made.load_verify_file(options.tls.ca_file, error);
    if (error || options.tls.certificate_file.empty()) return error;
    made.use_certificate_chain_file(options.tls.certificate_file, error);
    if (!error) made.use_private_key_file(options.tls.key_file, asio::ssl::context::pem, error);
    return error;
  }

  error_code shake_hands() {
    error_code error;
    tls->set_verify_callback(asio::ssl::host_name_verification{host}, error);
    if (error) return error;
    asio::ip::make_address(host, error);
    if (error && SSL_set_tlsext_host_name(tls->native_handle(), host.c_str()) != 1) return error;
    return wait([&](auto&& done) {
      tls->async_handshake(asio::ssl::stream_base::client, std::forward<decltype(done)>(done));
    });
  }

  error_code open() {
    error_code error;
    const bool is_encrypted = !options.tls.ca_file.empty();
    if (is_encrypted && !tls_context) error = prepare_tls();
    if (error) {
      tls_context.reset();
      return error;
    }
    asio::ip::tcp::resolver resolver{context};
    const auto places = resolver.resolve(host, port, error);
    if (error) return error;
    if (is_encrypted) {
      tls.emplace(context, *tls_context);
    } else {
      plain.emplace(context);
    }
    lowest().expires_after(options.timeout);
    error = wait(
        [&](auto&& done) { lowest().async_connect(places, std::forward<decltype(done)>(done)); });
    if (!error) lowest().socket().set_option(asio::ip::tcp::no_delay{true}, error);
    if (!error && is_encrypted) error = shake_hands();
    return error;
  }

  error_code send(const exchange_request& request) {
    http::request<http::span_body<const char>> out;
    out.version(11);
    out.method(http::verb::post);
    out.target(request.target);
    out.set(http::field::host, host_port);
    out.set(http::field::user_agent, "tally/" TALLY_VERSION);
    out.set(http::field::content_type, "application/json");
    for (const auto& [name, value] : request.headers) out.set(name, value);
    out.body() = {request.body.data(), request.body.size()};
    out.prepare_payload();
    lowest().expires_after(options.timeout);
    sent = true;
    return with_stream([&](auto& s) {
      return wait(
          [&](auto&& done) { http::async_write(s, out, std::forward<decltype(done)>(done)); });
    });
  }

  error_code receive(exchange_reply& reply) {
    http::response_parser<http::string_body> in;
    in.body_limit(options.answer_bytes_max);
    const auto error = with_stream([&](auto& s) {
      return wait([&](auto&& done) {
        http::async_read(s, buffer, in, std::forward<decltype(done)>(done));
      });
    });
    if (error) return error;
    reply.status = in.get().result_int();
    reply.body = std::move(in.get().body());
    if (!in.keep_alive()) close();
    return {};
  }

  using line_reader = std::function<bool(std::string_view)>;
  /// Cuts what came into lines; false where no more is wanted or a line is too long.
  bool give_lines(std::string& pending, const line_reader& on_line, bool& is_done) const {
    std::size_t from = 0;
    for (auto end = pending.find('\n'); end != std::string::npos; end = pending.find('\n', from)) {
      is_done = !on_line(std::string_view{pending}.substr(from, end - from));
      from = end + 1;
      if (is_done) return false;
    }
    pending.erase(0, from);
    return pending.size() <= options.answer_bytes_max;
  }

  /// The answer's body piece by piece, whatever its chunks; true where `on_line` had enough.
  template <class Parser>
  bool receive_lines(Parser& in, const line_reader& on_line, std::string& rest, error_code& error) {
    std::array<char, read_bytes> piece{};
    lowest().expires_never();
    const bool is_good = in.get().result() == http::status::ok;
    bool is_done = false;
    while (!in.is_done() && !error) {
      auto& body = in.get().body();
      body.data = piece.data();
      body.size = piece.size();
      error = with_stream([&](auto& s) {
        return wait([&](auto&& done) {
          http::async_read_some(s, buffer, in, std::forward<decltype(done)>(done));
        });
      });
      if (error == http::error::need_buffer) error = {};
      rest.append(piece.data(), piece.size() - in.get().body().size);
      if (is_good && !give_lines(rest, on_line, is_done)) break;
      if (!is_good && rest.size() > options.answer_bytes_max) break;
    }
    return is_done;
  }

  status stream(const exchange_request& request, const line_reader& on_line) {
    close();
    auto error = open();
    if (!error) error = send(request);
    http::response_parser<http::buffer_body> in;
    in.body_limit(boost::none);
    if (!error) {
      error = with_stream([&](auto& s) {
        return wait([&](auto&& done) {
          http::async_read_header(s, buffer, in, std::forward<decltype(done)>(done));
        });
      });
    }
    std::string rest;
    const bool is_done = !error && receive_lines(in, on_line, rest, error);
    const bool is_refused = in.is_header_done() && in.get().result() != http::status::ok;
    close();
    if (is_done) return done{};
    if (is_refused) return failure{errc::unavailable, host_port + ": " + rest};
    return failure{errc::unavailable, host_port + ": " + (error ? error.message() : "ended")};
  }
};

http_exchange::http_exchange(std::string host_port, exchange_options options)
    : impl_{std::make_unique<impl>()} {
  const auto colon = host_port.rfind(':');
  impl_->host = host_port.substr(0, colon);
  impl_->port = colon == std::string::npos ? "2379" : host_port.substr(colon + 1);
  if (impl_->host.starts_with('[') && impl_->host.ends_with(']')) {
    impl_->host = impl_->host.substr(1, impl_->host.size() - 2);
  }
  impl_->host_port = std::move(host_port);
  impl_->options = std::move(options);
}

http_exchange::~http_exchange() = default;

result<exchange_reply> http_exchange::post(const exchange_request& request) {
  impl_->sent = false;
  if (impl_->is_open() && impl_->is_stale()) impl_->close();
  auto error = impl_->is_open() ? error_code{} : impl_->open();
  if (!error) error = impl_->send(request);
  exchange_reply reply;
  if (!error) error = impl_->receive(reply);
  if (!error) return reply;
  impl_->close();
  return failure{errc::unavailable, impl_->host_port + ": " + error.message()};
}

status http_exchange::stream(const exchange_request& request,
                             const std::function<bool(std::string_view)>& on_line) {
  impl_->sent = false;
  return impl_->stream(request, on_line);
}

void http_exchange::cancel() {
  impl_->is_cancelled = true;
  asio::post(impl_->context, [i = impl_.get()] {
    if (i->is_open()) i->lowest().cancel();
  });
}

bool http_exchange::may_have_arrived() const {
  return impl_->sent;
}

}  // namespace tally::cluster

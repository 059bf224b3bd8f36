#include "api/http_client.hpp"

// Boost 1.74's Asio uses std::exchange without including its header.
#include <utility>
//
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <charconv>
#include <optional>

namespace tally::api {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr std::uint64_t answer_bytes_max = 256U << 20;

std::chrono::milliseconds retry_after_of(std::string_view text) {
  unsigned seconds = 0;
  std::from_chars(text.data(), text.data() + text.size(), seconds);
  return std::chrono::seconds{seconds};
}

}  // namespace

struct http_client::impl {
  std::string host, port, host_port;
  std::chrono::milliseconds timeout;
  asio::io_context context;
  std::optional<beast::tcp_stream> stream;
  beast::flat_buffer buffer;

  /// Runs what was started until it is done; the stream's own timer ends it in time.
  void wait() {
    context.restart();
    context.run();
  }

  beast::error_code open() {
    beast::error_code error;
    asio::ip::tcp::resolver resolver{context};
    const auto places = resolver.resolve(host, port, error);
    if (error) return error;
    stream.emplace(context);
    buffer.clear();
    stream->expires_after(timeout);
    stream->async_connect(places, [&](beast::error_code e, const auto&) { error = e; });
    wait();
    if (error) {
      stream.reset();
      return error;
    }
    stream->socket().set_option(asio::ip::tcp::no_delay{true}, error);
    return {};
  }

  beast::error_code exchange(const http_request& request, http_reply& reply) {
    http::request<http::span_body<const char>> out;
    out.version(11);
    out.method_string({request.method.data(), request.method.size()});
    out.target({request.target.data(), request.target.size()});
    out.set(http::field::host, host_port);
    out.set(http::field::user_agent, "tally/" TALLY_VERSION);
    if (!request.key.empty())
      out.set(http::field::authorization, "Bearer " + std::string{request.key});
    if (request.method != "GET") {
      out.set(http::field::content_type,
              {request.content_type.data(), request.content_type.size()});
    }
    out.body() = {request.body.data(), request.body.size()};
    out.prepare_payload();
    http::response_parser<http::string_body> in;
    in.body_limit(answer_bytes_max);
    beast::error_code error;
    stream->expires_after(timeout);
    http::async_write(*stream, out, [&](beast::error_code written, std::size_t) {
      error = written;
      if (written) return;
      http::async_read(*stream, buffer, in,
                       [&](beast::error_code read, std::size_t) { error = read; });
    });
    wait();
    if (error) return error;
    auto& message = in.get();
    reply.status = message.result_int();
    const auto after = message[http::field::retry_after];
    reply.retry_after = retry_after_of({after.data(), after.size()});
    reply.body = std::move(message.body());
    if (!in.keep_alive()) stream.reset();
    return {};
  }
};

http_client::http_client(std::string host_port, std::chrono::milliseconds timeout)
    : impl_{std::make_unique<impl>()} {
  const auto colon = host_port.rfind(':');
  impl_->host = host_port.substr(0, colon);
  impl_->port = colon == std::string::npos ? "80" : host_port.substr(colon + 1);
  if (impl_->host.starts_with('[') && impl_->host.ends_with(']')) {
    impl_->host = impl_->host.substr(1, impl_->host.size() - 2);
  }
  impl_->host_port = std::move(host_port);
  impl_->timeout = timeout;
}

http_client::http_client(http_client&&) noexcept = default;
http_client& http_client::operator=(http_client&&) noexcept = default;
http_client::~http_client() = default;

result<http_reply> http_client::send(const http_request& request) {
  const bool kept = impl_->stream.has_value();
  beast::error_code error;
  for (int attempt = 0; attempt < (kept ? 2 : 1); ++attempt) {
    error = impl_->stream ? beast::error_code{} : impl_->open();
    if (error) break;
    http_reply reply;
    error = impl_->exchange(request, reply);
    if (!error) return reply;
    impl_->stream.reset();
    // Only a close that met an idle connection is safe to take for one.
    if (error != http::error::end_of_stream && error != asio::error::connection_reset &&
        error != asio::error::broken_pipe) {
      break;
    }
  }
  return failure{errc::unavailable, impl_->host_port + ": " + error.message()};
}

}  // namespace tally::api

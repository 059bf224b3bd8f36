#include "api/web_socket.hpp"

#include "api/http_handover.hpp"
//
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/version.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <boost/version.hpp>
#include <deque>

#include "api/problem.hpp"

namespace tally::api {
namespace {

namespace beast = boost::beast;
namespace websocket = beast::websocket;
using steady_time = std::chrono::steady_clock::time_point;
using error_code = boost::system::error_code;
// Without permessage-deflate, which is unsafe before Boost 1.78.
using socket_stream = websocket::stream<http_socket, false>;

constexpr std::size_t kept_capacity_max = 16 << 10;
constexpr std::size_t piece_bytes_max = 64 << 10;

beast::string_view beast_view(std::string_view text) {
  return {text.data(), text.size()};
}

/// One accepted WebSocket. Outstanding operations and the loop keep it alive.
class web_socket final : public http_guest,
                         public web_socket_line,
                         public std::enable_shared_from_this<web_socket> {
 public:
  web_socket(http_handover&& from, const web_socket_options& options,
             std::shared_ptr<web_socket_user> user)
      : stream_{std::move(from.socket)},
        stats_{*from.stats},
        budget_{from.budget},
        place_{std::move(from.place)},
        options_{options},
        user_{std::move(user)},
        charge_{std::make_unique<http_charge>(budget_)} {
    stats_.web_sockets_open.fetch_add(1, std::memory_order_relaxed);
  }
  ~web_socket() override { finish(); }

  void open(const websocket::request_type& request);

  void send(std::string text) override;
  [[nodiscard]] std::size_t unsent() const override { return out_.size(); }
  void read_on() override { read(); }
  void end(web_socket_end why, std::string reason) override;

  void drain() override;
  void check_time(steady_time now) override;
  [[nodiscard]] bool is_over() const override { return over_; }

 private:
  void read();
  void on_read(const error_code& error, std::size_t size);
  void write();
  void on_close_received();
  void close_when_written();
  void drop();
  void finish();

  socket_stream stream_;
  http_stats& stats_;
  http_budget budget_;
  std::shared_ptr<void> place_;
  web_socket_options options_;
  std::shared_ptr<web_socket_user> user_;
  beast::flat_buffer in_;
  std::unique_ptr<http_charge> charge_;  // of what is in `in_`
  std::deque<std::string> out_;
  steady_time write_begun_, end_begun_;
  websocket::close_reason reason_;
  bool open_ = false, reading_ = false, writing_ = false;
  bool ending_ = false, closing_ = false, over_ = false;
  bool closed_by_peer_ = false;  // its close frame came; Beast answers it and waits for the end
};

void web_socket::open(const websocket::request_type& request) {
  stream_.set_option(
      websocket::stream_base::timeout{options_.write_timeout, options_.idle_timeout, true});
  stream_.read_message_max(options_.message_bytes_max);
  stream_.text(true);
  stream_.auto_fragment(false);
  stream_.control_callback([this](websocket::frame_type kind, beast::string_view) {
    if (kind == websocket::frame_type::close) on_close_received();
  });
  write_begun_ = std::chrono::steady_clock::now();
  stream_.async_accept(request, [self = shared_from_this()](const error_code& error) {
    if (error || self->over_) return self->finish();
    self->open_ = true;
    // From now on the first of the times is that for the other side to end what it has closed.
    const auto& o = self->options_;
    self->stream_.set_option(
        websocket::stream_base::timeout{o.close_timeout, o.idle_timeout, true});
    self->user_->opened(*self);
    self->read();
  });
}

void web_socket::read() {
  if (!open_ || reading_ || ending_ || over_ || !user_->wants_more()) return;
  reading_ = true;
  stream_.async_read_some(in_, piece_bytes_max,
                          [self = shared_from_this()](const error_code& error, std::size_t size) {
                            self->reading_ = false;
                            self->on_read(error, size);
                          });
}

void web_socket::on_read(const error_code& error, std::size_t size) {
  if (over_) return;
  if (error) {
    if (!closing_) finish();
    return;
  }
  stats_.bytes_in.fetch_add(size, std::memory_order_relaxed);
  if (ending_) return;
  if (!charge_->add(size)) return end(web_socket_end::overloaded, "too much is being received");
  if (stream_.is_message_done()) {
    stats_.web_socket_messages_in.fetch_add(1, std::memory_order_relaxed);
    const auto bytes = in_.data();
    std::string message{static_cast<const char*>(bytes.data()), bytes.size()};
    in_.consume(bytes.size());
    if (in_.capacity() > kept_capacity_max) in_.shrink_to_fit();
    auto charge = std::move(*charge_);
    charge_ = std::make_unique<http_charge>(budget_);
    user_->received(std::move(message), stream_.got_binary(), std::move(charge));
  }
  read();
}

void web_socket::send(std::string text) {
  if (over_ || ending_) return;
  out_.push_back(std::move(text));
  write();
}

void web_socket::write() {
  if (writing_ || over_ || closing_ || closed_by_peer_ || out_.empty()) return;
  writing_ = true;
  write_begun_ = std::chrono::steady_clock::now();
  stream_.async_write(asio::buffer(out_.front()), [self = shared_from_this()](
                                                      const error_code& error, std::size_t size) {
    self->writing_ = false;
    if (self->over_) return;
    if (error && self->closed_by_peer_) return;  // the reading side ends it, after its close frame
    if (error) return self->finish();
    self->stats_.bytes_out.fetch_add(size, std::memory_order_relaxed);
    self->stats_.web_socket_messages_out.fetch_add(1, std::memory_order_relaxed);
    self->out_.pop_front();
    if (!self->ending_) self->user_->sent();
    self->write();
    self->close_when_written();
  });
}

void web_socket::end(web_socket_end why, std::string reason) {
  if (ending_ || over_) return;
  ending_ = true;
  end_begun_ = std::chrono::steady_clock::now();
  reason_.code = static_cast<std::uint16_t>(why);
  reason_.reason = reason.substr(0, reason_.reason.max_size()).c_str();
  close_when_written();
}

/// Nothing more may be sent, and the other side may keep the connection open for no longer than the
/// time limit, whatever Beast's own timer does.
void web_socket::on_close_received() {
  closed_by_peer_ = true;
  if (!closing_) end_begun_ = std::chrono::steady_clock::now();
  ending_ = true;
}

void web_socket::close_when_written() {
  if (!ending_ || closing_ || closed_by_peer_ || over_ || writing_ || !out_.empty()) return;
  closing_ = true;
  end_begun_ = std::chrono::steady_clock::now();
  stream_.async_close(reason_, [self = shared_from_this()](const error_code&) { self->finish(); });
}

void web_socket::drain() {
  if (over_) return;
  if (open_) return user_->drain();
  drop();
}

void web_socket::check_time(steady_time now) {
  if (over_) return;
  if ((closing_ || closed_by_peer_) && now - end_begun_ > options_.close_timeout) return drop();
  if ((writing_ || !open_) && now - write_begun_ > options_.write_timeout) return drop();
  if (open_ && !ending_) user_->check_time(now);
}

/// Ends it at once: every outstanding operation fails.
void web_socket::drop() {
  error_code ignored;
  stream_.next_layer().close(ignored);
  finish();
}

void web_socket::finish() {
  if (over_) return;
  over_ = true;
  stats_.web_sockets_open.fetch_sub(1, std::memory_order_relaxed);
  error_code ignored;
  stream_.next_layer().close(ignored);
  place_.reset();
  out_.clear();
  if (open_) user_->closed();
}

bool has_token(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    auto one = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), one.size() + 1));
    one.remove_prefix(std::min(one.size(), one.find_first_not_of(" \t")));
    one = one.substr(0, one.find_last_not_of(" \t") + 1);
    if (same_token(one, token)) return true;
  }
  return false;
}

}  // namespace

bool wants_web_socket(const http_request& request) {
  return has_token(request.header("Upgrade").value_or(std::string_view{}), "websocket");
}

http_response accept_web_socket(const http_request& request, const web_socket_options& options,
                                std::shared_ptr<web_socket_user> user) {
  const auto field = [&](std::string_view name) {
    return request.header(name).value_or(std::string_view{});
  };
  if (!wants_web_socket(request) || field("Sec-WebSocket-Version") != "13") {
    auto refused = problem(426, "upgrade_required", "this path speaks WebSocket, version 13");
    refused.headers = {{"Upgrade", "websocket"}, {"Sec-WebSocket-Version", "13"}};
    return refused;
  }
  websocket::request_type shaken;
  shaken.method(beast::http::verb::get);
  shaken.target("/");
  shaken.version(11);
  for (const std::string_view name :
       {"Host", "Connection", "Upgrade", "Sec-WebSocket-Key", "Sec-WebSocket-Version"})
    shaken.set(beast_view(name), beast_view(field(name)));
  constexpr std::size_t key_chars = 24;  // 16 bytes in base64
  if (!websocket::is_upgrade(shaken) || field("Sec-WebSocket-Key").size() != key_chars)
    return problem(400, "bad_upgrade", "the request does not open a WebSocket as RFC 6455 says");
  http_response response;
  response.status = 101;
  response.take_over = [shaken = std::move(shaken), options,
                        user = std::move(user)](http_handover&& from) {
    auto made = std::make_shared<web_socket>(std::move(from), options, user);
    made->open(shaken);
    return made;
  };
  return response;
}

}  // namespace tally::api

#include "api/live_subscription.hpp"

#include "api/http_handover.hpp"
//
#include <array>
#include <boost/asio/write.hpp>

#include "api/live_text.hpp"
#include "api/problem.hpp"

namespace tally::api {
namespace {

using steady_time = std::chrono::steady_clock::time_point;
using error_code = boost::system::error_code;

constexpr std::size_t ignored_message_bytes_max = 4 << 10;  // nothing is expected from subscribers
constexpr unsigned retry_after_s = 10;
constexpr std::string_view stream_begin = "retry: 2000\n\n";
constexpr std::string_view heart_beat = ":\n\n";

/// What a subscriber knows, and whether it may know more.
class live_reader {
 public:
  explicit live_reader(live_subscriber who)
      : who_{std::move(who)}, key_checked_{std::chrono::steady_clock::now()} {}

  /// The newest message that was not given yet.
  std::optional<actors::live_text> next() {
    if (who_.feed->version() == given_) return std::nullopt;
    auto text = who_.feed->text(
        [this](const actors::live_snapshot& now) { return live_json(who_.merchant, now); });
    if (text.version == given_) return std::nullopt;
    given_ = text.version;
    who_.engine->count_live_message();
    return text;
  }
  /// Calls `gone` later where the key is not good any more.
  void check_key(steady_time now, std::function<void()> gone) {
    if (now - key_checked_ < who_.options.key_check) return;
    key_checked_ = now;
    who_.ask_key([gone = std::move(gone)](bool good) {
      if (!good) gone();
    });
  }
  [[nodiscard]] const live_options& options() const { return who_.options; }
  /// Gives the subscription back.
  void let_go() { who_.feed = nullptr; }

 private:
  live_subscriber who_;
  std::uint64_t given_ = 0;
  steady_time key_checked_;
};

/// A connection that gets Server-Sent Events.
class live_stream final : public http_guest, public std::enable_shared_from_this<live_stream> {
 public:
  live_stream(http_handover&& from, live_subscriber who)
      : socket_{std::move(from.socket)},
        stats_{*from.stats},
        place_{std::move(from.place)},
        reader_{std::move(who)} {}

  void start() {
    std::string first{stream_begin};
    if (const auto text = reader_.next()) first += live_sse(text->offset, *text->text);
    write(std::move(first));
    listen();
  }
  void drain() override {
    draining_ = true;
    if (!writing_) close();
  }
  void check_time(steady_time now) override;
  [[nodiscard]] bool is_over() const override { return over_; }

 private:
  void write(std::string text);
  void listen();
  void on_readable();
  void close();

  http_socket socket_;
  http_stats& stats_;
  std::shared_ptr<void> place_;
  live_reader reader_;
  std::string out_;
  steady_time written_at_;
  bool writing_ = false, draining_ = false, over_ = false;
};

void live_stream::check_time(steady_time now) {
  if (over_) return;
  if (writing_) {
    const auto& limits = reader_.options().socket;
    if (now - written_at_ > (draining_ ? limits.close_timeout : limits.write_timeout)) close();
    return;
  }
  reader_.check_key(now, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->close();
  });
  if (over_) return;
  if (const auto text = reader_.next())
    write(live_sse(text->offset, *text->text));
  else if (now - written_at_ >= reader_.options().heart_beat)
    write(std::string{heart_beat});
}

void live_stream::write(std::string text) {
  out_ = std::move(text);
  writing_ = true;
  written_at_ = std::chrono::steady_clock::now();
  asio::async_write(socket_, asio::buffer(out_),
                    [self = shared_from_this()](const error_code& error, std::size_t size) {
                      self->writing_ = false;
                      if (self->over_) return;
                      self->out_ = {};
                      self->stats_.bytes_out.fetch_add(size, std::memory_order_relaxed);
                      if (error || self->draining_) self->close();
                    });
}

/// Nothing is expected from the client but its end.
void live_stream::listen() {
  socket_.async_wait(http_socket::wait_read, [self = shared_from_this()](const error_code& error) {
    if (!error && !self->over_) self->on_readable();
  });
}

void live_stream::on_readable() {
  std::array<char, 512> ignored{};
  error_code error;
  const auto size = socket_.read_some(asio::buffer(ignored), error);
  stats_.bytes_in.fetch_add(size, std::memory_order_relaxed);
  if (error && error != asio::error::would_block) return close();
  listen();
}

void live_stream::close() {
  if (over_) return;
  over_ = true;
  error_code ignored;
  socket_.shutdown(http_socket::shutdown_both, ignored);
  socket_.close(ignored);
  place_.reset();
  reader_.let_go();
}

/// A WebSocket that gets the same messages.
class live_socket final : public web_socket_user, public std::enable_shared_from_this<live_socket> {
 public:
  explicit live_socket(live_subscriber who) : reader_{std::move(who)} {}

  void opened(web_socket_line& line) override {
    line_ = &line;
    tell();
  }
  void received(std::string&&, bool, http_charge) override {}
  [[nodiscard]] bool wants_more() const override { return line_ != nullptr; }
  void sent() override {}
  void drain() override {
    if (line_ != nullptr) line_->end(web_socket_end::going_away, "the node ends");
  }
  void check_time(steady_time now) override {
    reader_.check_key(now, [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (self && self->line_ != nullptr) self->line_->end(web_socket_end::policy, "unknown key");
    });
    tell();
  }
  void closed() override {
    line_ = nullptr;
    reader_.let_go();
  }

 private:
  void tell() {
    if (line_ == nullptr || line_->unsent() != 0) return;
    if (const auto text = reader_.next()) line_->send(*text->text);
  }

  live_reader reader_;
  web_socket_line* line_ = nullptr;
};

http_response not_given(const failure& why) {
  if (why.code == errc::over_limit)
    return retry_later(problem(429, "too_many_subscriptions", why.detail), retry_after_s);
  return retry_later(problem(503, "unavailable", why.detail), retry_after_s);
}

}  // namespace

http_response stream_live(live_subscriber who) {
  http_response response;
  response.content_type = "text/event-stream";
  response.headers = {{"Cache-Control", "no-store"}, {"X-Accel-Buffering", "no"}};
  response.take_over = [who = std::move(who)](http_handover&& from) {
    auto made = std::make_shared<live_stream>(std::move(from), who);
    made->start();
    return made;
  };
  return response;
}

http_response socket_live(const http_request& request, live_subscriber who) {
  auto options = who.options.socket;
  options.message_bytes_max = ignored_message_bytes_max;
  return accept_web_socket(request, options, std::make_shared<live_socket>(std::move(who)));
}

void answer_live(actors::engine& engine, const http_request& request, std::string merchant,
                 key_question ask_key, const live_options& options, respond answer) {
  const bool socket = wants_web_socket(request);
  const bool get = request.method == http_method::get;
  const auto accepted = request.header("Accept").value_or(std::string_view{});
  const bool stream = accepted.find("text/event-stream") != std::string_view::npos;
  const bool subscribe = get && (socket || stream);
  live_subscriber who{&engine, merchant, nullptr, std::move(ask_key), options};
  auto opening = std::make_shared<http_request>();
  opening->headers = request.headers;
  const auto reply = [who = std::move(who), opening, socket, subscribe,
                      answer = std::move(answer)](const result<actors::live_feed_ptr>& feed) {
    if (!feed) return answer(not_given(feed.error()));
    if (!subscribe) return answer({.body = live_json(who.merchant, (*feed)->look())});
    auto told = who;
    told.feed = *feed;
    answer(socket ? socket_live(*opening, std::move(told)) : stream_live(std::move(told)));
  };
  engine.live(std::move(merchant), subscribe,
              [reply, loop = request.loop](result<actors::live_feed_ptr> feed) {
                loop.post([reply, feed = std::move(feed)] { reply(feed); });
              });
}

}  // namespace tally::api

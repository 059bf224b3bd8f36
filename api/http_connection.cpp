#include "api/http_connection.hpp"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <exception>

#include "api/problem.hpp"
#include "domain/ensure.hpp"

namespace tally::api {

namespace {

constexpr std::size_t backlog_bytes_max = 1 << 20;  // of answers that the client does not read
constexpr std::size_t kept_capacity_max = 64 << 10;
constexpr std::string_view interim = "HTTP/1.1 100 Continue\r\n\r\n";

/// Letters that no proxy or log changes; 64 bits fit 13 of them.
std::string id_text(std::uint64_t bits) {
  static constexpr std::string_view letters = "0123456789abcdefghjkmnpqrstvwxyz";
  std::string text(13, '0');
  for (char& c : text) {
    c = letters[bits & 31];
    bits >>= 5;
  }
  return text;
}

/// A permutation of 64 bits, so that counted ids differ and look random.
std::uint64_t scatter(std::uint64_t n) {
  n += 0x9e3779b97f4a7c15u;
  n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9u;
  n = (n ^ (n >> 27)) * 0x94d049bb133111ebu;
  return n ^ (n >> 31);
}

bool is_request_id(std::string_view text) {
  if (text.empty() || text.size() > 128) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

}  // namespace

std::shared_ptr<http_connection> http_connection::make(http_loop& loop, int descriptor,
                                                       http_peer peer, std::uint64_t id) {
  socket s{loop.context()};
  boost::system::error_code error;
  s.assign({peer.address ? AF_INET : AF_UNIX, 0}, descriptor, error);
  if (error) {
    ::close(descriptor);
    return nullptr;
  }
  s.non_blocking(true, error);
  // No make_shared: the constructor is private.
  return std::shared_ptr<http_connection>{
      new http_connection{loop, std::move(s), std::move(peer), id}};
}

http_connection::http_connection(http_loop& loop, socket&& s, http_peer&& peer, std::uint64_t id)
    : loop_{loop},
      shared_{loop.shared()},
      rules_{loop.rules()},
      budget_{shared_.stats.buffered_bytes, rules_.options.buffered_bytes_max},
      socket_{std::move(s)},
      peer_{std::move(peer)},
      id_{id} {}

http_connection::~http_connection() {
  abandon();
}

void http_connection::start() {
  auto& stats = shared_.stats;
  stats.connections.fetch_add(1, std::memory_order_relaxed);
  last_activity_ = request_begun_ = std::chrono::steady_clock::now();
  counted_ = true;
  const auto open = stats.connections_open.fetch_add(1, std::memory_order_relaxed);
  if (static_cast<std::size_t>(open) < rules_.options.connections_max) return wait_for_input();
  stats.connections_refused.fetch_add(1, std::memory_order_relaxed);
  if (!loop_.may_linger()) return close();
  refuse({503, "too_many_connections", "the server has all the connections it can serve", 1});
  pump();
}

void http_connection::wait_for_input() {
  if (waiting_for_input_ || closed_ || eof_) return;
  if (!lingering_ && (input_over_ || upgrading_ || is_backlogged() ||
                      (!parser_ && exchange_count() >= rules_.options.pipeline_max)))
    return;
  waiting_for_input_ = true;
  socket_.async_wait(socket::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       self->waiting_for_input_ = false;
                       if (!error) self->on_readable();
                     });
}

void http_connection::on_readable() {
  if (closed_) return;
  auto& scratch = loop_.scratch();
  boost::system::error_code error;
  const auto size = socket_.read_some(asio::buffer(scratch), error);
  if (error == asio::error::would_block) return wait_for_input();
  if (error && error != asio::error::eof) return close();
  shared_.stats.bytes_in.fetch_add(size, std::memory_order_relaxed);
  if (lingering_) return error ? close() : wait_for_input();
  last_activity_ = std::chrono::steady_clock::now();
  if (error) {
    eof_ = true;
    if (parser_ && parser_->has_head()) exchanges_.pop_back();
    end_input();
  }
  pump({scratch.data(), size});
}

void http_connection::pump(std::string_view fresh) {
  if (running_ || closed_) return;
  const auto self = shared_from_this();
  const bool own = !in_.empty() || fresh.empty();
  if (own) in_.append(fresh);
  input_ = own ? std::string_view{in_} : fresh;
  if (!fresh.empty()) starved_ = false;
  running_ = true;
  do {
    parse();
    advance();
    write();
  } while (can_parse());
  running_ = false;
  if (closed_) return;
  if (own)
    in_.erase(0, in_.size() - input_.size());
  else
    in_.assign(input_);
  if (in_.empty() && in_.capacity() > kept_capacity_max) in_ = {};
  input_ = {};
  if (may_leave())
    leave();
  else if (is_over())
    finish();
  else
    wait_for_input();
}

bool http_connection::can_parse() const {
  return !closed_ && !input_over_ && !upgrading_ && !starved_ && !input_.empty() &&
         !is_backlogged() && (parser_ || exchange_count() < rules_.options.pipeline_max);
}

bool http_connection::is_backlogged() const {
  // A request that has begun is read to its end: its time limits run.
  return !parser_ && out_.size() + writing_.size() - written_ > backlog_bytes_max;
}

void http_connection::parse() {
  while (can_parse()) {
    if (!parser_) {
      // RFC 9112 2.2: empty lines before a request are to be ignored.
      const auto begin = std::min(input_.find_first_not_of("\r\n"), input_.size());
      input_.remove_prefix(begin);
      if (input_.empty()) return;
      request_begun_ = last_activity_;
      parser_.emplace(rules_.options, budget_);
    }
    const bool had_head = parser_->has_head();
    const auto progress = parser_->feed(input_);
    if (!had_head && parser_->has_head()) open_exchange();
    if (progress == http_parser::progress::refused) return refuse(parser_->refusal());
    if (progress == http_parser::progress::complete) {
      dispatch();
      continue;
    }
    if (input_.size() > loop_.scratch().size() + rules_.options.header_bytes_max)
      return refuse({400, "bad_request", "malformed chunked encoding", 0});
    starved_ = true;
    if (!had_head && parser_->has_head() && parser_->expects_continue() && input_.empty())
      last_exchange().out = interim;
  }
}

void http_connection::open_exchange() {
  body_begun_ = last_activity_;
  auto& exchange = exchanges_.emplace_back();
  exchange.begun = request_begun_;
  if (!parser_) return;
  const auto& request = parser_->request();
  exchange.path = request.path;
  exchange.is_head = request.method == http_method::head;
  exchange.is_http10 = parser_->is_http10();
  if (const auto origin = request.header("origin")) exchange.origin = *origin;
}

void http_connection::dispatch() {
  auto& exchange = last_exchange();
  auto request = std::move(parser_->request());
  exchange.charge = parser_->release_charge();
  parser_.reset();
  served_any_ = true;
  if (!request.keep_alive || shared_.draining.load(std::memory_order_relaxed)) {
    exchange.close = true;
    end_input();
  }
  upgrading_ = request.method == http_method::get && request.header("upgrade");
  const auto given = request.header("x-request-id");
  const auto number = shared_.ids.fetch_add(1, std::memory_order_relaxed);
  exchange.request_id =
      given && is_request_id(*given) ? *given : id_text(scatter(shared_.id_seed + number));
  request.request_id = exchange.request_id;
  request.client_address = rules_.proxies.client_of(peer_.address, peer_.text, request.headers);
  request.loop = executor_ref{loop_.mailbox()};
  exchange.dispatched = true;
  exchange.deadline = last_activity_ + rules_.options.answer_timeout;
  shared_.stats.requests_in_flight.fetch_add(1, std::memory_order_relaxed);
  const auto sequence = first_sequence_ + exchange_count() - 1;
  if (auto answer = answer_options(rules_.options.cors, request))
    return complete(sequence, std::move(*answer));
  hand_over(std::move(request), sequence);
}

void http_connection::hand_over(http_request&& request, std::uint64_t sequence) {
  const auto accepted = request.header("accept-encoding");
  const auto gzip_from =
      accepted && accepts_gzip(*accepted) ? rules_.options.gzip_bytes_min : ~std::size_t{0};
  auto answer = [box = loop_.mailbox(), id = id_, sequence, gzip_from](http_response response) {
    compress_response(response, gzip_from);
    box->deliver({id, sequence, std::move(response)});
  };
  try {
    shared_.handle(std::move(request), std::move(answer));
  } catch (const std::exception& e) {
    spdlog::error("http_handler_failed request_id={} error={}",
                  exchanges_[first_ + (sequence - first_sequence_)].request_id, e.what());
    complete(sequence, problem(500, "internal", "the request failed; see the server's log"));
  }
}

void http_connection::refuse(const http_refusal& why) {
  if (!parser_ || !parser_->has_head()) open_exchange();
  auto& exchange = last_exchange();
  exchange.close = true;
  exchange.request_id =
      id_text(scatter(shared_.id_seed + shared_.ids.fetch_add(1, std::memory_order_relaxed)));
  end_input();
  auto answer = problem(why.status, why.code, why.detail);
  if (why.retry_after_s > 0) answer = retry_later(std::move(answer), why.retry_after_s);
  complete(first_sequence_ + exchange_count() - 1, std::move(answer));
}

void http_connection::end_input() {
  input_over_ = true;
  input_ = {};
  in_.clear();
  parser_.reset();
}

void http_connection::complete(std::uint64_t sequence, http_response&& response) {
  if (closed_ || sequence < first_sequence_ || sequence - first_sequence_ >= exchange_count())
    return;
  auto& exchange = exchanges_[first_ + (sequence - first_sequence_)];
  if (exchange.done) return;
  auto& stats = shared_.stats;
  stats.answers.at(std::min(response.status / 100, 5u)).fetch_add(1, std::memory_order_relaxed);
  const auto took = std::chrono::steady_clock::now() - exchange.begun;
  stats.latency.add(static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(took).count()));
  exchange.close = exchange.close || response.close || response.take_over;
  exchange.done = true;
  exchange.take_over = response.take_over;
  if (!exchange.take_over && sequence == first_sequence_ + exchange_count() - 1) upgrading_ = false;
  settle(exchange);
  constexpr unsigned switching = 101;
  if (exchange.take_over && response.status == switching) {
    // Whoever sends before it is answered does not wait for the other protocol to begin.
    if (!(running_ ? input_.empty() : in_.empty())) exchange.take_over = nullptr;
    if (!running_) loop_.mark_dirty(id_);
    return;
  }
  // The first in order needs no buffer of its own.
  append_response(sequence == first_sequence_ ? out_ : exchange.out, std::move(response), exchange,
                  rules_.options.cors, loop_.date());
  if (!running_) loop_.mark_dirty(id_);
}

void http_connection::settle(http_exchange& exchange) {
  budget_.give_back(std::exchange(exchange.charge, 0));
  if (std::exchange(exchange.dispatched, false))
    shared_.stats.requests_in_flight.fetch_sub(1, std::memory_order_relaxed);
}

void http_connection::advance() {
  while (first_ < exchanges_.size()) {
    auto& front = exchanges_[first_];
    if (!front.out.empty()) {
      out_ += front.out;
      front.out.clear();
      body_begun_ = last_activity_;  // a client that waits for 100 sends nothing before
    }
    if (!front.done) break;
    const bool last = front.close;
    take_over_ = std::move(front.take_over);
    ++first_;
    ++first_sequence_;
    if (!last) continue;
    while (first_ < exchanges_.size()) settle(exchanges_[first_++]);
    end_input();
  }
  if (first_ == exchanges_.size()) {
    exchanges_.clear();
    first_ = 0;
  } else if (first_ >= rules_.options.pipeline_max) {
    exchanges_.erase(exchanges_.begin(), exchanges_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
}

void http_connection::write() {
  while (!waiting_for_output_ && !closed_) {
    if (written_ == writing_.size()) {
      writing_.clear();
      written_ = 0;
      if (writing_.capacity() > kept_capacity_max) writing_ = {};
      if (out_.empty()) return;
      std::swap(out_, writing_);
    }
    boost::system::error_code error;
    const auto size = socket_.write_some(
        asio::buffer(writing_.data() + written_, writing_.size() - written_), error);
    if (error == asio::error::would_block) return wait_for_output();
    if (error) return close();
    written_ += size;
    shared_.stats.bytes_out.fetch_add(size, std::memory_order_relaxed);
  }
}

void http_connection::wait_for_output() {
  waiting_for_output_ = true;
  write_begun_ = std::chrono::steady_clock::now();
  socket_.async_wait(socket::wait_write,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       self->waiting_for_output_ = false;
                       if (!error) self->pump();
                     });
}

bool http_connection::is_over() const {
  return input_over_ && !parser_ && exchange_count() == 0 && out_.empty() && writing_.empty() &&
         !lingering_;
}

bool http_connection::may_leave() const {
  return take_over_ && out_.empty() && writing_.empty() && !waiting_for_output_;
}

void http_connection::leave() {
  const auto self = shared_from_this();
  boost::system::error_code ignored;
  socket_.cancel(ignored);
  // Else the kernel would keep megabytes for each of thousands that read nothing.
  constexpr int guest_send_bytes = 32 << 10;
  socket_.set_option(asio::socket_base::send_buffer_size{guest_send_bytes}, ignored);
  auto& stats = shared_.stats;
  std::shared_ptr<void> place{
      &stats, [](http_stats* s) { s->connections_open.fetch_sub(1, std::memory_order_relaxed); }};
  counted_ = false;
  const auto take = std::exchange(take_over_, nullptr);
  http_handover to{std::move(socket_), &stats, budget_, std::move(place)};
  abandon();
  loop_.remove(id_);
  loop_.host(take(std::move(to)));
}

void http_connection::finish() {
  if (eof_ || !loop_.may_linger()) return close();
  // Closing with unread input would reset the connection before the client has read its answer.
  boost::system::error_code error;
  socket_.shutdown(socket::shutdown_send, error);
  if (error) return close();
  lingering_ = true;
  loop_.begin_lingering();
  linger_until_ = std::chrono::steady_clock::now() + rules_.options.linger_timeout;
  if (std::exchange(counted_, false))
    shared_.stats.connections_open.fetch_sub(1, std::memory_order_relaxed);
  wait_for_input();
}

void http_connection::close() {
  if (closed_) return;
  if (std::exchange(lingering_, false)) loop_.end_lingering();
  const auto self = shared_from_this();
  abandon();
  boost::system::error_code ignored;
  socket_.close(ignored);
  loop_.remove(id_);
}

void http_connection::abandon() {
  closed_ = true;
  parser_.reset();
  for (auto& exchange : exchanges_) settle(exchange);
  exchanges_.clear();
  first_ = 0;
  if (std::exchange(counted_, false))
    shared_.stats.connections_open.fetch_sub(1, std::memory_order_relaxed);
}

void http_connection::drain() {
  if (closed_ || parser_ || input_over_) return;
  if (exchange_count() > 0 && !last_exchange().done) last_exchange().close = true;
  end_input();
  pump();
}

void http_connection::check_time(steady_time now) {
  const auto& o = rules_.options;
  if (lingering_) {
    if (now >= linger_until_) close();
    return;
  }
  if (waiting_for_output_ && now - write_begun_ > o.write_timeout) return close();
  check_answers(now);
  if (parser_) return check_request_time(now);
  if (exchange_count() > 0 || !out_.empty() || !writing_.empty()) return;
  if (now - last_activity_ > (served_any_ ? o.idle_timeout : o.header_timeout)) close();
}

void http_connection::check_answers(steady_time now) {
  for (std::size_t i = first_; i < exchanges_.size(); ++i) {
    const auto& exchange = exchanges_[i];
    if (!exchange.dispatched || now < exchange.deadline) continue;
    shared_.stats.deadlines_missed.fetch_add(1, std::memory_order_relaxed);
    complete(first_sequence_ + (i - first_),
             retry_later(problem(503, "timed_out", "no answer within the time limit"), 1));
  }
}

void http_connection::check_request_time(steady_time now) {
  const auto& o = rules_.options;
  std::string_view late;
  if (!parser_->has_head()) {
    if (now - request_begun_ > o.header_timeout) late = "the header took too long";
  } else if (last_exchange().out.empty()) {
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(now - body_begun_);
    const auto wanted = o.body_bytes_per_s_min * static_cast<std::uint64_t>(took.count()) / 1'000;
    if (took > o.body_timeout)
      late = "the body took too long";
    else if (took > o.body_grace && parser_->body_bytes_seen() < wanted)
      late = "the body came too slowly";
  }
  if (late.empty()) return;
  refuse({408, "request_timeout", late, 0});
  pump();
}

}  // namespace tally::api

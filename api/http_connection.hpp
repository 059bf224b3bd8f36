#pragma once

#include "api/http_handover.hpp"
#include "api/http_loop.hpp"
#include "api/http_parser.hpp"
//
#include <memory>
#include <string>
#include <vector>

namespace tally::api {

using steady_time = std::chrono::steady_clock::time_point;

/// A request from its head to its answer, in the order of the connection.
struct http_exchange {
  steady_time begun, deadline;
  std::string out;  // bytes ready to be sent: an interim answer, later the answer
  std::string path, origin, request_id;
  std::size_t charge = 0;   // of the budget of buffered bytes
  bool dispatched = false;  // the handler has it
  bool done = false;
  bool close = false;  // the connection ends after it
  bool is_head = false, is_http10 = false;
  decltype(http_response::take_over) take_over;  // where the answer ends HTTP
};

/// One connection: reads requests, keeps their order, writes answers. Everything runs on the
/// thread of its loop.
class http_connection : public std::enable_shared_from_this<http_connection> {
 public:
  /// Null where the descriptor could not be used; it is closed then.
  static std::shared_ptr<http_connection> make(http_loop& loop, int descriptor, http_peer peer,
                                               std::uint64_t id);
  ~http_connection();
  http_connection(const http_connection&) = delete;
  http_connection& operator=(const http_connection&) = delete;

  void start();
  void complete(std::uint64_t sequence, http_response&& response);
  /// Parses `fresh` after what was read before, sends what is ready, closes what is over.
  void pump(std::string_view fresh = {});
  void check_time(steady_time now);
  void drain();
  /// The loop has ended: forget everything without touching it.
  void abandon();

 private:
  using socket = http_socket;

  http_connection(http_loop& loop, socket&& s, http_peer&& peer, std::uint64_t id);

  void wait_for_input();
  void on_readable();
  void wait_for_output();
  void run();
  [[nodiscard]] bool can_parse() const;
  void parse();
  void open_exchange();
  void dispatch();
  void hand_over(http_request&& request, std::uint64_t sequence);
  void refuse(const http_refusal& why);
  void end_input();
  void settle(http_exchange& exchange);
  void advance();
  void write();
  void finish();
  [[nodiscard]] bool may_leave() const;
  void leave();
  void close();
  [[nodiscard]] bool is_over() const;
  [[nodiscard]] bool is_backlogged() const;
  void check_request_time(steady_time now);
  void check_answers(steady_time now);

  [[nodiscard]] std::size_t exchange_count() const { return exchanges_.size() - first_; }
  [[nodiscard]] http_exchange& last_exchange() { return exchanges_.back(); }

  http_loop& loop_;
  http_shared& shared_;
  const http_rules& rules_;
  http_budget budget_;
  socket socket_;
  http_peer peer_;
  std::uint64_t id_;

  std::string in_;          // read, not yet parsed
  std::string_view input_;  // what is being parsed: in_ or the loop's scratch
  std::optional<http_parser> parser_;
  steady_time request_begun_, body_begun_, last_activity_, write_begun_, linger_until_;

  std::vector<http_exchange> exchanges_;  // in flight from first_ on
  std::size_t first_ = 0;
  std::uint64_t first_sequence_ = 0;
  std::string out_, writing_;
  std::size_t written_ = 0;

  bool served_any_ = false, waiting_for_input_ = false, waiting_for_output_ = false;
  bool running_ = false, starved_ = false;        // starved: the parser needs more than input_ has
  bool input_over_ = false;                       // no further request will be read
  bool upgrading_ = false;                        // what follows the last request may not be HTTP
  decltype(http_response::take_over) take_over_;  // once what is ready has been sent
  bool eof_ = false, lingering_ = false, closed_ = false, counted_ = false;
};

/// Appends status line, header and body. `exchange` says how; bodies are not sent for HEAD.
void append_response(std::string& out, http_response&& response, const http_exchange& exchange,
                     const cors_policy& cors, std::string_view date);
/// Packs the body where that pays. May run on any thread.
void compress_response(http_response& response, std::size_t bytes_min);

}  // namespace tally::api

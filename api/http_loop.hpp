#pragma once

#include "api/asio.hpp"
//
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "api/http_listener.hpp"
#include "api/http_message.hpp"
#include "api/http_server.hpp"

namespace tally::api {

class http_connection;
class http_loop;

/// An answer on its way to the connection that asked.
struct http_completion {
  std::uint64_t connection = 0;  // id within its loop
  std::uint64_t sequence = 0;    // of the request within its connection
  http_response response;
};

/// Where other threads leave work for a loop. Outlives it, so that late answers find an end.
class http_mailbox {
 public:
  http_mailbox(http_loop& loop, std::size_t index) : loop_{&loop}, index_{index} {}

  bool post(std::function<void()> work);
  /// On the loop's own thread the answer takes the short way.
  void deliver(http_completion&& completion);
  [[nodiscard]] std::size_t index() const { return index_; }

 private:
  friend class http_loop;
  struct content {
    std::vector<std::function<void()>> work;
    std::vector<http_completion> completions;
  };

  template <class Add>
  bool add(Add add_to);
  void close();
  content take();

  std::mutex mutex_;
  http_loop* loop_;  // null after close
  content content_;
  bool signalled_ = false;
  std::size_t index_;
};

/// What a server may be told anew while it runs. Each loop has its own, read by its thread alone.
struct http_rules {
  http_options options;
  http_proxies proxies;
};

/// What all loops of a server share.
struct http_shared {
  handler handle;
  http_stats stats;
  std::uint64_t id_seed = 0;
  std::atomic<std::uint64_t> ids{0};
  std::atomic<bool> draining{false};
};

/// One thread, one io_context and the connections it serves. Members run on the loop's thread
/// unless marked otherwise.
class http_loop {
 public:
  http_loop(http_shared& shared, const http_rules& rules, std::size_t index);
  ~http_loop();
  http_loop(const http_loop&) = delete;
  http_loop& operator=(const http_loop&) = delete;

  void start();  // any thread
  void stop();   // any other thread; joins
  [[nodiscard]] const std::shared_ptr<http_mailbox>& mailbox() const { return mailbox_; }
  [[nodiscard]] asio::io_context& context() { return context_; }
  [[nodiscard]] http_shared& shared() { return shared_; }
  /// Stays where it is: requests that are being read follow a change.
  [[nodiscard]] const http_rules& rules() const { return rules_; }
  void set_rules(const http_rules& rules);

  /// Takes over an accepted descriptor; past the limit of connections it only says so.
  void adopt(int descriptor, http_peer peer);
  void deliver(http_completion&& completion);
  /// Has the connection write what it can at the end of this turn.
  void mark_dirty(std::uint64_t connection);
  void remove(std::uint64_t connection);
  /// Keeps what a connection became until it is over.
  void host(std::shared_ptr<http_guest> guest);
  void drain_connections();
  /// False where too many connections only wait for their client to read the last answer.
  [[nodiscard]] bool may_linger() const { return lingering_ < lingering_max; }
  void begin_lingering() { ++lingering_; }
  void end_lingering() { --lingering_; }
  /// Where connections read into; what they do not use up at once they copy.
  [[nodiscard]] std::string& scratch() { return scratch_; }
  /// Text for the Date header.
  [[nodiscard]] const std::string& date();

 private:
  friend class http_mailbox;
  static constexpr std::size_t lingering_max = 1'024;
  static constexpr std::size_t scratch_bytes = 64 << 10;

  void run();
  void turn();
  void flush_dirty();
  void arm_tick();
  void tick();
  void forget_guests();
  http_connection* find(std::uint64_t connection);

  http_shared& shared_;
  http_rules rules_;
  asio::io_context context_{1};
  asio::steady_timer ticker_{context_};
  std::shared_ptr<http_mailbox> mailbox_;
  struct place {
    std::shared_ptr<http_connection> connection;
    std::uint32_t generation = 0;
  };
  std::vector<place> places_;
  std::vector<std::uint32_t> free_places_;
  std::vector<std::uint64_t> dirty_;
  std::vector<std::shared_ptr<http_guest>> guests_;
  bool in_turn_ = false, turn_posted_ = false;
  std::size_t lingering_ = 0;
  std::chrono::milliseconds tick_interval_;
  std::string scratch_, date_;
  std::int64_t date_second_ = 0;
  std::thread thread_;
};

}  // namespace tally::api

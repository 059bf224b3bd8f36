#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cluster/peer_links.hpp"

namespace tally::cluster {

/// Each has a window of its own, so that none waits behind another.
enum class peer_lane : std::uint8_t {
  signal,  // replication messages without chunks
  data,    // with chunks
  call,    // requests and answers
};
inline constexpr std::size_t peer_lanes = 3;

/// What travels at once. Pieces of one frame or call arrive in order, those of several calls mixed.
struct peer_piece {
  peer_lane lane = peer_lane::signal;
  std::uint64_t call = 0;  // number that its asker gave; 0 for frames
  bool is_answer = false, is_last = true;
  std::string bytes;
};

/// What is on its way to one peer, and the requests that wait for its answer. Any thread; never
/// blocks, and calls nothing of others while it is locked but `give` and `arm`.
class peer_channel : public std::enable_shared_from_this<peer_channel> {
 public:
  using answer = std::function<void(result<std::string>)>;
  using clock = std::chrono::steady_clock;
  struct connection {
    std::function<void(peer_piece)> give;  // sends
    std::function<void()> arm;             // wants `expire` to be called
  };

  peer_channel(node_id peer, const peer_options& options, std::shared_ptr<peer_metrics> metrics)
      : peer_{peer}, options_{options}, metrics_{std::move(metrics)} {}

  /// From now on things can be sent; gives the connection's number.
  std::uint64_t open(connection to);
  /// Ends the connection of that number: all requests fail, what waits is dropped.
  void close(std::uint64_t number);
  [[nodiscard]] bool is_open() const;

  void send(std::vector<replica_message> messages);
  void ask(const std::string& kind, const std::string& body, std::chrono::milliseconds timeout,
           answer then);
  /// The peer has taken so many bytes.
  void credit(peer_lane lane, std::uint64_t bytes);
  /// The peer's answer to a request; one that is not waited for any more is ignored. Nothing: it
  /// was too large.
  void answered(std::uint64_t call, std::optional<std::string> bytes);
  /// Fails what waits for longer than its timeout; true while more waits.
  bool expire();

  /// A way to answer a request of the peer, once; dropping it answers `unavailable`. Nothing where
  /// too many are open; then that has been answered.
  answer serve(std::uint64_t number, std::uint64_t call);
  /// Answers a request that was not taken.
  void refuse(std::uint64_t call, const failure& why);

 private:
  struct waiting {
    answer then;
    clock::time_point deadline;
  };
  struct outgoing {
    std::uint64_t call = 0;
    bool is_answer = false;
    std::string bytes;
    std::size_t sent = 0;
  };
  class slot;

  void send_lane(peer_lane lane, const replica_message* first, const replica_message* last,
                 std::size_t window);
  void give_frame(peer_lane lane, std::string frame);
  [[nodiscard]] std::optional<failure> refusal(std::size_t bytes) const;
  void queue(outgoing what);
  void pump();
  void finish(std::uint64_t number, std::uint64_t call, const result<std::string>& what);
  void put_answer(std::uint64_t call, const result<std::string>& what);

  const node_id peer_;
  const peer_options options_;
  const std::shared_ptr<peer_metrics> metrics_;
  mutable std::mutex mutex_;
  std::uint64_t number_ = 0;  // of the connection
  std::optional<connection> to_;
  std::array<std::size_t, peer_lanes> unanswered_{};
  std::list<outgoing> calls_;
  std::size_t call_bytes_ = 0;  // of `calls_`
  std::uint64_t next_call_ = 1;
  std::map<std::uint64_t, waiting> asked_;
  std::size_t served_ = 0;  // requests of the peer that are open
};

/// Puts together what arrives over one connection. One thread.
class peer_inbox {
 public:
  struct item {
    peer_lane lane = peer_lane::signal;
    std::uint64_t call = 0;
    bool is_answer = false;
    bool too_large = false;  // of a call, whose bytes are gone
    std::string bytes;
  };

  explicit peer_inbox(const peer_options& options) : options_{options} {}

  /// What is whole now. Fails where no peer of this version would send that.
  result<std::optional<item>> take(const peer_piece& piece);

 private:
  struct partial {
    std::string bytes;
    bool too_large = false;
  };

  const peer_options options_;
  std::array<std::string, 2> frames_;
  std::map<std::pair<bool, std::uint64_t>, partial> calls_;
  std::size_t call_bytes_ = 0;
};

/// The kind and body of a request.
[[nodiscard]] std::optional<std::pair<std::string, std::string>> read_request(
    std::string_view bytes);

}  // namespace tally::cluster

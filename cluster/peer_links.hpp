#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster/http_exchange.hpp"
#include "domain/replica_types.hpp"
#include "domain/result.hpp"

namespace tally::cluster {

/// Where a node listens for the others.
struct peer_address {
  node_id node;
  std::string host;
  std::uint16_t port = 0;
  bool operator==(const peer_address&) const = default;
};

/// How a node talks to the others. docs/reference/cluster.md.
struct peer_options {
  std::string host = "127.0.0.1";  // to listen at; empty: everywhere
  std::uint16_t port = 0;          // 0: one that is free
  tls_files tls;                   // all three or none; both sides show certificates of `ca_file`
  bool insecure = false;           // without certificates elsewhere than on loopback
  std::chrono::milliseconds heartbeat_interval{200};
  std::chrono::milliseconds silence_max{1'000};        // then a peer counts as gone
  std::chrono::milliseconds connect_timeout{1'000};    // until its port answers
  std::chrono::milliseconds handshake_timeout{2'000};  // until it takes the connection on
  std::chrono::milliseconds retry_pause_min{50}, retry_pause_max{1'000};
  std::size_t piece_bytes_max = 256u << 10;        // of one message of CAF
  std::size_t data_window_bytes_max = 4u << 20;    // unanswered: messages with chunks
  std::size_t signal_window_bytes_max = 1u << 20;  // unanswered: all other messages
  std::size_t call_window_bytes_max = 1u << 20;    // unanswered: requests and answers
  std::size_t call_bytes_max = 48u << 20;          // of one request or answer
  std::size_t call_queue_bytes_max = 96u << 20;    // of all of one peer, on their way or waiting
  std::size_t calls_max = 1'024;                   // asked of one peer, and asked by it
  std::size_t frame_bytes_max = 64u << 20;         // that is taken from a peer
};
/// bad_option that names the field.
[[nodiscard]] status validate(const peer_options& options);

/// Counted since the start, over all peers.
struct peer_metrics {
  std::atomic<std::uint64_t> links_up{0}, links_down{0};        // connections that came and went
  std::atomic<std::uint64_t> handshakes_refused{0};             // by this node
  std::atomic<std::uint64_t> bytes_sent{0}, bytes_received{0};  // of messages and of calls
  std::atomic<std::uint64_t> messages_sent{0}, messages_received{0};
  std::atomic<std::uint64_t> messages_dropped{0};  // no connection, or behind a full window
  std::atomic<std::uint64_t> frames_damaged{0};    // received and not understood
  std::atomic<std::uint64_t> calls_asked{0}, calls_failed{0}, calls_served{0};
};

/// The connections between this node and the other nodes of its cluster: the messages of the
/// replication core, which may be lost and then are sent again by the core, and requests with
/// answers. Of two nodes the one with the smaller number connects. All members: any thread, never
/// blocking.
class peer_links {
 public:
  /// Called from any thread, but never two at a time about one peer; they must not block long,
  /// for a peer's next messages wait meanwhile.
  struct callbacks {
    /// In the order in which they were sent, but what carries chunks may be overtaken by what does
    /// not.
    std::function<void(node_id from, std::vector<replica_message>)> on_messages;
    std::function<void(node_id)> on_up;
    /// Within milliseconds after a peer's process died, `silence_max` after it froze.
    std::function<void(node_id)> on_down;
    /// `reply` may be called from any thread, once; dropping it answers `unavailable`.
    std::function<void(node_id from, std::string kind, std::string body,
                       std::function<void(result<std::string>)> reply)>
        on_request;
  };

  /// Listens. bad_option where the options, a certificate or the port cannot be used. A peer is
  /// taken on where it names `cluster` and this node, is among `set_peers`, speaks this protocol's
  /// version, and no other process with its number is connected.
  static result<std::unique_ptr<peer_links>> start(const peer_options& options, node_id self,
                                                   std::uint64_t cluster, callbacks told);
  /// Ends every connection. Blocks for at most `connect_timeout`; afterwards nothing is called any
  /// more. Requests that wait for an answer fail; `on_down` is not called.
  ~peer_links();

  [[nodiscard]] std::uint16_t port() const;
  /// Connects to those that are new, with pauses that double between attempts, and drops those
  /// that are not named any more. This node itself may be among them.
  void set_peers(std::vector<peer_address> peers);
  [[nodiscard]] bool is_up(node_id peer) const;

  /// Every chunk must have its body. Dropped and counted where the peer is not connected, or has
  /// not answered for as much as the window holds.
  void send(node_id to, std::vector<replica_message> messages);
  /// Gives the peer's answer or its failure; unavailable after `timeout`, where it is not
  /// connected, and at once where it goes down; over_limit where the request or the answer is too
  /// large or too many wait. `then` may be called before this returns.
  void ask(node_id to, const std::string& kind, const std::string& body,
           std::chrono::milliseconds timeout, std::function<void(result<std::string>)> then);
  /// `witness::refused` where its port refuses connections at this instant, so that its process is
  /// dead; else nothing: a peer that does not answer may be slow or cut off.
  void probe(node_id peer, std::function<void(std::optional<witness>)> then);

  [[nodiscard]] const peer_metrics& metrics() const;

 private:
  struct impl;
  explicit peer_links(std::unique_ptr<impl> i);
  std::unique_ptr<impl> impl_;
};

}  // namespace tally::cluster

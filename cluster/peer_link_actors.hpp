#pragma once

#include <caf/all.hpp>
#include <caf/io/all.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

#include "cluster/peer_channel.hpp"

namespace tally::cluster {

/// Of the handshake and of everything after it.
inline constexpr std::uint16_t peer_protocol_version = 1;

using peer_hello_atom = caf::atom_constant<caf::atom("peer_hello")>;
using peer_start_atom = caf::atom_constant<caf::atom("peer_start")>;
using peer_piece_atom = caf::atom_constant<caf::atom("peer_piece")>;
using peer_taken_atom = caf::atom_constant<caf::atom("peer_taken")>;
using peer_tick_atom = caf::atom_constant<caf::atom("peer_tick")>;
using peer_arm_atom = caf::atom_constant<caf::atom("peer_arm")>;
using peer_up_atom = caf::atom_constant<caf::atom("peer_up")>;
using peer_dial_atom = caf::atom_constant<caf::atom("peer_dial")>;
using peer_probe_atom = caf::atom_constant<caf::atom("peer_probe")>;
using peer_set_atom = caf::atom_constant<caf::atom("peer_set")>;

/// What the actors of a node's connections share. Outlives them.
struct peer_core {
  peer_options options;
  node_id self;
  std::uint64_t cluster = 0;
  std::uint64_t instance = 0;  // of this process
  peer_links::callbacks told;
  std::shared_ptr<peer_metrics> metrics = std::make_shared<peer_metrics>();
  std::atomic<bool> is_stopping{false};  // nobody is told anything any more

  mutable std::shared_mutex mutex;  // of the following
  std::map<node_id, peer_address> wanted;
  std::map<node_id, std::shared_ptr<peer_channel>> channels;  // of those wanted

  [[nodiscard]] std::shared_ptr<peer_channel> channel(node_id peer) const {
    const std::shared_lock lock{mutex};
    const auto found = channels.find(peer);
    return found == channels.end() ? nullptr : found->second;
  }
};
using peer_core_ptr = std::shared_ptr<peer_core>;

/// One end of the connection to one peer.
struct peer_link_state {
  static constexpr const char* name = "peer_link";
  explicit peer_link_state(caf::event_based_actor* owner) : self{owner} {}
  ~peer_link_state();
  peer_link_state(const peer_link_state&) = delete;
  peer_link_state& operator=(const peer_link_state&) = delete;

  void go_up();
  void take(const peer_piece& piece);
  void take_frame(const peer_inbox::item& frame);
  void take_call(peer_inbox::item call);
  void tell_taken(peer_lane lane, std::size_t bytes) const;
  void tick();

  caf::event_based_actor* self;
  peer_core_ptr core;
  node_id peer;
  std::shared_ptr<peer_channel> channel;
  std::unique_ptr<peer_inbox> inbox;
  caf::actor board, remote;
  std::uint64_t number = 0;  // of the channel's connection
  bool is_up = false, is_ticking = false;
};
struct peer_link_init {
  peer_core_ptr core;
  node_id peer;
  std::shared_ptr<peer_channel> channel;
  caf::actor board;
  caf::actor remote;  // the other end, of a connection that came in
  caf::actor door;    // whom to ask for it, of one that goes out
};
caf::behavior peer_link(caf::stateful_actor<peer_link_state>* self, const peer_link_init& init);

/// Keeps a link to every peer: dials those with larger numbers, lets in those with smaller ones.
/// Published at the node's port.
struct peer_board_state {
  static constexpr const char* name = "peer_board";
  explicit peer_board_state(caf::event_based_actor* owner) : self{owner} {}
  ~peer_board_state();
  peer_board_state(const peer_board_state&) = delete;
  peer_board_state& operator=(const peer_board_state&) = delete;

  struct hello {
    std::uint16_t version = 0;
    std::uint64_t cluster = 0;
    node_id from, to;
    std::uint64_t instance = 0;
  };
  struct seat {
    caf::actor link;
    std::uint64_t instance = 0;  // of the peer's process, where it came in
    bool is_dialing = false;
    std::chrono::milliseconds pause{0};
    std::string refusal;  // logged once
  };

  void take_peers();
  void dial(node_id peer);
  void connect(node_id peer, const std::string& host, std::uint16_t port);
  void take_door(node_id peer, const caf::strong_actor_ptr& door);
  void failed(node_id peer, const std::string& why);
  void link_ended(const caf::down_msg& gone);
  std::string refusal(const hello& said);
  caf::result<std::string, caf::actor> greet(const hello& said);
  caf::actor spawn_link(node_id peer, caf::actor remote, caf::actor door);

  caf::event_based_actor* self;
  peer_core_ptr core;
  std::map<node_id, seat> seats;
};
caf::behavior peer_board(caf::stateful_actor<peer_board_state>* self, peer_core_ptr core);

}  // namespace tally::cluster

#include "cluster/peer_link_actors.hpp"

#include <spdlog/spdlog.h>

#include <caf/openssl/all.hpp>
#include <set>

#include "cluster/port_probe.hpp"
#include "cluster/replica_wire.hpp"

namespace tally::cluster {
namespace {

constexpr std::chrono::milliseconds tick_interval{20};

/// The actor of CAF that connects, which may take seconds.
caf::io::middleman_actor connector(caf::actor_system& system) {
  return system.has_openssl_manager() ? system.openssl_manager().actor_handle()
                                      : system.middleman().actor_handle();
}

/// Why a link did not come up; empty where it just ended.
std::string text_of(const caf::error& why) {
  if (why != caf::sec::runtime_error || why.context().empty()) return {};
  const auto& said = why.context();
  return said.match_elements<std::string>() ? said.get_as<std::string>(0) : std::string{};
}

}  // namespace

// ---- link

/// Before anyone who monitors the actor is told that it ended.
peer_link_state::~peer_link_state() {
  if (!is_up) return;
  channel->close(number);
  ++core->metrics->links_down;
  if (core->is_stopping) return;
  spdlog::info("peer_down node={} peer={}", core->self.value, peer.value);
  core->told.on_down(peer);
}

void peer_link_state::go_up() {
  if (is_up) return;
  is_up = true;
  number = channel->open(
      {[to = remote](peer_piece piece) {
         caf::anon_send(to, peer_piece_atom::value, static_cast<std::uint8_t>(piece.lane),
                        piece.call, piece.is_answer, piece.is_last, std::move(piece.bytes));
       },
       [me = caf::actor_cast<caf::actor>(self)] { caf::anon_send(me, peer_arm_atom::value); }});
  ++core->metrics->links_up;
  caf::anon_send(board, peer_up_atom::value, peer.value);
  if (core->is_stopping) return;
  spdlog::info("peer_up node={} peer={}", core->self.value, peer.value);
  core->told.on_up(peer);
}

void peer_link_state::tell_taken(peer_lane lane, std::size_t bytes) const {
  caf::anon_send(remote, peer_taken_atom::value, static_cast<std::uint8_t>(lane),
                 std::uint64_t{bytes});
}

void peer_link_state::take(const peer_piece& piece) {
  go_up();  // the other end sends nothing before it is
  const auto lane = piece.lane;
  const auto size = piece.bytes.size();
  core->metrics->bytes_received += size;
  auto whole = inbox->take(piece);
  if (!whole) {
    spdlog::error("peer_dropped peer={} why=\"{}\"", peer.value, whole.error().text());
    self->quit();
    return;
  }
  // What was taken is what nobody keeps any more: a call waits in memory of its own limit.
  if (lane == peer_lane::call) tell_taken(lane, size);
  if (!*whole) return;
  auto item = std::move(**whole);
  const auto all = item.bytes.size();
  if (lane == peer_lane::call) return take_call(std::move(item));
  take_frame(item);
  tell_taken(lane, all);
}

void peer_link_state::take_frame(const peer_inbox::item& frame) {
  auto messages = decode_frame(frame.bytes);
  if (!messages) {
    ++core->metrics->frames_damaged;
    spdlog::warn("peer_frame_damaged peer={} why=\"{}\"", peer.value, messages.error().text());
    return;
  }
  core->metrics->messages_received += messages->size();
  if (!core->is_stopping) core->told.on_messages(peer, std::move(*messages));
}

void peer_link_state::take_call(peer_inbox::item call) {
  if (call.is_answer) {
    if (call.too_large) return channel->answered(call.call, std::nullopt);
    return channel->answered(call.call, std::move(call.bytes));
  }
  if (call.too_large)
    return channel->refuse(call.call, {errc::over_limit, "the request has too many bytes"});
  auto asked = read_request(call.bytes);
  if (!asked) return channel->refuse(call.call, {errc::bad_request, "the request has no kind"});
  if (core->is_stopping) return;
  if (auto reply = channel->serve(number, call.call))
    core->told.on_request(peer, std::move(asked->first), std::move(asked->second),
                          std::move(reply));
}

void peer_link_state::tick() {
  is_ticking = channel->expire();
  if (is_ticking) self->delayed_send(self, tick_interval, peer_tick_atom::value);
}

caf::behavior peer_link(caf::stateful_actor<peer_link_state>* self, const peer_link_init& init) {
  auto& state = self->state;
  state.core = init.core;
  state.peer = init.peer;
  state.channel = init.channel;
  state.board = init.board;
  state.remote = init.remote;
  state.inbox = std::make_unique<peer_inbox>(init.core->options);
  self->set_down_handler([self](caf::down_msg& gone) {
    if (gone.source == self->state.remote.address()) self->quit();
  });
  if (state.remote) {
    self->monitor(state.remote);
  } else {
    const auto& core = *init.core;
    self->request(init.door, core.options.handshake_timeout, peer_hello_atom::value,
                  peer_protocol_version, core.cluster, core.self.value, init.peer.value,
                  core.instance)
        .then(
            [self](const std::string& refusal, const caf::actor& link) {
              if (!link) return self->quit(caf::make_error(caf::sec::runtime_error, refusal));
              self->state.remote = link;
              self->monitor(link);
              self->state.go_up();
              caf::anon_send(link, peer_start_atom::value);
            },
            [self](caf::error& why) { self->quit(std::move(why)); });
  }
  return {
      [self](peer_start_atom) { self->state.go_up(); },
      [self](peer_piece_atom, std::uint8_t lane, std::uint64_t call, bool is_answer, bool is_last,
             std::string& bytes) {
        if (lane < peer_lanes && self->state.remote)
          self->state.take(
              {static_cast<peer_lane>(lane), call, is_answer, is_last, std::move(bytes)});
      },
      [self](peer_taken_atom, std::uint8_t lane, std::uint64_t bytes) {
        if (lane < peer_lanes) self->state.channel->credit(static_cast<peer_lane>(lane), bytes);
      },
      [self](peer_arm_atom) {
        if (!self->state.is_ticking) self->state.tick();
      },
      [self](peer_tick_atom) { self->state.tick(); },
  };
}

// ---- board

peer_board_state::~peer_board_state() {
  for (const auto& [node, each] : seats)
    if (each.link) caf::anon_send_exit(each.link, caf::exit_reason::user_shutdown);
}

void peer_board_state::take_peers() {
  std::vector<node_id> gone, fresh;
  {
    const std::shared_lock lock{core->mutex};
    for (const auto& [node, each] : seats)
      if (!core->wanted.contains(node)) gone.push_back(node);
    for (const auto& [node, address] : core->wanted)
      if (!seats.contains(node)) fresh.push_back(node);
  }
  for (const auto node : gone) {
    auto& each = seats[node];
    // Its seat goes when the link has ended, so that there are never two links to a peer.
    if (each.link)
      caf::anon_send_exit(each.link, caf::exit_reason::user_shutdown);
    else
      seats.erase(node);
  }
  for (const auto node : fresh) {
    seats[node].pause = core->options.retry_pause_min;
    dial(node);
  }
}

void peer_board_state::dial(node_id peer) {
  const auto found = seats.find(peer);
  if (found == seats.end() || found->second.is_dialing || found->second.link) return;
  if (peer < core->self) return;  // it connects
  peer_address address;
  {
    const std::shared_lock lock{core->mutex};
    const auto wanted = core->wanted.find(peer);
    if (wanted == core->wanted.end()) return;
    address = wanted->second;
  }
  found->second.is_dialing = true;
  self->system().spawn<caf::detached>(
      [timeout = core->options.connect_timeout, board = caf::actor_cast<caf::actor>(self)](
          caf::event_based_actor*, const peer_address& at) {
        const auto answer = probe_port(at.host, at.port, timeout);
        caf::anon_send(board, peer_probe_atom::value, at.node.value, at.host, at.port,
                       answer == port_answer::open);
      },
      address);
}

void peer_board_state::connect(node_id peer, const std::string& host, std::uint16_t port) {
  self->request(connector(self->system()), core->options.handshake_timeout,
                caf::connect_atom::value, host, port)
      .then([this, peer](const caf::node_id&, const caf::strong_actor_ptr& door,
                         const std::set<std::string>&) { take_door(peer, door); },
            [this, peer](const caf::error& why) {
              failed(peer, "no handshake: " + self->system().render(why));
            });
}

void peer_board_state::take_door(node_id peer, const caf::strong_actor_ptr& door) {
  const auto found = seats.find(peer);
  if (found == seats.end() || found->second.link) return;
  if (!door || !core->channel(peer)) return failed(peer, "nothing is published at its address");
  found->second.link = spawn_link(peer, {}, caf::actor_cast<caf::actor>(door));
  found->second.is_dialing = false;
}

void peer_board_state::failed(node_id peer, const std::string& why) {
  const auto found = seats.find(peer);
  if (found == seats.end()) return;
  auto& each = found->second;
  each.is_dialing = false;
  if (!why.empty() && each.refusal != why) {
    each.refusal = why;
    spdlog::warn("peer_unreachable node={} peer={} why=\"{}\"", core->self.value, peer.value, why);
  }
  self->delayed_send(self, each.pause, peer_dial_atom::value, peer.value);
  each.pause = std::min(2 * each.pause, core->options.retry_pause_max);
}

void peer_board_state::link_ended(const caf::down_msg& gone) {
  for (auto& [node, each] : seats) {
    if (each.link != gone.source) continue;
    each.link = nullptr;
    const auto peer = node;
    {
      const std::shared_lock lock{core->mutex};
      if (core->wanted.contains(peer)) return failed(peer, text_of(gone.reason));
    }
    seats.erase(peer);
    return;
  }
}

caf::actor peer_board_state::spawn_link(node_id peer, caf::actor remote, caf::actor door) {
  auto link = self->spawn(
      peer_link, peer_link_init{core, peer, core->channel(peer), caf::actor_cast<caf::actor>(self),
                                std::move(remote), std::move(door)});
  self->monitor(link);
  return link;
}

std::string peer_board_state::refusal(const hello& said) {
  const auto me = "node " + std::to_string(core->self.value);
  const auto peer = "node " + std::to_string(said.from.value);
  if (said.version != peer_protocol_version)
    return me + " speaks version " + std::to_string(peer_protocol_version) +
           " of the protocol between nodes, " + peer + " version " + std::to_string(said.version);
  if (said.cluster != core->cluster) return me + " is of another cluster than " + peer;
  if (said.to != core->self)
    return "at this address is " + me + ", not node " + std::to_string(said.to.value);
  if (!(said.from < core->self)) return me + " is the one that connects to " + peer;
  if (!core->channel(said.from)) return me + " does not know " + peer + " yet";
  const auto found = seats.find(said.from);
  if (found == seats.end() || !found->second.link) return {};
  if (found->second.instance != said.instance)
    return "another process that says it is " + peer + " is connected to " + me;
  // It connects anew, so what it had before is over, whatever is known of it here.
  caf::anon_send_exit(found->second.link, caf::exit_reason::user_shutdown);
  return "the last connection between " + peer + " and " + me + " has not ended yet";
}

caf::result<std::string, caf::actor> peer_board_state::greet(const hello& said) {
  auto why = refusal(said);
  auto remote = caf::actor_cast<caf::actor>(self->current_sender());
  if (why.empty() && !remote) why = "nobody said so";
  if (!why.empty()) {
    ++core->metrics->handshakes_refused;
    return {std::move(why), caf::actor{}};
  }
  auto& each = seats[said.from];
  each.instance = said.instance;
  each.link = spawn_link(said.from, std::move(remote), {});
  return {std::string{}, each.link};
}

caf::behavior peer_board(caf::stateful_actor<peer_board_state>* self, peer_core_ptr core) {
  self->state.core = std::move(core);
  self->set_down_handler([self](caf::down_msg& gone) { self->state.link_ended(gone); });
  return {
      [self](peer_set_atom) { self->state.take_peers(); },
      [self](peer_dial_atom, std::uint32_t peer) { self->state.dial(node_id{peer}); },
      [self](peer_probe_atom, std::uint32_t peer, const std::string& host, std::uint16_t port,
             bool is_open) {
        if (is_open)
          self->state.connect(node_id{peer}, host, port);
        else
          self->state.failed(node_id{peer}, "nobody answers at its address");
      },
      [self](peer_up_atom, std::uint32_t peer) {
        auto& state = self->state;
        const auto found = state.seats.find(node_id{peer});
        if (found == state.seats.end()) return;
        found->second.pause = state.core->options.retry_pause_min;
        found->second.refusal.clear();
      },
      [self](peer_hello_atom, std::uint16_t version, std::uint64_t cluster, std::uint32_t from,
             std::uint32_t to, std::uint64_t instance) {
        return self->state.greet({version, cluster, node_id{from}, node_id{to}, instance});
      },
  };
}

}  // namespace tally::cluster

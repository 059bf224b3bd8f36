#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <variant>
#include <vector>

#include "domain/chunk.hpp"
#include "domain/shard_map.hpp"
#include "domain/time.hpp"

namespace tally {

/// Of a clock that never jumps; its zero means nothing, so values of two processes don't compare.
using steady_time = std::chrono::microseconds;

/// The end of a chunk in a shard's log. All zero is before the first one.
struct log_position {
  std::uint64_t offset = 0;  // of the chunk's last event
  std::uint32_t epoch = 0;   // of the chunk
  std::uint64_t chain = 0;   // of the chunk: equal chains mean equal logs up to here
  event_time stamped_at{};   // of the chunk: no later one has an earlier stamp
  bool operator==(const log_position&) const = default;
};

/// A chunk on its way. Without a body it is on the sender's disk: whoever carries the message reads
/// it there, checks its crc and fills it in.
struct log_chunk {
  chunk_header header;
  chunk_ptr body;
};

/// From the leader: what follows `prev`. Without chunks it is a beacon.
struct append_message {
  std::uint64_t config_version = 0;
  log_position prev;
  std::vector<log_chunk> chunks;
  std::uint64_t end = 0;     // of the leader's log
  std::uint64_t commit = 0;  // of the leader
  std::uint64_t acked = 0;   // what this copy acknowledged in this epoch: it must still have it
  steady_time sent_at{};     // the leader's clock, comes back in the answer
};
/// The log up to `match` is the leader's and on disk.
struct ack_message {
  std::uint64_t match = 0;
  steady_time sent_at{};  // of the newest append that is answered
  event_time clock{};     // the follower's
};
/// `prev` is not in the log. What both logs share is not above `hint` and of no later epoch.
struct nack_message {
  log_position hint;
  steady_time sent_at{};
};
/// The sender has promised the envelope's epoch, which is higher than that of what it answers.
struct stale_message {};
/// The receiver leads from now on.
struct handover_message {
  shard_config config;
};
/// From a learner: give me what follows `end`.
struct pull_message {
  std::uint64_t end = 0;
};
/// To a learner: the log begins after `start`; fetch a copy of what is before.
struct copy_needed_message {
  log_position start;
};
/// From a copy that the configuration does not list: take me on as a learner.
struct join_message {
  node_id node;
};
/// From an in-sync copy that is about to stop, or whose disk is full: go on without me.
struct leave_message {};

/// Between two copies of one shard. The process that carries it checks the protocol version; the
/// core drops what belongs to another cluster or shard.
struct replica_message {
  std::uint64_t cluster = 0;
  std::uint16_t shard = 0;
  std::uint32_t epoch = 0;  // that the sender has promised
  replica_id from;
  std::uint64_t incarnation = 0;  // of the sender's process
  std::variant<append_message, ack_message, nack_message, stale_message, handover_message,
               pull_message, copy_needed_message, join_message, leave_message>
      body;
};

}  // namespace tally

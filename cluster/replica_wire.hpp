#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "domain/replica_messages.hpp"
#include "domain/result.hpp"

namespace tally::cluster {

/// Of what nodes send each other. A node reads only its own; docs/explanation/formats.md.
inline constexpr std::uint8_t replica_wire_version = 1;

/// Messages of the replication core as bytes:
///   0  format version, 1    1..  varint number of messages, then per message
///   cluster 8, shard 2, epoch 4, from 16, incarnation 8 (all big endian), kind 1, then by kind
///     1 append       config_version, prev, end, commit, acked, sent_at, number of chunks, chunks
///     2 ack          match, sent_at, clock        3 nack   hint, sent_at
///     4 stale        nothing                      5 handover    configuration
///     6 pull         end                          7 copy needed start
///     8 join         node                         9 leave       nothing
/// A number is a varint, a time a zigzag varint (us of a steady clock, else ms), a position
/// offset, epoch, chain (8, big endian), stamped_at; a chunk its header's fields
/// (domain/chunk.hpp), chain 8, payload; a configuration cluster 8, version, epoch, leader 16,
/// incarnation 8, in_sync (number, 16 each), copies (number, 16 and node each). Every chunk must
/// have its body.
[[nodiscard]] std::string encode_frame(const replica_message* first, std::size_t count);
[[nodiscard]] std::string encode_frame(const std::vector<replica_message>& messages);

/// At least as many bytes as the message takes in a frame, and not many more.
[[nodiscard]] std::size_t frame_bytes(const replica_message& message);

/// Checks every chunk's crc. unsupported: another version; else corrupt_record, also where a chunk
/// is of another shard than its message or has no offsets. Allocates no more than a small multiple
/// of the frame's size.
[[nodiscard]] result<std::vector<replica_message>> decode_frame(std::string_view bytes);

}  // namespace tally::cluster

#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "domain/replica_types.hpp"
#include "domain/result.hpp"
#include "persistence/history.hpp"
#include "persistence/journal.hpp"
#include "persistence/state_store.hpp"

namespace tally::cluster {

/// A chunk of a copy's log and where it lies.
struct written_chunk {
  chunk_header header;
  persistence::round_number round = 0;  // 0: on its way to the disk
  chunk_ptr body;                       // none: to be read from the round
  bool is_own = false;                  // a lane waits to hear of it by its ticket
};

/// The chunk of a log in order that holds the event at `offset`; its end where none does.
[[nodiscard]] std::deque<written_chunk>::iterator find_chunk(std::deque<written_chunk>& log,
                                                             std::uint64_t offset);

/// What one copy kept: recovered_state::log is empty, its headers are those of `chunks`.
struct found_copy {
  recovered_state state;
  std::deque<written_chunk> chunks;
};

/// Names of the journal's `meta` for what a copy promises.
[[nodiscard]] std::string replica_key(std::uint16_t shard);
/// Its value: id 16, promise 4, big endian, crc32c.
[[nodiscard]] std::string encode_replica(replica_id id, std::uint32_t promise);
[[nodiscard]] replica_id random_replica_id();

/// Where the log began when segments of it were dropped, by shard; the record rests in `meta` and
/// is written before they go.
struct log_starts {
  persistence::round_number round = 1;  // chunks before it do not count
  std::vector<log_position> starts;     // 256
};
[[nodiscard]] persistence::record to_record(const log_starts& starts);

/// Of a shard whose copy is being replaced by another node's: a restart in between finds neither.
[[nodiscard]] std::string install_key(std::uint16_t shard);

/// What all copies of a node kept.
struct found_copies {
  std::vector<found_copy> copies;  // 256
  log_starts starts;
};

/// Reads back what the copies of all shards kept. The first time it names them, and counts
/// everything that a lonely node had as committed. Raises the number of the process, on disk.
/// Empties copies that were being replaced. conflict where the directory belongs to another cluster
/// or node. Of the thread that appends, before anybody else writes.
result<found_copies> recover_copies(persistence::journal& log, persistence::history& past,
                                    persistence::state_store& state, std::uint64_t cluster,
                                    node_id node);

}  // namespace tally::cluster

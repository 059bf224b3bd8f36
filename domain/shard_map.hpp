#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tally {

/// Names one copy of one shard for as long as its disk can prove that it kept everything it synced.
/// 128 random bits, made with the data directory; a copy that cannot prove it gets a new one.
struct replica_id {
  std::uint64_t high = 0, low = 0;
  auto operator<=>(const replica_id&) const = default;  // NOLINT(modernize-use-nullptr)
  [[nodiscard]] bool is_none() const { return high == 0 && low == 0; }
};

/// 32 hex digits, in lower case; nothing where the text is anything else.
[[nodiscard]] std::string to_text(replica_id id);
[[nodiscard]] std::optional<replica_id> parse_replica_id(std::string_view text);
/// 16 hex digits: the name of a cluster in files and messages.
[[nodiscard]] std::string to_hex(std::uint64_t value);
[[nodiscard]] std::optional<std::uint64_t> parse_hex(std::string_view text);

/// A process with a data directory. Numbers are given once and never again.
struct node_id {
  std::uint32_t value = 0;
  auto operator<=>(const node_id&) const = default;  // NOLINT(modernize-use-nullptr)
};

/// Where a copy lives.
struct shard_copy {
  replica_id id;
  node_id node;
  bool operator==(const shard_copy&) const = default;
};

/// Who leads a shard and which copies count. Kept in the configuration store, one entry a shard,
/// and changed only by compare-and-swap on `version`.
struct shard_config {
  std::uint64_t cluster = 0;  // of another cluster it is refused
  std::uint64_t version = 0;  // the store's revision of this entry; 0: not read yet
  std::uint32_t epoch = 0;    // one more at each start of a leader
  replica_id leader;
  /// The process of `leader` that may lead `epoch`: another one must raise the epoch first.
  std::uint64_t incarnation = 0;
  std::vector<replica_id> in_sync;  // what is committed is on all of them; only they may lead
  std::vector<shard_copy> copies;   // all, learners too; of two on a node the later one replaces
  bool operator==(const shard_config&) const = default;

  [[nodiscard]] bool is_in_sync(replica_id id) const;
  [[nodiscard]] const shard_copy* find_copy(replica_id id) const;
  /// Another copy stands for this one: it was lost with its disk.
  [[nodiscard]] bool is_replaced(replica_id id) const;
};

/// Same content, whatever the version.
[[nodiscard]] bool same_content(const shard_config& a, const shard_config& b);

}  // namespace tally

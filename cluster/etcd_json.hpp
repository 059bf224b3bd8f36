#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/etcd_client.hpp"

namespace tally::cluster {

/// The first key behind all that begin with `prefix`, which is not empty.
[[nodiscard]] std::string end_of_prefix(std::string_view prefix);

[[nodiscard]] std::string range_request(std::string_view key, bool is_prefix);
[[nodiscard]] std::string transaction_request(const etcd_transaction& transaction);
[[nodiscard]] std::string watch_request(std::string_view prefix, std::uint64_t from_revision);

/// corrupt_record where the text is not what etcd answers.
result<etcd_range> parse_range(std::string_view text);
result<etcd_transaction_reply> parse_transaction(std::string_view text);
result<etcd_grant> parse_grant(std::string_view text);
/// 0 where the answer has no TTL: the lease is gone.
result<std::chrono::seconds> parse_keep_alive(std::string_view text);
result<std::string> parse_token(std::string_view text);
/// What an answer with another status than 200 says; unavailable where it may have happened.
failure parse_failure(unsigned status, std::string_view text);

struct etcd_event {
  etcd_entry entry;
  bool is_delete = false;
};
/// One line of a watch.
struct etcd_watch_line {
  std::vector<etcd_event> events;
  bool is_created = false;
  bool is_cancelled = false;
  std::uint64_t compact_revision = 0;  // what the watch asked for is gone up to here
};
result<etcd_watch_line> parse_watch_line(std::string_view text);

}  // namespace tally::cluster

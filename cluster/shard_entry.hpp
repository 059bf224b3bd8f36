#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/result.hpp"
#include "domain/shard_map.hpp"

namespace tally::cluster {

/// Where the things of a cluster are in etcd: all begins with "/tally/" and the cluster's name, and
/// a shard has 4 digits, a node 10, so that they sort as numbers.
[[nodiscard]] std::string root_of(std::string_view cluster);
[[nodiscard]] std::string shards_prefix(std::string_view cluster);
[[nodiscard]] std::string shard_key(std::string_view cluster, std::uint16_t shard);
[[nodiscard]] std::string placement_prefix(std::string_view cluster);
[[nodiscard]] std::string placement_key(std::string_view cluster, std::uint16_t shard);
/// Of a key that begins with `prefix`; nothing where it names no shard.
[[nodiscard]] std::optional<std::uint16_t> shard_of_key(std::string_view key,
                                                        std::string_view prefix);
/// bad_option: 1 to 64 letters, digits, '-', '_' and '.'.
[[nodiscard]] status validate_cluster_name(std::string_view name);

/// JSON: {"format":1,"cluster":"16 hex digits","epoch":7,"leader":"32 hex digits","incarnation":3,
/// "in_sync":["32 hex digits"],"copies":[{"id":"32 hex digits","node":1}]}. The version is not in
/// it: it is the entry's revision.
[[nodiscard]] std::string write_shard_entry(const shard_config& config);
/// corrupt_record; unsupported where another format is named.
[[nodiscard]] result<shard_config> parse_shard_entry(std::string_view text, std::uint64_t version);

/// JSON: an array of node numbers, the first of which should lead.
[[nodiscard]] std::string write_placement_entry(const std::vector<node_id>& nodes);
[[nodiscard]] result<std::vector<node_id>> parse_placement_entry(std::string_view text);

}  // namespace tally::cluster

#include "cluster/replica_disk.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

#include "domain/bytes.hpp"
#include "domain/shard.hpp"
#include "persistence/crc32c.hpp"
#include "persistence/shard_copy.hpp"

namespace tally::cluster {
namespace {

constexpr auto incarnation_key = "replica/incarnation";
constexpr auto owner_key = "replica/owner";
constexpr auto starts_key = "replica/starts";
constexpr auto install_prefix = "replica/install/";

std::string with_crc(std::string bytes) {
  const auto crc = persistence::crc32c(bytes);
  byte_writer{bytes}.u32be(crc);
  return bytes;
}

std::optional<std::string_view> without_crc(std::string_view bytes) {
  if (bytes.size() < 4) return std::nullopt;
  const auto content = bytes.substr(0, bytes.size() - 4);
  if (byte_reader{bytes.substr(content.size())}.u32be() != persistence::crc32c(content))
    return std::nullopt;
  return content;
}

failure damaged(const std::string& what) {
  return {errc::corrupt_record, "meta " + what + ": damaged"};
}

status decode_replica(const persistence::record& r, recovered_state& into) {
  const auto content = without_crc(r.value);
  byte_reader in{content.value_or(std::string_view{})};
  into.id.high = in.u64be();
  into.id.low = in.u64be();
  into.promise = in.u32be();
  if (!in.ok() || !in.at_end() || into.id.is_none()) return damaged(r.key);
  return done{};
}

result<log_starts> read_starts(const persistence::journal& log) {
  log_starts found{1, std::vector<log_position>(shard_count)};
  const auto text = log.get_meta(starts_key);
  if (!text && text.error().code == errc::not_found) return found;
  if (!text) return text.error();
  byte_reader in{without_crc(*text).value_or(std::string_view{})};
  found.round = in.u64be();
  for (auto& at : found.starts) {
    at.offset = in.u64be();
    at.epoch = in.u32be();
    at.chain = in.u64be();
    at.stamped_at = time_from_ms(in.i64be());
  }
  if (!in.ok() || !in.at_end()) return damaged(starts_key);
  return found;
}

/// Whose copies these are: nobody's yet, or this node's in this cluster.
status check_owner(const persistence::journal& log, const std::string& owner) {
  const auto known = log.get_meta(owner_key);
  if (!known && known.error().code != errc::not_found) return known.error();
  if (known && *known != owner)
    return failure{errc::conflict, "the data directory belongs to " + *known + ", not to " + owner};
  return done{};
}

/// Names for the copies that have none, and what a lonely node had counts as committed.
void name_new_copies(const persistence::journal& log, std::vector<found_copy>& copies,
                     persistence::round_content& content) {
  for (auto& copy : copies) {
    auto& state = copy.state;
    if (!state.id.is_none()) continue;
    state.id = random_replica_id();
    content.meta.push_back({replica_key(state.shard), encode_replica(state.id, state.promise)});
  }
  if (log.commits()) return;
  for (auto& copy : copies) {
    copy.state.commit = log.ends()[copy.state.shard].next_offset - 1;
    content.commits.push_back({copy.state.shard, copy.state.commit});
  }
}

}  // namespace

std::deque<written_chunk>::iterator find_chunk(std::deque<written_chunk>& log,
                                               std::uint64_t offset) {
  return std::ranges::lower_bound(log, offset, {},
                                  [](const written_chunk& c) { return c.header.last(); });
}

std::string replica_key(std::uint16_t shard) {
  char text[24];
  std::snprintf(text, sizeof text, "replica/shard/%04u", unsigned{shard});
  return text;
}

std::string install_key(std::uint16_t shard) {
  char text[28];
  std::snprintf(text, sizeof text, "%s%04u", install_prefix, unsigned{shard});
  return text;
}

std::string encode_replica(replica_id id, std::uint32_t promise) {
  std::string out;
  byte_writer to{out};
  to.u64be(id.high);
  to.u64be(id.low);
  to.u32be(promise);
  return with_crc(std::move(out));
}

replica_id random_replica_id() {
  static thread_local std::random_device source;
  const auto number = [] { return (std::uint64_t{source()} << 32U) | source(); };
  return {number(), number() | 1U};
}

persistence::record to_record(const log_starts& starts) {
  std::string out;
  byte_writer to{out};
  to.u64be(starts.round);
  for (const auto& at : starts.starts) {
    to.u64be(at.offset);
    to.u32be(at.epoch);
    to.u64be(at.chain);
    to.i64be(to_ms(at.stamped_at));
  }
  return {starts_key, with_crc(std::move(out))};
}

namespace {

/// A lonely node may have dropped its log behind its history: then the log begins there.
log_starts starts_of_lonely(const persistence::journal& log, const persistence::history& past) {
  log_starts starts{1, std::vector<log_position>(shard_count)};
  if (log.first_round() <= 1) return starts;
  const auto seen = past.look();
  starts.round = persistence::history::sealed(seen).round + 1;
  for (std::uint16_t shard = 0; shard < shard_count; ++shard) {
    const auto sealed = persistence::history::sealed(seen, shard);
    if (sealed.offset == 0) continue;
    const auto& end = log.ends()[shard];
    // Epoch and stamp of the sealed chunk are not kept; no later one has lower ones than these.
    starts.starts[shard] = {sealed.offset, 0, sealed.chain, {}};
    if (end.next_offset == sealed.offset + 1)
      starts.starts[shard] = {sealed.offset, end.epoch, end.chain, time_from_ms(end.stamped_at_ms)};
  }
  return starts;
}

/// Copies that were being replaced when the process ended have nothing any more.
result<std::vector<std::uint16_t>> wipe_unfinished(const persistence::journal& log,
                                                   persistence::history& past,
                                                   persistence::state_store& state) {
  const auto unfinished = log.list_meta(install_prefix);
  if (!unfinished) return unfinished.error();
  std::vector<std::uint16_t> shards;
  for (const auto& r : *unfinished) {
    const auto shard = std::strtoul(r.key.c_str() + std::strlen(install_prefix), nullptr, 10);
    if (shard >= shard_count) return damaged(r.key);
    shards.push_back(static_cast<std::uint16_t>(shard));
    if (auto wiped = persistence::forget_shard(past, state, shards.back()); !wiped)
      return wiped.error();
  }
  return shards;
}

}  // namespace

result<found_copies> recover_copies(persistence::journal& log, persistence::history& past,
                                    persistence::state_store& state_of_merchants,
                                    std::uint64_t cluster, node_id node) {
  const auto owner =
      "node " + std::to_string(node.value) + " of cluster " + std::to_string(cluster);
  if (auto good = check_owner(log, owner); !good) return good.error();
  auto starts = read_starts(log);
  if (!starts) return starts.error();
  const bool was_lonely = !log.commits();
  if (was_lonely) *starts = starts_of_lonely(log, past);
  const auto wiped = wipe_unfinished(log, past, state_of_merchants);
  if (!wiped) return wiped.error();

  std::vector<found_copy> copies(shard_count);
  for (std::uint16_t shard = 0; shard < shard_count; ++shard) {
    auto& state = copies[shard].state;
    state.cluster = cluster;
    state.shard = shard;
    state.node = node;
    state.start = starts->starts[shard];
    state.fresh_id = random_replica_id();
    if (log.commits()) state.commit = (*log.commits())[shard];
    const auto kept = log.get_meta(replica_key(shard));
    if (!kept && kept.error().code == errc::not_found) continue;
    if (!kept) return kept.error();
    if (auto read = decode_replica({replica_key(shard), *kept}, state); !read) return read.error();
  }
  persistence::round_content content;
  for (const auto shard : *wiped) {
    copies[shard].state.id = {};  // nobody is to count on what it was
    content.meta.push_back({install_key(shard), {}});
  }
  const auto scanned =
      log.scan_all(starts->round, log.last_round(), [&](auto round, const auto& entries) {
        for (const auto& entry : entries)
          copies[entry.header.shard].chunks.push_back({entry.header, round, nullptr, false});
        return true;
      });
  if (!scanned) return scanned.error();
  if (was_lonely) {
    for (auto& copy : copies) {
      auto& start = copy.state.start;
      if (start.offset == 0 || start.epoch != 0 || copy.chunks.empty()) continue;
      start.epoch = copy.chunks.front().header.epoch;
      start.stamped_at = copy.chunks.front().header.stamped_at;
      starts->starts[copy.state.shard] = start;
    }
    content.meta.push_back(to_record(*starts));
  }

  std::uint64_t incarnation = 1;
  if (const auto before = log.get_meta(incarnation_key); before)
    incarnation = std::strtoull(before->c_str(), nullptr, 10) + 1;
  else if (before.error().code != errc::not_found)
    return before.error();
  content.meta.push_back({incarnation_key, std::to_string(incarnation)});
  content.meta.push_back({owner_key, owner});
  name_new_copies(log, copies, content);
  const auto written = log.append(content);
  if (!written) return written.error();
  for (auto& copy : copies) {
    copy.state.incarnation = incarnation;
    for (const auto& c : copy.chunks) copy.state.log.push_back(c.header);
  }
  return found_copies{std::move(copies), std::move(*starts)};
}

}  // namespace tally::cluster

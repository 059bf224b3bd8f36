#include "cluster/membership.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "cluster/shard_entry.hpp"
#include "domain/shard.hpp"

namespace tally::cluster {
namespace {

constexpr unsigned attempts_max = 16;  // of swaps that others were faster at
constexpr std::size_t name_size_max = 128;

failure busy(const std::string& key) {
  return {errc::unavailable, key + " is changed too often"};
}

/// The value at `key`, or what `make` gives where there is none; of several that make one at once
/// one is kept.
result<std::string> get_or_create(etcd_client& client, const std::string& key,
                                  const std::function<result<etcd_transaction::put>()>& make) {
  for (unsigned attempt = 0; attempt < attempts_max; ++attempt) {
    const auto found = client.get(key);
    if (!found) return found.error();
    if (!found->entries.empty()) return found->entries[0].value;
    const auto fresh = make();
    if (!fresh) return fresh.error();
    const auto swapped = client.swap_surely(*fresh, 0);
    if (swapped) return fresh->value;
    if (swapped.error().code != errc::conflict) return swapped.error();
  }
  return busy(key);
}

/// What is known of a node that asks again; its name and zone may be others now.
result<node_id> know_again(etcd_client& client, std::string_view cluster, const member& known,
                           std::uint64_t version, const joining_node& node) {
  if (known.state == node_state::removed) {
    return failure{errc::forbidden,
                   "node " + std::to_string(known.id.value) + " was removed from the cluster"};
  }
  if (known.name == node.name && known.zone == node.zone) return known.id;
  auto changed = known;
  changed.name = node.name;
  changed.zone = node.zone;
  const auto swapped =
      client.swap_surely({member_key(cluster, known.id), write_member(changed)}, version);
  if (!swapped) return swapped.error();
  return known.id;
}

result<std::optional<node_id>> find_member(etcd_client& client, std::string_view cluster,
                                           const joining_node& node) {
  const auto found = client.get_prefix(members_prefix(cluster));
  if (!found) return found.error();
  for (const auto& entry : found->entries) {
    const auto id = node_of_key(entry.key);
    if (!id) continue;
    const auto known = parse_member(*id, entry.value);
    // Its number must not be given a second time, so the node cannot go on without it.
    if (!known) return failure{known.error().code, entry.key + ": " + known.error().detail};
    if (known->identity != node.identity) continue;
    const auto again = know_again(client, cluster, *known, entry.mod_revision, node);
    if (!again) return again.error();
    return std::optional{*again};
  }
  return std::optional<node_id>{};
}

/// Takes the next number and becomes its member in one step; nothing where another was faster.
result<std::optional<node_id>> take_number(etcd_client& client, std::string_view cluster,
                                           const joining_node& node) {
  const auto key = next_node_key(cluster);
  const auto found = client.get(key);
  if (!found) return found.error();
  node_id next{1};
  std::uint64_t version = 0;
  if (!found->entries.empty()) {
    const auto& text = found->entries[0].value;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), next.value);
    if (error != std::errc{} || end != text.data() + text.size() || next.value == 0) {
      return failure{errc::corrupt_record, key + ": a number is needed"};
    }
    version = found->entries[0].mod_revision;
  }
  const member fresh{next, node.identity, node.name, node.zone, node_state::active};
  const auto place = member_key(cluster, next);
  const auto reply =
      client.run({{{key, version}, {place, 0}},
                  {{key, std::to_string(next.value + 1)}, {place, write_member(fresh)}},
                  {}});
  if (!reply) return reply.error();
  return reply->succeeded ? std::optional{next} : std::nullopt;
}

}  // namespace

bool is_plain_name(std::string_view name) {
  return !name.empty() && name.size() <= name_size_max && std::ranges::all_of(name, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '.';
  });
}

result<joined_node> join_cluster(etcd_client& client, std::string_view cluster,
                                 std::uint64_t fresh_cluster, const joining_node& node) {
  if (auto name = validate_cluster_name(cluster); !name) return name.error();
  if (!parse_replica_id(node.identity)) {
    return failure{errc::bad_option, "identity: 32 hex digits are needed"};
  }
  if (!is_plain_name(node.name)) {
    return failure{errc::bad_option,
                   "cluster.node_name: 1 to 128 letters, digits, '-', '_' and '.' are needed"};
  }
  const auto key = cluster_id_key(cluster);
  const auto number = get_or_create(client, key, [&]() -> result<etcd_transaction::put> {
    return etcd_transaction::put{key, to_hex(fresh_cluster), 0};
  });
  if (!number) return number.error();
  const auto id = parse_hex(*number);
  if (!id) return failure{errc::corrupt_record, key + ": 16 hex digits are needed"};
  for (unsigned attempt = 0; attempt < attempts_max; ++attempt) {
    const auto known = find_member(client, cluster, node);
    if (!known && known.error().code == errc::conflict) continue;
    if (!known) return known.error();
    if (*known) return joined_node{*id, **known};
    const auto fresh = take_number(client, cluster, node);
    // An answer that did not come may yet have happened: the next look finds it.
    if (!fresh && fresh.error().code != errc::unavailable) return fresh.error();
    if (fresh && *fresh) return joined_node{*id, **fresh};
  }
  return busy(next_node_key(cluster));
}

status set_node_state(etcd_client& client, std::string_view cluster, node_id node,
                      node_state state) {
  const auto key = member_key(cluster, node);
  for (unsigned attempt = 0; attempt < attempts_max; ++attempt) {
    const auto found = client.get(key);
    if (!found) return found.error();
    if (found->entries.empty()) {
      return failure{errc::not_found, "node " + std::to_string(node.value)};
    }
    auto known = parse_member(node, found->entries[0].value);
    if (!known) return known.error();
    if (known->state == state) return done{};
    known->state = state;
    const auto swapped =
        client.swap_surely({key, write_member(*known)}, found->entries[0].mod_revision);
    if (swapped) return done{};
    if (swapped.error().code != errc::conflict) return swapped.error();
  }
  return busy(key);
}

result<std::string> shared_secret(etcd_client& client, std::string_view cluster,
                                  std::string_view name, const std::function<std::string()>& make,
                                  std::chrono::seconds lasts) {
  if (!is_plain_name(name))
    return failure{errc::bad_option, "name of a secret: " + std::string{name}};
  const auto key = secret_key(cluster, name);
  return get_or_create(client, key, [&]() -> result<etcd_transaction::put> {
    if (lasts.count() == 0) return etcd_transaction::put{key, make(), 0};
    const auto lease = client.grant(lasts);
    if (!lease) return lease.error();
    return etcd_transaction::put{key, make(), lease->id};
  });
}

membership::membership(membership_options options, membership_callbacks callbacks)
    : options_{std::move(options)}, callbacks_{std::move(callbacks)}, placement_(shard_count) {
  ensure(validate(options_.etcd).ok(), "membership with unchecked options");
  nodes_watch_ =
      std::make_unique<etcd_watch>(options_.etcd, nodes_prefix(options_.cluster),
                                   [this](const etcd_watch::change& c) { take_node(c); });
  placement_watch_ =
      std::make_unique<etcd_watch>(options_.etcd, placement_prefix(options_.cluster),
                                   [this](const etcd_watch::change& c) { take_placement(c); });
  lease_ = std::make_unique<etcd_lease>(
      options_.etcd, etcd_lease_callbacks{callbacks_.is_well,
                                          [this](etcd_client& client, std::uint64_t lease) {
                                            return register_node(client, lease);
                                          },
                                          callbacks_.on_lease_lost});
}

membership::~membership() {
  lease_.reset();
  nodes_watch_.reset();
  placement_watch_.reset();
}

std::vector<cluster_node> membership::nodes() const {
  std::vector<etcd_entry> entries;
  {
    const std::lock_guard lock{mutex_};
    for (const auto& [key, entry] : entries_) entries.push_back(entry);
  }
  return nodes_of(options_.cluster, entries);
}

std::vector<std::vector<node_id>> membership::placement() const {
  const std::lock_guard lock{mutex_};
  return placement_;
}

bool membership::is_filled() const {
  return nodes_watch_->revision() != 0 && placement_watch_->revision() != 0;
}

/// An entry of an earlier process of this node, whose lease has not run out, is replaced. One of a
/// later process is not: the data directory was copied, and the copy runs.
bool membership::register_node(etcd_client& client, std::uint64_t lease) {
  const auto key = live_key(options_.cluster, options_.self);
  const auto found = client.get(key);
  if (!found) return false;
  std::uint64_t version = 0;
  if (!found->entries.empty()) {
    const auto& entry = found->entries[0];
    if (entry.lease == lease) return true;
    version = entry.mod_revision;
    const auto other = parse_live(entry.value);
    const bool is_other =
        other && other->incarnation >= options_.as.incarnation && *other != options_.as;
    if (is_other) {
      spdlog::error("node_runs_elsewhere node={} peer={} incarnation={}", options_.self.value,
                    other->at.peer, other->incarnation);
      return false;
    }
  }
  const auto swapped = client.swap({key, write_live(options_.as), lease}, version);
  if (swapped.outcome != swap_outcome::done) return false;
  spdlog::info("node_registered node={} lease={}", options_.self.value, lease);
  return true;
}

void membership::take_node(const etcd_watch::change& change) {
  {
    const std::lock_guard lock{mutex_};
    if (change.entry) {
      entries_[change.key] = *change.entry;
    } else {
      entries_.erase(change.key);
    }
  }
  callbacks_.on_nodes(nodes());
}

void membership::take_placement(const etcd_watch::change& change) {
  const auto shard = shard_of_key(change.key, placement_prefix(options_.cluster));
  if (!shard) return;
  std::vector<node_id> list;
  if (change.entry) {
    auto parsed = parse_placement_entry(change.entry->value);
    if (!parsed) {
      spdlog::error("placement_unreadable shard={} reason={}", *shard, parsed.error().text());
      return;
    }
    list = std::move(*parsed);
  }
  {
    const std::lock_guard lock{mutex_};
    placement_[*shard] = list;
  }
  callbacks_.on_placement(*shard, list);
}

}  // namespace tally::cluster

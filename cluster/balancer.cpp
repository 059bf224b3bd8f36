#include "cluster/balancer.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "cluster/shard_entry.hpp"
#include "domain/shard.hpp"

namespace tally::cluster {

status validate(const balancer_options& o) {
  if (auto etcd = validate(o.etcd); !etcd) return etcd;
  if (auto name = validate_cluster_name(o.cluster); !name) return name;
  const auto bad = [](const char* field) {
    return failure{errc::bad_option, std::string{"balancer."} + field};
  };
  if (!is_valid(o.placement)) return bad("placement: copies must be min_in_sync at least");
  if (o.busy_interval.count() <= 0) return bad("busy_interval: must be positive");
  if (o.idle_interval < o.busy_interval) return bad("idle_interval: less than busy_interval");
  if (o.settle.count() < 0) return bad("settle: must not be negative");
  return done{};
}

balancer::balancer(balancer_options options, const membership& who)
    : options_{std::move(options)}, who_{who} {
  ensure(validate(options_).ok(), "balancer with unchecked options");
  thread_ = std::thread{[this] { run(); }};
}

balancer::~balancer() {
  {
    const std::lock_guard lock{mutex_};
    is_ending_ = true;
  }
  ends_.notify_all();
  thread_.join();
}

bool balancer::holds_lock() const {
  const std::lock_guard lock{mutex_};
  return holds_;
}

std::uint64_t balancer::changes() const {
  const std::lock_guard lock{mutex_};
  return changes_;
}

void balancer::note(bool holds) {
  const std::lock_guard lock{mutex_};
  if (holds && !holds_) {
    spdlog::info("balancer_began node={}", who_.self().value);
    began_at_ = clock::now();
    dead_since_.clear();
  }
  holds_ = holds;
}

void balancer::run() {
  etcd_client client{options_.etcd};
  auto wait = options_.busy_interval;
  for (;;) {
    {
      std::unique_lock lock{mutex_};
      if (ends_.wait_for(lock, wait, [this] { return is_ending_; })) return;
    }
    wait = turn(client) ? options_.busy_interval : options_.idle_interval;
  }
}

/// True where there may soon be more to do.
bool balancer::turn(etcd_client& client) {
  const auto lease = who_.lease();
  if (lease == 0 || !take_lock(client, lease)) {
    note(false);
    return lease == 0;
  }
  const auto seen = look(client, lease);
  note(seen && seen->lock != 0);
  if (!seen || seen->lock == 0) return true;
  if (must_wait(*seen)) return true;
  const auto next = plan_placement(seen->planned, seen->actual, judge(*seen), options_.placement);
  if (next != seen->planned) {
    write(client, *seen, next);
    return true;
  }
  return std::ranges::any_of(
      next, [&](const auto& list) { return list.size() > options_.placement.copies; });
}

/// True also where it has it already.
bool balancer::take_lock(etcd_client& client, std::uint64_t lease) {
  if (holds_lock()) return true;
  const auto key = balancer_key(options_.cluster);
  const auto found = client.get(key);
  if (!found) return false;
  if (!found->entries.empty()) return found->entries[0].lease == lease;
  const auto text = "{\"node\":" + std::to_string(who_.self().value) + "}";
  return client.swap({key, text, lease}, 0).outcome == swap_outcome::done;
}

std::optional<balancer::view> balancer::look(etcd_client& client, std::uint64_t lease) const {
  const auto found = client.get_prefix(root_of(options_.cluster));
  if (!found) return std::nullopt;
  view v;
  v.planned.resize(shard_count);
  v.versions.resize(shard_count);
  v.actual.resize(shard_count);
  const auto planned = placement_prefix(options_.cluster), shards = shards_prefix(options_.cluster);
  const auto lock = balancer_key(options_.cluster);
  for (const auto& entry : found->entries) {
    if (entry.key == lock && entry.lease == lease) v.lock = entry.mod_revision;
    if (const auto shard = shard_of_key(entry.key, planned)) {
      v.versions[*shard] = entry.mod_revision;
      // One that cannot be read is planned anew from where the copies are.
      if (auto list = parse_placement_entry(entry.value)) v.planned[*shard] = std::move(*list);
    } else if (const auto of = shard_of_key(entry.key, shards)) {
      if (auto config = parse_shard_entry(entry.value, entry.mod_revision)) {
        v.actual[*of] = std::move(*config);
      }
    }
  }
  v.nodes = nodes_of(options_.cluster, found->entries);
  return v;
}

bool balancer::must_wait(const view& v) const {
  const bool is_new = std::ranges::none_of(v.versions, [](auto version) { return version != 0; });
  const auto live =
      std::ranges::count_if(v.nodes, [](const auto& n) { return n.live.has_value(); });
  return is_new && static_cast<std::size_t>(live) < options_.placement.copies &&
         clock::now() - began_at_ < options_.settle;
}

std::vector<placed_node> balancer::judge(const view& v) {
  const auto now = clock::now();
  std::vector<placed_node> nodes;
  for (const auto& node : v.nodes) {
    placed_node placed{node.what.id, node.what.zone, node.what.state, node.live.has_value(), {}};
    if (node.live) {
      dead_since_.erase(node.what.id);
    } else {
      const auto since = dead_since_.try_emplace(node.what.id, now).first->second;
      placed.dead_for = std::chrono::duration_cast<std::chrono::milliseconds>(now - since);
    }
    nodes.push_back(std::move(placed));
  }
  return nodes;
}

/// Writes what differs. A transaction that is refused met another holder of the lock or another
/// writer, and the next look shows what there is.
void balancer::write(etcd_client& client, const view& v, const tally::placement& next) {
  const auto per_transaction = (options_.etcd.operations_max - 1) / 2;
  std::size_t at = 0;
  while (at < next.size()) {
    etcd_transaction transaction;
    transaction.compares.push_back({balancer_key(options_.cluster), v.lock});
    for (; at < next.size() && transaction.puts.size() < per_transaction; ++at) {
      if (next[at] == v.planned[at]) continue;
      const auto key = placement_key(options_.cluster, static_cast<std::uint16_t>(at));
      transaction.compares.push_back({key, v.versions[at]});
      transaction.puts.push_back({key, write_placement_entry(next[at]), 0});
    }
    if (transaction.puts.empty()) break;
    const auto reply = client.run(transaction);
    if (!reply || !reply->succeeded) {
      spdlog::warn("placement_not_written reason={}",
                   reply ? "changed meanwhile" : reply.error().text());
      return;
    }
    const std::lock_guard lock{mutex_};
    changes_ += transaction.puts.size();
  }
}

}  // namespace tally::cluster

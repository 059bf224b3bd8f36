#include "cluster/shard_store.hpp"

#include <spdlog/spdlog.h>

#include <utility>

#include "cluster/shard_entry.hpp"
#include "domain/shard.hpp"

namespace tally::cluster {

status validate(const shard_store_options& o) {
  if (auto etcd = validate(o.etcd); !etcd) return etcd;
  if (auto name = validate_cluster_name(o.cluster); !name) return name;
  const auto bad = [](const char* field) {
    return failure{errc::bad_option, std::string{"shard_store."} + field + ": must be positive"};
  };
  if (o.swappers == 0) return bad("swappers");
  if (o.swaps_waiting_max == 0) return bad("swaps_waiting_max");
  if (o.reads_waiting_max == 0) return bad("reads_waiting_max");
  if (o.wait_max.count() <= 0) return bad("wait_max");
  return done{};
}

shard_store::shard_store(shard_store_options options, observer on_config)
    : options_{std::move(options)},
      prefix_{shards_prefix(options_.cluster)},
      on_config_{std::move(on_config)},
      known_(shard_count) {
  ensure(validate(options_).ok(), "shard_store with unchecked options");
  watch_ = std::make_unique<etcd_watch>(
      options_.etcd, prefix_, [this](const etcd_watch::change& change) { take_change(change); });
  for (std::size_t i = 0; i < options_.swappers; ++i) {
    swappers_.emplace_back([this, i] { serve_swaps(i); });
  }
  reader_ = std::thread{[this] { serve_reads(); }};
  decliner_ = std::thread{[this] { serve_declined(); }};
}

shard_store::~shard_store() {
  watch_.reset();
  {
    const std::lock_guard lock{mutex_};
    is_ending_ = true;
  }
  swaps_come_.notify_all();
  reads_come_.notify_all();
  for (auto& swapper : swappers_) swapper.join();
  reader_.join();
  {
    const std::lock_guard lock{mutex_};
    is_declining_over_ = true;
  }
  declined_come_.notify_all();
  decliner_.join();
}

void shard_store::compare_and_swap(std::uint16_t shard, std::uint64_t expected_version,
                                   shard_config proposed, swap_callback then) {
  ensure(shard < shard_count, "a swap of a shard that does not exist");
  const std::lock_guard lock{mutex_};
  if (is_ending_ || swaps_.size() >= options_.swaps_waiting_max) {
    ++counts_.swaps_refused;
    declined_.emplace_back([then = std::move(then)] { then(swap_outcome::refused, 0); });
    declined_come_.notify_one();
    return;
  }
  swaps_.push_back({shard, expected_version, std::move(proposed), std::move(then), clock::now()});
  swaps_come_.notify_one();
}

void shard_store::read(std::uint16_t shard, read_callback then) {
  ensure(shard < shard_count, "a read of a shard that does not exist");
  const std::lock_guard lock{mutex_};
  if (is_ending_ || reads_waiting_ >= options_.reads_waiting_max) {
    ++counts_.reads_failed;
    declined_.emplace_back([then = std::move(then)] { then(std::nullopt); });
    declined_come_.notify_one();
    return;
  }
  ++reads_waiting_;
  reads_[shard].push_back(std::move(then));
  reads_come_.notify_one();
}

void shard_store::serve_declined() {
  std::unique_lock lock{mutex_};
  for (;;) {
    declined_come_.wait(lock, [this] { return is_declining_over_ || !declined_.empty(); });
    if (declined_.empty()) return;
    const auto answers = std::exchange(declined_, {});
    lock.unlock();
    for (const auto& answer : answers) answer();
    lock.lock();
  }
}

void shard_store::serve_swaps(std::size_t number) {
  etcd_client client{options_.etcd, number};
  std::unique_lock lock{mutex_};
  for (;;) {
    swaps_come_.wait(lock, [this] { return is_ending_ || !swaps_.empty(); });
    if (swaps_.empty()) return;
    auto swap = std::move(swaps_.front());
    swaps_.pop_front();
    const bool is_sent = !is_ending_ && clock::now() - swap.asked_at < options_.wait_max;
    lock.unlock();
    answer_swap(client, swap, is_sent);
    lock.lock();
  }
}

void shard_store::answer_swap(etcd_client& client, pending_swap& swap, bool is_sent) {
  etcd_swap_reply reply{swap_outcome::refused, 0};
  if (is_sent) {
    reply = client.swap({shard_key(options_.cluster, swap.shard), write_shard_entry(swap.proposed)},
                        swap.expected_version);
  }
  {
    const std::lock_guard lock{mutex_};
    if (reply.outcome == swap_outcome::done) ++counts_.swaps_done;
    if (reply.outcome == swap_outcome::refused) ++counts_.swaps_refused;
    if (reply.outcome == swap_outcome::unknown) ++counts_.swaps_unknown;
  }
  swap.then(reply.outcome, reply.version);
}

void shard_store::serve_reads() {
  etcd_client client{options_.etcd, options_.swappers};
  std::unique_lock lock{mutex_};
  for (;;) {
    reads_come_.wait(lock, [this] { return is_ending_ || !reads_.empty(); });
    if (reads_.empty()) return;
    auto reads = std::exchange(reads_, {});
    reads_waiting_ = 0;
    lock.unlock();
    answer_reads(client, reads);
    lock.lock();
  }
}

/// One shard is asked for alone, several with all the others.
void shard_store::answer_reads(etcd_client& client, waiting_reads& reads) {
  const auto find = [&]() -> result<etcd_range> {
    {
      const std::lock_guard lock{mutex_};
      if (is_ending_) return failure{errc::unavailable, "ending"};
    }
    if (reads.size() > 1) return client.get_prefix(prefix_);
    return client.get(shard_key(options_.cluster, reads.begin()->first));
  };
  const auto found = find();
  std::map<std::uint16_t, const etcd_entry*> entries;
  if (found) {
    for (const auto& entry : found->entries) {
      if (const auto shard = shard_of_key(entry.key, prefix_)) entries[*shard] = &entry;
    }
  }
  for (auto& [shard, callbacks] : reads) {
    std::optional<shard_config> config;
    if (found) {
      const auto entry = entries.find(shard);
      config = entry == entries.end() ? shard_config{} : config_of(shard, *entry->second);
    }
    {
      const std::lock_guard lock{mutex_};
      (config ? counts_.reads_done : counts_.reads_failed) += callbacks.size();
    }
    for (auto& callback : callbacks) callback(config);
  }
}

/// Nothing where it cannot be understood: whoever needs it goes on without.
std::optional<shard_config> shard_store::config_of(std::uint16_t shard, const etcd_entry& entry) {
  auto config = parse_shard_entry(entry.value, entry.mod_revision);
  if (config) return std::move(*config);
  spdlog::error("shard_entry_unreadable shard={} reason={}", shard, config.error().text());
  const std::lock_guard lock{mutex_};
  ++counts_.unreadable;
  return std::nullopt;
}

void shard_store::take_change(const etcd_watch::change& change) {
  const auto shard = shard_of_key(change.key, prefix_);
  if (!shard) return;
  const auto config =
      change.entry ? config_of(*shard, *change.entry) : std::optional<shard_config>{shard_config{}};
  if (!config) return;
  {
    const std::lock_guard lock{mutex_};
    known_[*shard] = *config;
  }
  on_config_(*shard, *config);
}

status shard_store::create_shards(const std::vector<shard_config>& first) {
  ensure(first.size() <= shard_count, "more shards than there are");
  etcd_client client{options_.etcd};
  const auto per_transaction = options_.etcd.operations_max / 2;
  for (std::size_t begin = 0; begin < first.size();) {
    const auto found = client.get_prefix(prefix_);
    if (!found) return found.error();
    std::vector<bool> exists(first.size());
    for (const auto& entry : found->entries) {
      const auto shard = shard_of_key(entry.key, prefix_);
      if (shard && *shard < exists.size()) exists[*shard] = true;
    }
    etcd_transaction transaction;
    auto at = begin;
    for (; at < first.size() && transaction.puts.size() < per_transaction; ++at) {
      if (exists[at]) continue;
      const auto key = shard_key(options_.cluster, static_cast<std::uint16_t>(at));
      transaction.compares.push_back({key, 0});
      transaction.puts.push_back({key, write_shard_entry(first[at]), 0});
    }
    if (transaction.puts.empty()) return done{};
    const auto reply = client.run(transaction);
    if (!reply) return reply.error();
    // Where another node was faster, what is missing is looked up again.
    if (reply->succeeded) begin = at;
  }
  return done{};
}

std::vector<shard_config> shard_store::known() const {
  const std::lock_guard lock{mutex_};
  return known_;
}

shard_store::counts shard_store::counted() const {
  const std::lock_guard lock{mutex_};
  return counts_;
}

}  // namespace tally::cluster

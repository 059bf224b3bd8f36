#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "actors/engine.hpp"
#include "cluster/replicator.hpp"
#include "domain/shard.hpp"
#include "persistence/event_codec.hpp"
#include "tests/support/temp_folder.hpp"

namespace tally::cluster {

using namespace std::chrono_literals;

/// An instrumented build may take long for everything.
constexpr std::chrono::seconds patience{120};

// Three nodes in one process are too much for an instrumented build with all shards.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr std::uint16_t shards = 16;
constexpr int slowness = 3;
#else
constexpr std::uint16_t shards = shard_count;
constexpr int slowness = 1;
#endif

/// The times of a node, longer where the build is so slow that copies would seem dead.
inline replicator_options options_in_time() {
  replicator_options o;
  o.shards = shards;
  auto& c = o.core;
  for (auto* time : {&c.beacon_every, &c.shrink_after, &c.lease, &c.suspect_after, &c.certain_after,
                     &c.rank_delay, &c.park, &c.slow_disk, &c.config_poll, &c.pull_every})
    *time *= slowness;
  return o;
}

/// The store's entries of all shards, with a linearizable swap.
class shared_store {
 public:
  using observer = std::function<void(std::uint16_t, const shard_config&)>;

  std::pair<swap_outcome, std::uint64_t> swap(std::uint16_t shard, std::uint64_t expected,
                                              shard_config proposed) {
    std::vector<observer> told;
    {
      const std::scoped_lock hold{mutex_};
      auto& entry = entries_[shard];
      if (entry.version != expected) return {swap_outcome::refused, 0};
      proposed.version = ++version_;
      entry = proposed;
      for (const auto& [node, observe] : observers_) told.push_back(observe);
    }
    for (const auto& observe : told) observe(shard, proposed);
    return {swap_outcome::done, proposed.version};
  }
  shard_config read(std::uint16_t shard) {
    const std::scoped_lock hold{mutex_};
    return entries_[shard];
  }
  void watch(std::uint32_t node, observer observe) {
    std::map<std::uint16_t, shard_config> all;
    {
      const std::scoped_lock hold{mutex_};
      all = entries_;
      if (observe) observers_[node] = observe;
      if (!observe) observers_.erase(node);
    }
    if (!observe) return;
    for (const auto& [shard, config] : all) observe(shard, config);
  }

 private:
  std::mutex mutex_;
  std::uint64_t version_ = 0;
  std::map<std::uint16_t, shard_config> entries_;
  std::map<std::uint32_t, observer> observers_;
};

/// Real engines with real folders in one process; between them a network of function calls that
/// can be cut, and a store in memory.
class small_cluster : public ::testing::Test {
 protected:
  struct node {
    actors::engine_options options;
    std::unique_ptr<replicator> copies;
    std::unique_ptr<actors::engine> engine;
  };

  ~small_cluster() override {
    for (std::uint32_t n = 1; n <= nodes_.size(); ++n) stop(n);
  }

  /// Starts nodes 1..count; node 1 leads everything to begin with.
  void start_all(std::uint32_t count, std::uint32_t min_in_sync = 2) {
    min_in_sync_ = min_in_sync;
    for (std::uint32_t n = 1; n <= count; ++n) start(n);
  }
  void start(std::uint32_t n) {
    auto& to = nodes_[n];
    to.options.data_dir = folder_ / ("node-" + std::to_string(n));
    to.options.visible_patience = patience;
    auto o = options_in_time();
    o.cluster = 77;
    o.node = {n};
    o.core.min_in_sync = min_in_sync_;
    if (adjust_) adjust_(to.options, o);
    to.copies = std::make_unique<replicator>(o, ports_of(n));
    to.options.copies = to.copies.get();
    auto started = actors::engine::start(to.options);
    if (!started) throw std::runtime_error{started.error().text()};
    to.engine = std::move(*started);
    ASSERT_TRUE(to.copies->recovered()) << to.copies->recovered().error().text();
    const auto first = to.copies->first_configs();
    for (std::uint16_t shard = 0; placed_ && shard < shards; ++shard)
      to.copies->place(shard, placed_(shard));
    for (std::uint16_t shard = 0; shard < shards; ++shard)
      if (n == 1 && !placed_ && store_.read(shard).version == 0)
        static_cast<void>(store_.swap(shard, 0, first[shard]));
    {
      const std::scoped_lock hold{mutex_};
      up_.insert(n);
      tell_live();
    }
    store_.watch(n, [copies = to.copies.get()](std::uint16_t shard, const shard_config& config) {
      copies->see(shard, config);
    });
  }
  /// As kill -9 does it, but that the disk is not asked to lose anything.
  void stop(std::uint32_t n) {
    auto& of = nodes_[n];
    if (!of.engine) return;
    store_.watch(n, nullptr);
    {
      const std::scoped_lock hold{mutex_};
      up_.erase(n);
      for (const auto other : up_) nodes_[other].copies->peer_down({n});
      tell_live();
    }
    of.copies->end();
    of.engine.reset();
    const std::scoped_lock hold{mutex_};
    of.copies.reset();
  }

  static void add(actors::submission& events, const event& e) {
    actors::submission::entry entry;
    entry.begin = static_cast<std::uint32_t>(events.bytes.size());
    persistence::encode_event(e, events.bytes);
    entry.size = static_cast<std::uint32_t>(events.bytes.size()) - entry.begin;
    entry.merchant = merchant_hash(e.merchant);
    events.events.push_back(entry);
  }
  /// Sends `count` page views of each merchant to node n, with ids from `first` on; gives how many
  /// were counted.
  std::size_t send(std::uint32_t n, const std::vector<std::string>& merchants, int first,
                   int count) {
    auto events = std::make_shared<actors::submission>();
    for (int i = first; i < first + count; ++i)
      for (const auto& merchant : merchants) {
        const auto id = "e" + std::to_string(i), visitor = "v" + std::to_string(i % 7);
        event e;
        e.merchant = merchant;
        e.id = id;
        e.name = "page_view";
        e.visitor = visitor;
        e.at = e.received_at = time_from_ms(1'700'000'000'000 + i);
        add(*events, e);
      }
    std::promise<void> done;
    auto future = done.get_future();
    events->on_done = [&done] { done.set_value(); };
    nodes_[n].engine->submit(events);
    if (future.wait_for(patience) != std::future_status::ready)
      throw std::runtime_error{"no answer"};
    std::size_t counted = 0;
    for (const auto& e : events->events)
      counted += e.now() == actors::outcome::accepted || e.now() == actors::outcome::duplicate;
    return counted;
  }
  /// The node's answer, asked again while another one leads.
  std::int64_t pageviews(std::uint32_t n, const std::string& merchant) {
    question q;
    q.merchant = merchant;
    q.metrics = {"pageviews"};
    q.date_range = "all";
    std::promise<result<actors::query_reply>> done;
    auto future = done.get_future();
    nodes_[n].engine->ask(
        q, {}, 10s, std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()),
        [&done](result<actors::query_reply> r) { done.set_value(std::move(r)); });
    if (future.wait_for(patience) != std::future_status::ready) return -2;
    const auto reply = future.get();
    if (!reply) return -1;
    if (reply->table.rows.empty()) return 0;
    return static_cast<std::int64_t>(reply->table.rows[0].metrics[0].number);
  }
  result<std::string> command(std::uint32_t n, std::vector<std::string> words) {
    std::promise<result<std::string>> done;
    auto future = done.get_future();
    nodes_[n].engine->command(std::move(words),
                              [&done](result<std::string> r) { done.set_value(std::move(r)); });
    if (future.wait_for(patience) != std::future_status::ready)
      return failure{errc::unavailable, "no answer"};
    return future.get();
  }

  [[nodiscard]] node_id leader(std::uint32_t n, const std::string& merchant) {
    return nodes_[n].copies->leader_of(shard_of(merchant_hash(merchant)));
  }
  /// True once it holds; false where it does not within the patience.
  static bool soon(const std::function<bool()>& holds) {
    const auto until = std::chrono::steady_clock::now() + patience;
    while (!holds()) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::this_thread::sleep_for(20ms);
    }
    return true;
  }
  /// Every shard has that many copies in sync, a leader, and nothing that is not everywhere.
  bool is_whole(std::size_t count) {
    std::map<std::uint16_t, std::set<std::uint64_t>> ends;
    for (auto& [n, of] : nodes_) {
      if (!of.engine) continue;
      const auto report = of.copies->report();
      if (report.size() != shards) return false;
      for (const auto& r : report) {
        if (r.in_sync.size() != count || r.leader.value == 0) return false;
        if (std::ranges::count(r.copies, node_id{n}) == 0) continue;
        if (r.end != r.told) return false;
        ends[r.shard].insert(r.end);
      }
    }
    return std::ranges::all_of(ends, [](const auto& e) { return e.second.size() == 1; });
  }

  [[nodiscard]] std::string folder() const { return folder_.path().string(); }

  /// What a test wants other than it is by default, before a node starts.
  std::function<void(actors::engine_options&, replicator_options&)> adjust_;
  /// Where copies are to be; everywhere, where it is not set.
  std::function<std::vector<node_id>(std::uint16_t shard)> placed_;
  std::map<std::uint32_t, node> nodes_;
  std::set<std::pair<std::uint32_t, std::uint32_t>> cuts_;  // from, to; under mutex_
  shared_store store_;
  std::mutex mutex_;

 private:
  /// Under the mutex.
  void tell_live() {
    std::vector<node_id> live;
    for (const auto n : up_) live.push_back({n});
    for (const auto n : up_) nodes_[n].copies->set_live(live);
  }
  template <class F>
  bool with(std::uint32_t from, node_id to, F f) {
    const std::scoped_lock hold{mutex_};
    if (!up_.contains(to.value) || cuts_.contains({from, to.value})) return false;
    f(*nodes_[to.value].copies);
    return true;
  }
  replicator_ports ports_of(std::uint32_t n) {
    replicator_ports p;
    p.send = [this, n](node_id to, std::vector<replica_message> messages) {
      with(n, to, [&](replicator& r) { r.receive({n}, std::move(messages)); });
    };
    p.swap = [this](std::uint16_t shard, std::uint64_t expected, shard_config proposed, auto then) {
      const auto [outcome, version] = store_.swap(shard, expected, std::move(proposed));
      then(outcome, version);
    };
    p.read = [this](std::uint16_t shard, auto then) { then(store_.read(shard)); };
    p.probe = [this](node_id to, auto then) {
      bool is_up = false;
      {
        const std::scoped_lock hold{mutex_};
        is_up = up_.contains(to.value);
      }
      then(is_up ? std::nullopt : std::optional{witness::refused});
    };
    p.secret = [](const std::string& name) {
      return result<std::string>{name + std::string(32, 's')};
    };
    p.ask = [this, n](node_id to, std::string kind, std::string body, std::chrono::milliseconds,
                      std::function<void(result<std::string>)> then) {
      const bool is_asked = with(n, to, [&](replicator& r) {
        if (kind != command_request) return r.answer({n}, kind, body, then);
        std::vector<std::string> words{"here"};
        for (const auto& word : nlohmann::json::parse(body)) words.push_back(word);
        nodes_[to.value].engine->command(std::move(words), then);
      });
      if (!is_asked) then(failure{errc::unavailable, "not connected"});
    };
    return p;
  }

  testing::temp_folder folder_;
  std::uint32_t min_in_sync_ = 2;
  std::set<std::uint32_t> up_;  // under mutex_
};

}  // namespace tally::cluster

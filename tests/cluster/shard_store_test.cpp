// Against a real etcd. No test asserts a time.
#include "cluster/shard_store.hpp"

#include <algorithm>
#include <future>
#include <set>

#include "cluster/shard_entry.hpp"
#include "domain/shard.hpp"
#include "tests/cluster/etcd_fixture.hpp"

namespace tally::cluster {
namespace {

shard_config config_of(std::uint32_t epoch) {
  shard_config config;
  config.cluster = 77;
  config.epoch = epoch;
  config.leader = {1, epoch};
  config.incarnation = 5;
  config.in_sync = {config.leader};
  config.copies = {{config.leader, {1}}};
  return config;
}

struct swap_answer {
  swap_outcome outcome = swap_outcome::unknown;
  std::uint64_t version = 0;
};

/// A store whose changes are remembered, and waits for its answers.
class watched_store {
 public:
  explicit watched_store(shard_store_options options)
      : store{std::move(options), [this](std::uint16_t shard, const shard_config& config) {
                const std::lock_guard lock{mutex_};
                told_[shard].push_back(config);
              }} {}

  static std::future<swap_answer> ask(shard_store& store, std::uint16_t shard,
                                      std::uint64_t expected, const shard_config& proposed) {
    auto promise = std::make_shared<std::promise<swap_answer>>();
    auto answer = promise->get_future();
    store.compare_and_swap(shard, expected, proposed,
                           [promise](swap_outcome outcome, std::uint64_t version) {
                             promise->set_value({outcome, version});
                           });
    return answer;
  }
  swap_answer swap(std::uint16_t shard, std::uint64_t expected, const shard_config& proposed) {
    return ask(store, shard, expected, proposed).get();
  }
  std::optional<shard_config> read(std::uint16_t shard) {
    auto promise = std::make_shared<std::promise<std::optional<shard_config>>>();
    auto answer = promise->get_future();
    store.read(shard, [promise](std::optional<shard_config> config) {
      promise->set_value(std::move(config));
    });
    return answer.get();
  }
  [[nodiscard]] std::vector<shard_config> told(std::uint16_t shard) const {
    const std::lock_guard lock{mutex_};
    const auto found = told_.find(shard);
    return found == told_.end() ? std::vector<shard_config>{} : found->second;
  }
  [[nodiscard]] bool was_told(std::uint16_t shard, const shard_config& config) const {
    const auto all = told(shard);
    return std::ranges::any_of(all, [&](const auto& c) { return same_content(c, config); });
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::uint16_t, std::vector<shard_config>> told_;

 public:
  shard_store store;  // the last: it ends first
};

class shard_store_test : public etcd_test {
 protected:
  static shard_store_options options_of(const etcd_processes& etcd) {
    shard_store_options o;
    o.etcd = etcd.options();
    o.cluster = "shop";
    return o;
  }
};

TEST(shard_store_options, name_the_field_that_is_wrong) {
  shard_store_options o;
  EXPECT_NE(validate(o).error().detail.find("etcd.endpoints"), std::string::npos);
  o.etcd.endpoints = {"127.0.0.1:2379"};
  EXPECT_NE(validate(o).error().detail.find("cluster.name"), std::string::npos);
  o.cluster = "shop";
  EXPECT_TRUE(validate(o).ok());
  o.swaps_waiting_max = 0;
  EXPECT_NE(validate(o).error().detail.find("swaps_waiting_max"), std::string::npos);
}

TEST_F(shard_store_test, of_two_swaps_on_one_version_one_is_done) {
  etcd_processes etcd{1};
  etcd_client client{etcd.options()};
  ASSERT_TRUE(is_ready(client));
  watched_store s{options_of(etcd)};
  const auto none = s.read(9);
  ASSERT_TRUE(none.has_value());
  EXPECT_EQ(*none, shard_config{});

  const auto made = s.swap(9, 0, config_of(1));
  ASSERT_EQ(made.outcome, swap_outcome::done);
  EXPECT_EQ(s.swap(9, 0, config_of(2)).outcome, swap_outcome::refused);
  EXPECT_EQ(s.read(9)->version, made.version);

  std::vector<std::future<swap_answer>> rivals;
  for (std::uint32_t i = 2; i < 12; ++i) {
    rivals.push_back(watched_store::ask(s.store, 9, made.version, config_of(i)));
  }
  std::uint32_t winner = 0;
  for (std::uint32_t i = 2; i < 12; ++i) {
    const auto answer = rivals[i - 2].get();
    if (answer.outcome != swap_outcome::done) {
      EXPECT_EQ(answer.outcome, swap_outcome::refused);
      continue;
    }
    EXPECT_EQ(winner, 0u);
    winner = i;
    EXPECT_EQ(s.read(9)->version, answer.version);
  }
  ASSERT_NE(winner, 0u);
  EXPECT_TRUE(same_content(*s.read(9), config_of(winner)));
  EXPECT_TRUE(comes([&] { return s.was_told(9, config_of(winner)); }));
  const auto known = s.store.known();
  EXPECT_TRUE(same_content(known[9], config_of(winner)));
  EXPECT_EQ(known[8], shard_config{});
}

TEST_F(shard_store_test, reads_that_wait_are_answered_each_with_its_own_shard) {
  etcd_processes etcd{1};
  etcd_client client{etcd.options()};
  ASSERT_TRUE(is_ready(client));
  watched_store s{options_of(etcd)};
  ASSERT_EQ(s.swap(0, 0, config_of(3)).outcome, swap_outcome::done);
  ASSERT_EQ(s.swap(255, 0, config_of(4)).outcome, swap_outcome::done);
  std::atomic<int> answers = 0, wrong = 0;
  for (int round = 0; round < 20; ++round) {
    for (std::uint16_t shard = 0; shard < shard_count; ++shard) {
      s.store.read(shard, [&, shard](const std::optional<shard_config>& config) {
        const std::uint32_t epoch = shard == 0 ? 3 : shard == 255 ? 4 : 0;
        if (!config || config->epoch != epoch) ++wrong;
        ++answers;
      });
      if (shard % 64 != 63) continue;
      EXPECT_TRUE(s.read(shard).has_value());
    }
  }
  EXPECT_TRUE(comes([&] { return answers == 20 * static_cast<int>(shard_count); }));
  EXPECT_EQ(wrong, 0);
}

TEST_F(shard_store_test, what_a_frozen_etcd_leaves_open_is_unknown_and_a_dead_one_refuses) {
  etcd_processes etcd{1};
  etcd_client client{etcd.options()};
  ASSERT_TRUE(is_ready(client));
  auto options = options_of(etcd);
  options.etcd.exchange.timeout = 300ms;
  watched_store s{options};
  const auto made = s.swap(1, 0, config_of(1));
  ASSERT_EQ(made.outcome, swap_outcome::done);

  etcd.freeze(0);
  EXPECT_EQ(s.swap(1, made.version, config_of(2)).outcome, swap_outcome::unknown);
  EXPECT_EQ(s.read(1), std::nullopt);
  etcd.thaw(0);
  // In doubt it may still happen; of both proposals on one version only one ever does.
  std::optional<shard_config> seen;
  ASSERT_TRUE(comes([&] { return (seen = s.read(1)).has_value(); }));
  const auto second = s.swap(1, made.version, config_of(3));
  const auto last = s.read(1);
  ASSERT_TRUE(last.has_value());
  EXPECT_EQ(last->epoch, second.outcome == swap_outcome::done ? 3u : 2u);

  etcd.kill(0);
  // Each connection that was open may take one that nobody answers; after that nothing is sent.
  auto answer = s.swap(1, last->version, config_of(9));
  for (std::size_t i = 0; i < options.swappers && answer.outcome == swap_outcome::unknown; ++i) {
    answer = s.swap(1, last->version, config_of(9));
  }
  EXPECT_EQ(answer.outcome, swap_outcome::refused);
  EXPECT_EQ(s.read(1), std::nullopt);
  etcd.start(0);
  ASSERT_TRUE(comes([&] { return (seen = s.read(1)).has_value(); }));
  EXPECT_EQ(*seen, *last);
  ASSERT_EQ(s.swap(1, last->version, config_of(10)).outcome, swap_outcome::done);
  EXPECT_TRUE(comes([&] { return s.was_told(1, config_of(10)); })) << "the watch did not go on";
}

TEST_F(shard_store_test, waits_are_bounded_and_answered_at_the_end) {
  etcd_processes etcd{1};
  etcd_client client{etcd.options()};
  ASSERT_TRUE(is_ready(client));
  auto options = options_of(etcd);
  options.etcd.exchange.timeout = 300ms;
  options.swappers = 1;
  options.swaps_waiting_max = 3;
  options.reads_waiting_max = 3;
  std::vector<std::future<swap_answer>> swaps;
  std::atomic<int> reads = 0;
  {
    watched_store s{options};
    ASSERT_EQ(s.swap(1, 0, config_of(1)).outcome, swap_outcome::done);
    etcd.freeze(0);
    for (int i = 0; i < 20; ++i) {
      swaps.push_back(watched_store::ask(s.store, 2, 0, config_of(2)));
      s.store.read(2, [&](const std::optional<shard_config>&) { ++reads; });
    }
    EXPECT_GE(s.store.counted().swaps_refused, 1u);
    EXPECT_GE(s.store.counted().reads_failed, 1u);
  }
  etcd.thaw(0);
  EXPECT_EQ(reads, 20);
  int unknown = 0;
  for (auto& swap : swaps) {
    const auto answer = swap.get();
    EXPECT_NE(answer.outcome, swap_outcome::done);
    unknown += answer.outcome == swap_outcome::unknown ? 1 : 0;
  }
  EXPECT_LE(unknown, 4);
}

TEST_F(shard_store_test, the_first_entries_are_made_once_whoever_makes_them) {
  etcd_processes etcd{1};
  etcd_client client{etcd.options()};
  ASSERT_TRUE(is_ready(client));
  watched_store a{options_of(etcd)}, b{options_of(etcd)};
  // As a process leaves it that ended half-way.
  ASSERT_EQ(a.swap(100, 0, config_of(500)).outcome, swap_outcome::done);
  std::vector<shard_config> of_a, of_b;
  for (std::uint32_t i = 0; i < shard_count; ++i) {
    of_a.push_back(config_of(1'000 + i));
    of_b.push_back(config_of(2'000 + i));
  }
  auto other = std::async(std::launch::async, [&] { return b.store.create_shards(of_b).ok(); });
  EXPECT_TRUE(a.store.create_shards(of_a).ok());
  EXPECT_TRUE(other.get());
  std::set<std::uint32_t> epochs;
  for (std::uint16_t shard = 0; shard < shard_count; ++shard) {
    const auto config = a.read(shard);
    ASSERT_TRUE(config && config->version != 0) << shard;
    epochs.insert(config->epoch);
    if (shard == 100) continue;
    EXPECT_EQ(config->epoch % 1'000, shard);
  }
  EXPECT_TRUE(epochs.contains(500));
  EXPECT_EQ(epochs.size(), std::size_t{shard_count});
  // Again changes nothing.
  const auto before = a.read(0)->version;
  EXPECT_TRUE(b.store.create_shards(of_b).ok());
  EXPECT_EQ(a.read(0)->version, before);
  EXPECT_TRUE(comes([&] { return b.told(255).size() == 1; }));
}

TEST_F(shard_store_test, what_vanished_is_told_and_what_nobody_wrote_is_not) {
  etcd_processes etcd{1};
  etcd_client client{etcd.options()};
  ASSERT_TRUE(is_ready(client));
  watched_store s{options_of(etcd)};
  ASSERT_EQ(s.swap(3, 0, config_of(1)).outcome, swap_outcome::done);
  ASSERT_TRUE(comes([&] { return s.was_told(3, config_of(1)); }));
  ASSERT_TRUE(client.run({{}, {{shard_key("shop", 4), "no entry", 0}}, {shard_key("shop", 3)}}));
  EXPECT_TRUE(comes([&] { return s.was_told(3, shard_config{}); }));
  EXPECT_EQ(s.read(3), shard_config{});
  EXPECT_EQ(s.read(4), std::nullopt);
  EXPECT_TRUE(s.told(4).empty());
  EXPECT_GE(s.store.counted().unreadable, 1u);
}

}  // namespace
}  // namespace tally::cluster

#include <filesystem>

#include "tests/cluster/small_cluster.hpp"

namespace tally::cluster {
namespace {

const std::vector<std::string> shops{"shop-69", "shop-76", "shop-106", "shop-355"};

/// Nodes that seal at once and keep as little log as they may.
class shard_copies_test : public small_cluster {
 protected:
  shard_copies_test() {
    adjust_ = [](actors::engine_options& o, replicator_options& r) {
      o.segment_bytes = 64 << 10;
      o.keep_log_bytes = 0;
      r.lagging_log_bytes_max = 0;
    };
  }

  persistence::round_number first_round(std::uint32_t n) {
    const auto told = command(n, {"seal"});
    if (!told) return 0;
    return nlohmann::json::parse(*told)["log_from_round"];
  }
  /// Sends events until the nodes no longer have the beginning of their logs; gives how many.
  int send_until_dropped(const std::vector<std::uint32_t>& nodes, int first) {
    std::map<std::uint32_t, persistence::round_number> before;
    for (const auto n : nodes) before[n] = std::max<std::uint64_t>(first_round(n), 1);
    int sent = 0;
    const bool all = soon([&] {
      EXPECT_EQ(send(nodes.front(), shops, first + sent, 100), 100 * shops.size());
      sent += 100;
      std::this_thread::sleep_for(100ms);
      return std::ranges::all_of(nodes, [&](auto n) { return first_round(n) > before[n]; });
    });
    EXPECT_TRUE(all) << "nothing of the log was dropped";
    return sent;
  }
  /// What the node counts once it leads the shop's shard.
  std::int64_t counted_at(std::uint32_t n, const std::string& shop) {
    std::int64_t counted = -1;
    EXPECT_TRUE(soon([&] {
      nodes_[n].copies->hand_over(shard_of(merchant_hash(shop)), {n});
      for (auto& [other, of] : nodes_)
        if (of.engine) of.copies->hand_over(shard_of(merchant_hash(shop)), {n});
      if (leader(n, shop).value != n) return false;
      counted = pageviews(n, shop);
      return counted >= 0;
    })) << shop;
    return counted;
  }
  void expect_counted(std::uint32_t n, int count) {
    for (const auto& shop : shops) EXPECT_EQ(counted_at(n, shop), count) << "node " << n;
  }
};

TEST_F(shard_copies_test, a_new_node_gets_what_the_others_dropped_from_their_logs) {
  start_all(2, 1);
  ASSERT_TRUE(soon([&] { return is_whole(2); }));
  const bool has_platform = shards == shard_count;  // the shard of what belongs to no merchant
  if (has_platform) {
    ASSERT_TRUE(command(
        1, {"merchant", "create", shops[0], "--timezone", "Asia/Tokyo", "--currency", "JPY"}));
    ASSERT_TRUE(command(1, {"key", "create", "--scope", "admin"}));
  }
  const auto sent = send_until_dropped({1, 2}, 0);
  start(3);
  ASSERT_TRUE(soon([&] { return is_whole(3); }));
  EXPECT_TRUE(std::filesystem::is_empty(nodes_[3].options.data_dir + "/incoming"));
  EXPECT_EQ(send(3, shops, sent, 50), 50 * shops.size());
  EXPECT_EQ(send(2, shops, 0, 50), 50 * shops.size()) << "they are known";
  expect_counted(3, sent + 50);
  if (has_platform) {
    const auto shown = command(3, {"merchant", "show", shops[0]});
    ASSERT_TRUE(shown) << shown.error().text();
    EXPECT_NE(shown->find("Asia/Tokyo"), std::string::npos) << *shown;
    EXPECT_EQ(*command(3, {"key", "list"}), *command(1, {"key", "list"}));
  }
  // All of it is on its own disk.
  stop(1);
  stop(2);
  stop(3);
  start(3);
  start(2);
  ASSERT_TRUE(soon([&] { return send(3, shops, 0, 1) == shops.size(); }));
  expect_counted(3, sent + 50);
}

TEST_F(shard_copies_test, a_node_that_was_away_too_long_gets_another_copy_over_its_own) {
  start_all(3, 1);
  ASSERT_TRUE(soon([&] { return is_whole(3); }));
  ASSERT_EQ(send(1, shops, 0, 50), 50 * shops.size());
  ASSERT_TRUE(soon([&] { return is_whole(3); }));
  stop(3);
  const auto sent = send_until_dropped({1, 2}, 50);
  start(3);
  ASSERT_TRUE(soon([&] { return is_whole(3); }));
  expect_counted(3, 50 + sent);
  EXPECT_EQ(send(3, shops, 0, 60), 60 * shops.size());
  expect_counted(1, 50 + sent);
}

TEST_F(shard_copies_test, what_a_crash_left_of_copies_is_fetched_anew) {
  start_all(2, 1);
  ASSERT_TRUE(soon([&] { return is_whole(2); }));
  auto sent = send_until_dropped({1, 2}, 0);
  for (int i = 0; i < 6; ++i) {
    start(3);
    std::this_thread::sleep_for(100ms * i * slowness);
    stop(3);
  }
  ASSERT_EQ(send(1, shops, sent, 10), 10 * shops.size());
  sent += 10;
  start(3);
  ASSERT_TRUE(soon([&] { return is_whole(3); }));
  expect_counted(3, sent);
}

TEST_F(shard_copies_test, a_lonely_node_becomes_the_first_of_a_cluster_with_all_its_history) {
  const auto dir = nodes_[1].options.data_dir = folder() + "/node-1";
  auto alone = nodes_[1].options;
  replicator_options unused;
  adjust_(alone, unused);
  alone.data_dir = dir;
  int sent = 0;
  {
    auto started = actors::engine::start(alone);
    ASSERT_TRUE(started) << started.error().text();
    nodes_[1].engine = std::move(*started);
    sent = send_until_dropped({1}, 0);
    ASSERT_TRUE(nodes_[1].engine->drain(10s));
    nodes_[1].engine.reset();
  }
  start_all(2, 1);
  ASSERT_TRUE(soon([&] { return is_whole(2); }));
  ASSERT_EQ(send(2, shops, sent, 20), 20 * shops.size());
  expect_counted(1, sent + 20);
  expect_counted(2, sent + 20);
}

}  // namespace
}  // namespace tally::cluster

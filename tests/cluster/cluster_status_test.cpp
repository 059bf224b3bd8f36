#include "cluster/cluster_status.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace tally::cluster {
namespace {

using nlohmann::json;

cluster_picture example() {
  cluster_picture p;
  p.name = "shop";
  p.cluster = 0xab;
  p.self = {1};
  p.nodes = {{{{1}, "", "a", "east", node_state::active},
              live_node{1, {"", "127.0.0.1:80", "", "127.0.0.1:77"}, "0.1.0"}},
             {{{2}, "", "b", "", node_state::draining}, std::nullopt}};
  shard_config both;
  both.version = 5;
  both.epoch = 3;
  both.leader = {1, 1};
  both.copies = {{{1, 1}, {1}}, {{2, 2}, {2}}};
  both.in_sync = {{1, 1}, {2, 2}};
  auto lagging = both;
  lagging.leader = {2, 2};
  lagging.in_sync = {{2, 2}};
  p.shards = {both, lagging, {}};
  p.planned = {{{1}, {2}}, {{2}, {1}}, {}};
  return p;
}

TEST(cluster_status, counts_by_node_and_over_all) {
  const auto status = json::parse(cluster_status(example()));
  EXPECT_EQ(status["id"], "00000000000000ab");
  EXPECT_EQ(status["shards"], 2);
  EXPECT_EQ(status["led"], 1) << "the other one's leader is dead";
  EXPECT_EQ(status["whole"], 1);
  EXPECT_EQ(status["min_in_sync_copies"], 1);
  const auto& a = status["nodes"][0];
  const auto& b = status["nodes"][1];
  EXPECT_EQ(a["leads"], 1);
  EXPECT_EQ(a["in_sync"], 1);
  EXPECT_EQ(a["copies"], 2);
  EXPECT_EQ(a["http"], "127.0.0.1:80");
  EXPECT_EQ(b["in_sync"], 2);
  EXPECT_EQ(b["planned"], 2);
  EXPECT_EQ(b["live"], false);
  EXPECT_EQ(b["state"], "draining");
}

TEST(cluster_status, tells_who_leads_each_shard_and_since_when) {
  auto p = example();
  p.times.note(0, p.shards[0], time_from_ms(5));
  auto shards = json::parse(cluster_shards(p))["shards"];
  ASSERT_EQ(shards.size(), 2u);
  EXPECT_EQ(shards[0]["leader"], 1);
  EXPECT_EQ(shards[0]["since"], nullptr) << "it led before anyone looked";
  EXPECT_EQ(shards[0]["in_sync"], "1 2");
  EXPECT_EQ(shards[1]["in_sync"], "2");
  EXPECT_EQ(shards[1]["planned"], "2 1");
  p.times.note(0, p.shards[0], time_from_ms(6));
  p.shards[0].epoch = 4;
  p.times.note(0, p.shards[0], time_from_ms(7));
  p.times.note(0, p.shards[0], time_from_ms(8));
  shards = json::parse(cluster_shards(p))["shards"];
  EXPECT_EQ(shards[0]["since"], 7);
  EXPECT_EQ(shards[0]["epoch"], 4);
}

}  // namespace
}  // namespace tally::cluster

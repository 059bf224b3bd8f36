#include "cluster/shard_entry.hpp"

#include <gtest/gtest.h>

namespace tally::cluster {
namespace {

shard_config example() {
  shard_config config;
  config.cluster = 0xfedcba9876543210u;
  config.version = 42;
  config.epoch = 7;
  config.leader = {1, 2};
  config.incarnation = 1ull << 63;
  config.in_sync = {{1, 2}, {3, ~0ull}};
  config.copies = {{{1, 2}, {1}}, {{3, ~0ull}, {~0u}}, {{5, 6}, {3}}};
  return config;
}

TEST(shard_entry, is_read_as_it_was_written) {
  const auto text = write_shard_entry(example());
  EXPECT_NE(text.find(R"("cluster":"fedcba9876543210")"), std::string::npos) << text;
  EXPECT_NE(text.find(R"("leader":"00000000000000010000000000000002")"), std::string::npos);
  const auto read = parse_shard_entry(text, 42);
  ASSERT_TRUE(read.ok()) << read.error().text();
  EXPECT_EQ(*read, example());
  const auto empty = parse_shard_entry(write_shard_entry({}), 0);
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ(*empty, shard_config{});
}

TEST(shard_entry, names_what_cannot_be_read) {
  const auto text = write_shard_entry(example());
  const auto with = [&](const std::string& from, const std::string& to) {
    auto changed = text;
    const auto at = changed.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return parse_shard_entry(changed.replace(at, from.size(), to), 1);
  };
  EXPECT_EQ(parse_shard_entry("", 1).error().code, errc::corrupt_record);
  EXPECT_EQ(parse_shard_entry("[]", 1).error().code, errc::corrupt_record);
  EXPECT_EQ(with(R"("format":1)", R"("format":2)").error().code, errc::unsupported);
  EXPECT_NE(with(R"("epoch":7)", R"("epoch":-7)").error().detail.find("epoch"), std::string::npos);
  EXPECT_FALSE(with(R"("epoch":7)", R"("epoch":4294967296)").ok());
  EXPECT_FALSE(with("fedcba", "FEDCBA").ok());
  EXPECT_FALSE(with("fedcba", "edcba").ok());
  EXPECT_FALSE(with(R"("node":1)", R"("node":"1")").ok());
  EXPECT_FALSE(with(R"("in_sync":[)", R"("in_sync":[7,)").ok());
  EXPECT_FALSE(with(R"("copies":[)", R"("copies":[7,)").ok());
}

TEST(shard_entry, a_placement_is_a_list_of_nodes) {
  const std::vector<node_id> nodes{{3}, {~0u}, {1}};
  const auto read = parse_placement_entry(write_placement_entry(nodes));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(*read, nodes);
  EXPECT_FALSE(parse_placement_entry("{}").ok());
  EXPECT_FALSE(parse_placement_entry("[-1]").ok());
  EXPECT_FALSE(parse_placement_entry("[4294967296]").ok());
}

TEST(shard_entry, keys_sort_like_their_numbers) {
  EXPECT_EQ(shard_key("shop", 7), "/tally/shop/shards/0007");
  EXPECT_EQ(shard_of_key(shard_key("shop", 255), shards_prefix("shop")), 255);
  EXPECT_EQ(shard_of_key("/tally/shop/shards/0256", shards_prefix("shop")), std::nullopt);
  EXPECT_EQ(shard_of_key("/tally/shop/shards/255", shards_prefix("shop")), std::nullopt);
  EXPECT_EQ(shard_of_key("/tally/shop/shards/+255", shards_prefix("shop")), std::nullopt);
  EXPECT_EQ(shard_of_key("/tally/other/shards/0001", shards_prefix("shop")), std::nullopt);
  EXPECT_TRUE(validate_cluster_name("a-b_c.9").ok());
  EXPECT_FALSE(validate_cluster_name("").ok());
  EXPECT_FALSE(validate_cluster_name("a/b").ok());
  EXPECT_FALSE(validate_cluster_name(std::string(65, 'a')).ok());
}

}  // namespace
}  // namespace tally::cluster

#include "cluster/registry_sync.hpp"

#include "tests/cluster/small_cluster.hpp"

namespace tally::cluster {
namespace {

TEST(registry_ring, tells_what_came_behind_an_offset_while_it_remembers) {
  registry_ring ring;
  persistence::copied_registry news;
  EXPECT_TRUE(ring.since(0, news));
  ring.begin_at(10);
  EXPECT_FALSE(ring.since(9, news));
  ring.add(11, false, {"a", "1"}, 3);
  ring.add(12, true, {"b", "2"}, 3);
  ring.add(15, false, {"a", ""}, 3);
  ASSERT_TRUE(ring.since(10, news));
  ASSERT_EQ(news.merchants.size(), 2u);
  EXPECT_EQ(news.merchants[1].value, "");
  ASSERT_EQ(news.platform.size(), 1u);
  EXPECT_EQ(news.platform[0].key, "b");
  ring.add(16, false, {"c", "3"}, 3);
  EXPECT_FALSE(ring.since(10, news));
  news = {};
  ASSERT_TRUE(ring.since(15, news));
  EXPECT_EQ(news.merchants.size(), 1u);
  EXPECT_TRUE(news.platform.empty());
}

TEST(registry_news, come_back_as_they_were_sent) {
  const registry_news sent{7, 1'000, true, {{{"key", "value"}}, {{"one", ""}, {"two", "2"}}}};
  const auto bytes = encode_news({sent, {9, 1, false, {}}});
  const auto got = decode_news(bytes);
  ASSERT_TRUE(got) << got.error().text();
  ASSERT_EQ(got->size(), 2u);
  EXPECT_EQ(got->front().shard, 7u);
  EXPECT_EQ(got->front().known, 1'000u);
  EXPECT_TRUE(got->front().is_whole);
  EXPECT_EQ(got->front().records.merchants[0].value, "value");
  EXPECT_EQ(got->front().records.platform.size(), 2u);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto cut = decode_news(std::string_view{bytes}.substr(0, size));
    EXPECT_TRUE(!cut || cut->size() < 2) << size;
  }
  const auto wishes = decode_wishes(encode_wishes({{3, 4}, {5, 6}}));
  ASSERT_TRUE(wishes);
  EXPECT_EQ(wishes->at(1).known, 6u);
  EXPECT_FALSE(decode_wishes(encode_wishes({{300, 4}})));
  EXPECT_FALSE(decode_wishes(""));
}

const std::vector<std::string> shops{"shop-a", "shop-b", "shop-c", "shop-d"};
constexpr std::uint32_t count = 4;

/// Four nodes, two of which have a copy of each shard.
class few_copies_test : public small_cluster {
 protected:
  few_copies_test() {
    placed_ = [](std::uint16_t shard) {
      return std::vector<node_id>{{1 + shard % count}, {1 + (shard + 1U) % count}};
    };
  }
  void SetUp() override {
    if (shards < shard_count) GTEST_SKIP() << "the platform's shard is not among them";
    start_all(count, 1);
    ASSERT_TRUE(soon([&] { return is_whole(2); }));
  }
  bool shows(std::uint32_t n, const std::string& merchant) {
    const auto list = command(n, {"merchant", "list"});
    return list && list->find('"' + merchant + '"') != std::string::npos;
  }
  bool lists_key(std::uint32_t n, const std::string& label) {
    const auto list = command(n, {"key", "list"});
    return list && list->find(label) != std::string::npos;
  }
};

TEST_F(few_copies_test, every_node_knows_all_merchants_and_takes_their_events) {
  std::uint32_t at = 0;
  for (const auto& shop : shops) {
    const auto n = at++ % count + 1;
    ASSERT_TRUE(command(n, {"merchant", "create", shop, "--timezone", "UTC", "--currency", "EUR"}));
    EXPECT_TRUE(shows(n, shop)) << "known where it was made as soon as that is answered";
  }
  for (std::uint32_t n = 1; n <= count; ++n)
    for (const auto& shop : shops)
      EXPECT_TRUE(soon([&] { return shows(n, shop); })) << shop << " at node " << n;
  for (std::uint32_t n = 1; n <= count; ++n)
    EXPECT_EQ(send(n, shops, static_cast<int>(n) * 10, 10), 10 * shops.size());
  for (const auto& shop : shops) EXPECT_EQ(pageviews(leader(1, shop).value, shop), 10 * count);
  // Commands about a merchant are run where its numbers are.
  for (std::uint32_t n = 1; n <= count; ++n)
    for (const auto& shop : shops) {
      const auto shown = command(n, {"merchant", "show", shop});
      ASSERT_TRUE(shown) << shown.error().text();
      EXPECT_NE(shown->find("\"accepted\":40"), std::string::npos) << *shown;
    }
  EXPECT_EQ(command(1, {"merchant", "show", "nobody"}).error().code, errc::not_found);
}

TEST_F(few_copies_test, what_one_node_removes_is_gone_at_all) {
  ASSERT_TRUE(
      command(1, {"merchant", "create", "shop-a", "--timezone", "UTC", "--currency", "EUR"}));
  ASSERT_TRUE(command(2, {"key", "create", "--scope", "admin", "--label", "second"}));
  for (std::uint32_t n = 1; n <= count; ++n)
    EXPECT_TRUE(soon([&] { return shows(n, "shop-a") && lists_key(n, "second"); })) << n;
  stop(3);
  ASSERT_TRUE(command(4, {"merchant", "delete", "shop-a"}));
  start(3);
  for (std::uint32_t n = 1; n <= count; ++n) {
    EXPECT_TRUE(soon([&] { return !shows(n, "shop-a"); })) << n;
    EXPECT_TRUE(soon([&] { return lists_key(n, "second"); })) << n;
  }
}

TEST_F(few_copies_test, a_node_that_starts_empty_learns_of_all_merchants) {
  for (const auto& shop : shops)
    ASSERT_TRUE(command(1, {"merchant", "create", shop, "--timezone", "UTC", "--currency", "EUR"}));
  start(5);  // has no copy of anything
  for (const auto& shop : shops) EXPECT_TRUE(soon([&] { return shows(5, shop); })) << shop;
  EXPECT_EQ(send(5, shops, 0, 10), 10 * shops.size());
  stop(5);
  start(5);
  for (const auto& shop : shops) EXPECT_TRUE(shows(5, shop)) << "it kept them";
}

}  // namespace
}  // namespace tally::cluster

#include "cluster/node_entry.hpp"

#include <gtest/gtest.h>

namespace tally::cluster {
namespace {

TEST(node_entry, is_read_as_it_was_written) {
  const member m{{7}, std::string(32, 'a'), "node-7", "zone \"b\"", node_state::draining};
  const auto read = parse_member({7}, write_member(m));
  ASSERT_TRUE(read.ok()) << read.error().text();
  EXPECT_EQ(*read, m);
  const live_node n{1ull << 63, {"a:1", "b:2", "", "[::1]:4"}, "0.1.0"};
  const auto live = parse_live(write_live(n));
  ASSERT_TRUE(live.ok()) << live.error().text();
  EXPECT_EQ(*live, n);
}

TEST(node_entry, names_what_cannot_be_read) {
  EXPECT_EQ(parse_member({1}, "[]").error().code, errc::corrupt_record);
  EXPECT_FALSE(parse_member({1}, R"({"identity":"","name":1,"zone":"","state":"active"})").ok());
  const auto state =
      parse_member({1}, R"({"identity":"","name":"","zone":"","state":"asleep"})").error();
  EXPECT_NE(state.detail.find("state"), std::string::npos);
  EXPECT_FALSE(parse_live("{}").ok());
  EXPECT_FALSE(parse_live(R"({"peer":"","http":"","admin":"","console":"","version":"",)"
                          R"("incarnation":-1})")
                   .ok());
}

TEST(node_entry, lists_nodes_by_number_and_leaves_out_what_it_cannot_read) {
  const member a{{2}, std::string(32, 'a'), "a", "", node_state::active};
  const member b{{10}, std::string(32, 'b'), "b", "", node_state::removed};
  const live_node running{3, {"127.0.0.1:1", "", "", ""}, "0.1.0"};
  const auto nodes = nodes_of("shop", {{live_key("shop", {2}), write_live(running)},
                                       {live_key("shop", {4}), write_live(running)},
                                       {member_key("shop", {10}), write_member(b)},
                                       {member_key("shop", {2}), write_member(a)},
                                       {member_key("shop", {3}), "broken"},
                                       {nodes_prefix("shop") + "member/x", write_member(a)}});
  ASSERT_EQ(nodes.size(), 2u);
  EXPECT_EQ(nodes[0], (cluster_node{a, running}));
  EXPECT_EQ(nodes[1], (cluster_node{b, std::nullopt}));
}

}  // namespace
}  // namespace tally::cluster

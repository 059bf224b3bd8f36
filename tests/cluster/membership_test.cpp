// Against a real etcd. No test asserts a time.
#include "cluster/membership.hpp"

#include <algorithm>
#include <future>
#include <set>

#include "cluster/balancer.hpp"
#include "cluster/shard_entry.hpp"
#include "domain/shard.hpp"
#include "tests/cluster/etcd_fixture.hpp"

namespace tally::cluster {
namespace {

joining_node joining(char digit, const std::string& name = "", std::string zone = "") {
  return {std::string(32, digit), name.empty() ? std::string{"node-"} + digit : name,
          std::move(zone)};
}
live_node running(std::uint64_t incarnation, int port) {
  return {incarnation, {local(port), local(port + 1), local(port + 2), local(port + 3)}, "0.1.0"};
}

class membership_test : public etcd_test {
 protected:
  static membership_options as(const etcd_processes& etcd, node_id self, const live_node& live) {
    return {etcd.options(), "shop", self, live};
  }
  static balancer_options balancing(const etcd_processes& etcd) {
    balancer_options o;
    o.etcd = etcd.options();
    o.cluster = "shop";
    o.busy_interval = 20ms;
    o.idle_interval = 50ms;
    o.settle = 1h;
    return o;
  }
  static std::size_t live_in(const membership& m) {
    const auto nodes = m.nodes();
    return static_cast<std::size_t>(
        std::ranges::count_if(nodes, [](const auto& n) { return n.live.has_value(); }));
  }
};

TEST_F(membership_test, numbers_are_given_once_and_to_the_same_disk_again) {
  etcd_processes etcd{1};
  etcd_client client{etcd.options()};
  ASSERT_TRUE(is_ready(client));
  const std::string digits = "123456789abcdef";
  std::vector<std::future<result<joined_node>>> answers;
  for (std::size_t i = 0; i < 8; ++i) {
    answers.push_back(std::async(std::launch::async, [&, i] {
      etcd_client own{etcd.options()};
      return join_cluster(own, "shop", 1'000 + i, joining(digits[i]));
    }));
  }
  std::set<std::uint32_t> numbers;
  std::set<std::uint64_t> clusters;
  std::vector<node_id> ids;
  for (auto& answer : answers) {
    const auto joined = answer.get();
    ASSERT_TRUE(joined.ok()) << joined.error().text();
    numbers.insert(joined->node.value);
    clusters.insert(joined->cluster);
    ids.push_back(joined->node);
  }
  EXPECT_EQ(numbers, (std::set<std::uint32_t>{1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(clusters.size(), 1u);
  const auto again = join_cluster(client, "shop", 5, joining(digits[3], "renamed", "zone-b"));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->node, ids[3]);
  EXPECT_EQ(again->cluster, *clusters.begin());
  const auto found = client.get(member_key("shop", ids[3]));
  const auto known = parse_member(ids[3], found->entries.at(0).value);
  EXPECT_EQ(known->name, "renamed");
  EXPECT_EQ(known->zone, "zone-b");

  ASSERT_TRUE(set_node_state(client, "shop", ids[3], node_state::removed).ok());
  EXPECT_EQ(join_cluster(client, "shop", 5, joining(digits[3])).error().code, errc::forbidden);
  EXPECT_EQ(join_cluster(client, "shop", 5, joining(digits[9]))->node, node_id{9});
  EXPECT_EQ(set_node_state(client, "shop", {77}, node_state::active).error().code, errc::not_found);
}

TEST_F(membership_test, what_is_asked_wrongly_names_its_field) {
  etcd_client client{etcd_options{{"127.0.0.1:1"}, {}, "", ""}};
  EXPECT_NE(join_cluster(client, "a/b", 1, joining('1')).error().detail.find("cluster.name"),
            std::string::npos);
  EXPECT_NE(join_cluster(client, "shop", 1, joining('x')).error().detail.find("identity"),
            std::string::npos);
  EXPECT_NE(join_cluster(client, "shop", 1, joining('1', "a b")).error().detail.find("node_name"),
            std::string::npos);
  EXPECT_EQ(join_cluster(client, "shop", 1, joining('1')).error().code, errc::unavailable);
  EXPECT_EQ(shared_secret(client, "shop", "../x", [] { return "x"; }).error().code,
            errc::bad_option);
}

TEST_F(membership_test, secrets_are_made_once_and_some_end) {
  etcd_processes etcd{1};
  etcd_client client{etcd.options()};
  ASSERT_TRUE(is_ready(client));
  std::vector<std::future<std::string>> answers;
  answers.reserve(6);
  for (int i = 0; i < 6; ++i) {
    answers.push_back(std::async(std::launch::async, [&, i] {
      etcd_client own{etcd.options()};
      return shared_secret(own, "shop", "tokens", [i] { return "made by " + std::to_string(i); })
          .value();
    }));
  }
  std::set<std::string> secrets;
  for (auto& answer : answers) secrets.insert(answer.get());
  EXPECT_EQ(secrets.size(), 1u);
  ASSERT_TRUE(shared_secret(
                  client, "shop", "salt", [] { return "today"; }, 1s)
                  .ok());
  EXPECT_TRUE(comes([&] { return client.get(secret_key("shop", "salt"))->entries.empty(); }));
  EXPECT_EQ(*shared_secret(client, "shop", "tokens", [] { return "other"; }), *secrets.begin());
}

TEST_F(membership_test, sees_who_comes_goes_and_is_drained) {
  etcd_processes etcd{1};
  etcd_client client{etcd.options()};
  ASSERT_TRUE(is_ready(client));
  const auto a = join_cluster(client, "shop", 1, joining('a', "a", "east"))->node;
  const auto b = join_cluster(client, "shop", 1, joining('b'))->node;
  std::mutex mutex;
  std::vector<cluster_node> told;
  membership_callbacks callbacks;
  callbacks.on_nodes = [&](const std::vector<cluster_node>& nodes) {
    const std::lock_guard lock{mutex};
    told = nodes;
  };
  const auto is_told = [&](std::size_t index, const std::function<bool(const cluster_node&)>& is) {
    return comes([&] {
      const std::lock_guard lock{mutex};
      return told.size() > index && is(told[index]);
    });
  };
  membership first{as(etcd, a, running(1, 1'000)), callbacks};
  ASSERT_TRUE(is_told(
      0, [](const auto& n) { return n.live == running(1, 1'000) && n.what.zone == "east"; }));
  {
    membership second{as(etcd, b, running(5, 2'000)), {}};
    ASSERT_TRUE(is_told(1, [](const auto& n) { return n.live == running(5, 2'000); }));
    EXPECT_TRUE(comes([&] { return live_in(second) == 2 && second.is_filled(); }));
  }
  ASSERT_TRUE(is_told(1, [](const auto& n) { return !n.live; })) << "it gave its lease back";
  ASSERT_TRUE(set_node_state(client, "shop", b, node_state::draining).ok());
  ASSERT_TRUE(is_told(1, [](const auto& n) { return n.what.state == node_state::draining; }));

  ASSERT_TRUE(client.revoke(first.lease()).ok());
  ASSERT_TRUE(is_told(0, [](const auto& n) { return !n.live; }));
  ASSERT_TRUE(is_told(0, [](const auto& n) { return n.live.has_value(); })) << "it came back";
}

TEST_F(membership_test, a_later_process_replaces_an_earlier_one_and_not_the_reverse) {
  etcd_processes etcd{1};
  etcd_client client{etcd.options()};
  ASSERT_TRUE(is_ready(client));
  const auto a = join_cluster(client, "shop", 1, joining('a'))->node;
  // As a killed process leaves it, whose lease has not run out.
  const auto lease = client.grant(60s);
  ASSERT_TRUE(client.run({{}, {{live_key("shop", a), write_live(running(1, 1)), lease->id}}, {}}));
  const auto registered = [&](const live_node& as_this) {
    const auto found = client.get(live_key("shop", a));
    return found.ok() && !found->entries.empty() && found->entries[0].value == write_live(as_this);
  };
  membership later{as(etcd, a, running(2, 2'000)), {}};
  ASSERT_TRUE(comes([&] { return registered(running(2, 2'000)); }));
  membership copied{as(etcd, a, running(2, 3'000)), {}};
  ASSERT_TRUE(comes([&] { return copied.lease() != 0 && copied.is_filled(); }));
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(registered(running(2, 2'000)));
    ASSERT_TRUE(client.run({{}, {{"/tick", std::to_string(i), 0}}, {}}));
  }
}

TEST_F(membership_test, one_balancer_works_and_the_next_goes_on) {
  etcd_processes etcd{1};
  etcd_client client{etcd.options()};
  ASSERT_TRUE(is_ready(client));
  std::vector<std::unique_ptr<membership>> nodes;
  std::vector<std::unique_ptr<balancer>> balancers;
  for (const char digit : {'a', 'b', 'c'}) {
    const auto id = join_cluster(client, "shop", 1, joining(digit))->node;
    nodes.push_back(std::make_unique<membership>(
        as(etcd, id, running(1, 1'000 * static_cast<int>(id.value))), membership_callbacks{}));
    balancers.push_back(std::make_unique<balancer>(balancing(etcd), *nodes.back()));
  }
  const auto is_planned = [&](std::size_t copies) {
    return comes([&] {
      const auto planned = nodes[2]->placement();
      return std::ranges::all_of(planned, [&](const auto& l) { return l.size() == copies; });
    });
  };
  ASSERT_TRUE(is_planned(3));
  const auto holders = [&] {
    return std::ranges::count_if(balancers, [](const auto& b) { return b && b->holds_lock(); });
  };
  EXPECT_EQ(holders(), 1);
  const auto before = nodes[2]->placement();
  const auto leads = std::ranges::count_if(before, [](const auto& l) { return l[0].value == 1; });
  EXPECT_NEAR(static_cast<double>(leads), shard_count / 3.0, 1.0);

  // The one that works goes, and a node is drained: the next one empties it.
  const auto worker = static_cast<std::size_t>(
      std::ranges::find_if(balancers, [](const auto& b) { return b->holds_lock(); }) -
      balancers.begin());
  balancers[worker].reset();
  nodes[worker].reset();
  const node_id gone{static_cast<std::uint32_t>(worker + 1)};
  ASSERT_TRUE(comes([&] { return holders() == 1; }));
  const auto survivor = worker == 2 ? 1u : 2u;
  EXPECT_EQ(nodes[survivor]->placement(), before) << "a node that went is waited for";
  ASSERT_TRUE(set_node_state(client, "shop", gone, node_state::removed).ok());
  EXPECT_TRUE(comes([&] {
    const auto planned = nodes[survivor]->placement();
    return std::ranges::all_of(
        planned, [&](const auto& list) { return !list.empty() && list.front() != gone; });
  }));
}

TEST_F(membership_test, a_balancer_without_the_lock_writes_nothing) {
  etcd_processes etcd{1};
  etcd_client client{etcd.options()};
  ASSERT_TRUE(is_ready(client));
  ASSERT_TRUE(client.run({{}, {{balancer_key("shop"), "someone else", 0}}, {}}));
  const auto a = join_cluster(client, "shop", 1, joining('a'))->node;
  membership node{as(etcd, a, running(1, 1'000)), {}};
  auto options = balancing(etcd);
  options.settle = 0ms;
  balancer b{options, node};
  ASSERT_TRUE(comes([&] { return node.lease() != 0 && node.is_filled(); }));
  ASSERT_TRUE(client.run({{}, {{"/tick", "1", 0}}, {}}));
  EXPECT_EQ(b.changes(), 0u);
  EXPECT_FALSE(b.holds_lock());
  ASSERT_TRUE(client.run({{}, {}, {balancer_key("shop")}}));
  EXPECT_TRUE(comes([&] { return b.changes() == shard_count; }));
  EXPECT_TRUE(comes([&] { return node.placement()[255] == std::vector<node_id>{a}; }));
  // Taken away, it stops at once.
  ASSERT_TRUE(client.run({{}, {{balancer_key("shop"), "someone else", 0}}, {}}));
  EXPECT_TRUE(comes([&] { return !b.holds_lock(); }));
}

TEST(balancer_options, name_the_field_that_is_wrong) {
  balancer_options o;
  o.etcd.endpoints = {"127.0.0.1:2379"};
  o.cluster = "shop";
  EXPECT_TRUE(validate(o).ok());
  o.placement.min_in_sync = 4;
  EXPECT_NE(validate(o).error().detail.find("copies"), std::string::npos);
  o.placement.min_in_sync = 2;
  o.idle_interval = 1ms;
  EXPECT_NE(validate(o).error().detail.find("idle_interval"), std::string::npos);
}

}  // namespace
}  // namespace tally::cluster

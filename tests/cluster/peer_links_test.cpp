#include "cluster/peer_links.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/cluster/peer_fixture.hpp"

namespace tally::cluster {
namespace {

using changes = std::vector<std::string>;

/// Two nodes that know each other.
struct peer_pair {
  peer_pair() { meet(); }
  void meet() {
    a->set_peers({a.address(), b.address()});
    b->set_peers({a.address(), b.address()});
  }
  [[nodiscard]] bool is_up() const {
    return comes([&] { return a->is_up(node_id{2}) && b->is_up(node_id{1}); });
  }
  peer_node a{1}, b{2};
};

TEST(peer_links, two_nodes_meet_and_both_are_told_once) {
  peer_pair pair;
  ASSERT_TRUE(pair.is_up());
  EXPECT_TRUE(comes([&] { return pair.a.changes() == changes{"up 2"}; }));
  EXPECT_TRUE(comes([&] { return pair.b.changes() == changes{"up 1"}; }));
  EXPECT_EQ(pair.a->metrics().links_up, 1u);
}

TEST(peer_links, messages_arrive_in_order_in_both_directions) {
  peer_pair pair;
  ASSERT_TRUE(pair.is_up());
  constexpr std::uint64_t count = volume > (1u << 10) ? 2'000 : 20;
  for (std::uint64_t i = 0; i < count; ++i) {
    pair.a->send(node_id{2}, {numbered(i)});
    pair.b->send(node_id{1}, {numbered(i)});
  }
  for (const auto* node : {&pair.a, &pair.b}) {
    ASSERT_TRUE(comes([&] { return node->messages().size() == count; }));
    std::uint64_t next = 0;
    for (const auto& m : node->messages()) ASSERT_EQ(std::get<pull_message>(m.body).end, next++);
  }
  EXPECT_EQ(pair.a->metrics().messages_dropped, 0u);
}

TEST(peer_links, chunks_arrive_whole_whatever_their_size) {
  peer_pair pair;
  ASSERT_TRUE(pair.is_up());
  const std::vector<replica_message> sent{with_chunk(1), with_chunk(volume / 4),
                                          with_chunk(3 * volume)};
  for (const auto& m : sent) pair.a->send(node_id{2}, {m});
  ASSERT_TRUE(comes([&] { return pair.b.messages().size() == sent.size(); }));
  for (std::size_t i = 0; i < sent.size(); ++i)
    EXPECT_TRUE(message_text::of(pair.b.messages()[i]) == message_text::of(sent[i])) << i;
}

TEST(peer_links, far_more_than_a_window_goes_through_while_it_is_taken) {
  peer_pair pair;
  ASSERT_TRUE(pair.is_up());
  if (volume < (1u << 20)) GTEST_SKIP() << "too much for a sanitizer";
  const auto m = with_chunk(200'000);
  std::size_t sent = 0;
  while (pair.b.messages().size() < 100 && !HasFailure()) {  // five windows
    for (int i = 0; i < 20; ++i) pair.a->send(node_id{2}, {m});
    sent += 20;
    EXPECT_TRUE(comes(
        [&] { return pair.b.messages().size() + pair.a->metrics().messages_dropped == sent; }));
  }
  EXPECT_EQ(pair.b->metrics().frames_damaged, 0u);
}

TEST(peer_links, asks_and_answers) {
  peer_pair pair;
  ASSERT_TRUE(pair.is_up());
  EXPECT_EQ(pair.a.ask(2, "who"), "1->2");
  EXPECT_EQ(pair.b.ask(1, "who"), "2->1");
  const std::string large(5 * volume, 'x');
  EXPECT_TRUE(pair.a.ask(2, "echo", large) == large);
  EXPECT_EQ(pair.a.ask(2, "echo"), "");
  EXPECT_EQ(pair.a.ask(2, "fail", "because"), "conflict: because");
  EXPECT_EQ(pair.a.ask(2, "drop"), "unavailable: the request was dropped");
  EXPECT_EQ(pair.a.ask(9, "who"), "unavailable: node 9 is not a node of this cluster");
  EXPECT_EQ(pair.a.ask(2, "hold", "", 50ms), "unavailable: node 2 has not answered in time");
  pair.b.release_held();
  EXPECT_EQ(pair.a.ask(2, "echo", "still"), "still");
}

TEST(peer_links, what_waits_for_an_answer_fails_when_the_peer_goes) {
  auto pair = std::make_unique<peer_pair>();
  ASSERT_TRUE(pair->is_up());
  auto waiting = std::async(std::launch::async, [&] { return pair->a.ask(2, "hold", "", 600s); });
  ASSERT_TRUE(comes([&] { return pair->b.held() == 1; }));
  pair->b.stop();
  EXPECT_EQ(waiting.get(), "unavailable: node 2 went away before it answered");
  EXPECT_TRUE(comes([&] { return pair->a.changes() == changes{"up 2", "down 2"}; }));
  EXPECT_FALSE(pair->a->is_up(node_id{2}));
}

TEST(peer_links, what_waits_fails_when_the_links_end) {
  peer_pair pair;
  ASSERT_TRUE(pair.is_up());
  std::promise<std::string> said;
  pair.a->ask(node_id{2}, "hold", "", 600s,
              [&](const result<std::string>& a) { said.set_value(a.error().text()); });
  ASSERT_TRUE(comes([&] { return pair.b.held() == 1; }));
  pair.a.stop();
  EXPECT_EQ(said.get_future().get(), "unavailable: node 2 went away before it answered");
  EXPECT_EQ(pair.a.changes(), changes{"up 2"}) << "it is told nothing of its own end";
}

TEST(peer_links, a_node_that_starts_again_is_met_again) {
  peer_node a{1};
  auto b = std::make_unique<peer_node>(2);
  auto options = quick_options();
  options.port = b->address().port;
  const std::vector all{a.address(), b->address()};
  a->set_peers(all);
  (*b)->set_peers(all);
  ASSERT_TRUE(comes([&] { return a->is_up(node_id{2}); }));
  for (int round = 0; round < 3; ++round) {
    b.reset();
    ASSERT_TRUE(comes([&] { return !a->is_up(node_id{2}); }));
    b = std::make_unique<peer_node>(2, options);
    (*b)->set_peers(all);
    ASSERT_TRUE(comes([&] { return a->is_up(node_id{2}); }));
    EXPECT_EQ(a.ask(2, "who"), "1->2");
  }
  EXPECT_EQ(a.changes().size(), 7u);
}

TEST(peer_links, a_peer_that_is_not_named_any_more_is_dropped_and_let_in_again_when_it_is) {
  peer_pair pair;
  ASSERT_TRUE(pair.is_up());
  pair.b->set_peers({});
  EXPECT_TRUE(comes([&] { return pair.b.changes() == changes{"up 1", "down 1"}; }));
  EXPECT_TRUE(comes([&] { return pair.b->metrics().handshakes_refused > 0; }));
  EXPECT_EQ(pair.b.ask(1, "who"), "unavailable: node 1 is not a node of this cluster");
  pair.meet();
  ASSERT_TRUE(pair.is_up());
  EXPECT_EQ(pair.b.ask(1, "who"), "2->1");
}

TEST(peer_links, refuses_a_node_of_another_cluster) {
  peer_node a{1, quick_options(), 8}, b{2};
  const std::vector all{a.address(), b.address()};
  a->set_peers(all);
  b->set_peers(all);
  EXPECT_TRUE(comes([&] { return b->metrics().handshakes_refused > 2; }));
  EXPECT_FALSE(a->is_up(node_id{2}));
  EXPECT_TRUE(b.changes().empty());
}

TEST(peer_links, refuses_to_be_taken_for_another_node) {
  peer_node a{1}, b{2};
  a->set_peers({{node_id{3}, "127.0.0.1", b->port()}});
  b->set_peers({a.address()});
  EXPECT_TRUE(comes([&] { return b->metrics().handshakes_refused > 2; }));
  EXPECT_FALSE(a->is_up(node_id{3}));
}

TEST(peer_links, refuses_a_second_process_with_the_same_number) {
  peer_pair pair;
  ASSERT_TRUE(pair.is_up());
  peer_node twin{1};
  twin->set_peers({pair.b.address()});
  EXPECT_TRUE(comes([&] { return pair.b->metrics().handshakes_refused > 2; }));
  EXPECT_FALSE(twin->is_up(node_id{2}));
  EXPECT_EQ(pair.a.ask(2, "who"), "1->2");
  pair.a.stop();
  EXPECT_TRUE(comes([&] { return twin->is_up(node_id{2}); })) << "now it is the only one";
}

TEST(peer_links, tells_a_port_that_refuses_from_one_that_does_not) {
  peer_node a{1};
  const auto nobody = static_cast<std::uint16_t>(free_ports(1)[0]);
  auto b = std::make_unique<peer_node>(2);
  a->set_peers({b->address(), {node_id{3}, "127.0.0.1", nobody}});
  const auto probed = [&](std::uint32_t node) {
    std::promise<std::optional<witness>> said;
    a->probe(node_id{node}, [&](std::optional<witness> w) { said.set_value(w); });
    return said.get_future().get();
  };
  EXPECT_EQ(probed(2), std::nullopt);
  EXPECT_EQ(probed(3), witness::refused);
  EXPECT_EQ(probed(4), std::nullopt) << "nobody knows where it is";
  b.reset();
  EXPECT_EQ(probed(2), witness::refused);
}

TEST(peer_links, three_nodes_all_reach_each_other) {
  peer_node a{1}, b{2}, c{3};
  const std::vector all{a.address(), b.address(), c.address()};
  for (auto* node : {&a, &b, &c}) (*node)->set_peers(all);
  for (auto* node : {&a, &b, &c}) ASSERT_TRUE(comes([&] { return node->changes().size() == 2; }));
  EXPECT_EQ(a.ask(3, "who"), "1->3");
  EXPECT_EQ(c.ask(1, "who"), "3->1");
  EXPECT_EQ(c.ask(2, "who"), "3->2");
  EXPECT_EQ(b.ask(3, "who"), "2->3");
}

TEST(peer_links, refuses_options_that_cannot_be) {
  const auto refused = [](auto change) {
    peer_options o;
    change(o);
    const auto good = validate(o);
    return good ? std::string{} : good.error().detail;
  };
  EXPECT_EQ(refused([](auto&) {}), "");
  EXPECT_NE(refused([](auto& o) { o.host = "0.0.0.0"; }).find("certificates"), std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.host = ""; }), "");
  EXPECT_EQ(refused([](auto& o) {
              o.host = "0.0.0.0";
              o.insecure = true;
            }),
            "");
  EXPECT_NE(refused([](auto& o) { o.tls.ca_file = "ca.pem"; }), "");
  EXPECT_NE(refused([](auto& o) { o.silence_max = o.heartbeat_interval; }), "");
  EXPECT_NE(refused([](auto& o) { o.retry_pause_max = 1ms; }), "");
  EXPECT_NE(refused([](auto& o) { o.calls_max = 0; }), "");
  EXPECT_NE(refused([](auto& o) { o.data_window_bytes_max = 1; }), "");
  EXPECT_NE(refused([](auto& o) { o.call_queue_bytes_max = o.call_bytes_max - 1; }), "");
  peer_node a{1};
  auto options = quick_options();
  options.port = a->port();
  const auto twice = peer_links::start(options, node_id{2}, 7, {});
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().code, errc::bad_option);
}

}  // namespace
}  // namespace tally::cluster

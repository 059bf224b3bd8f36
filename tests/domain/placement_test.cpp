// The planner against a small world in which copies come, catch up, lead and die as it is told.
#include "domain/placement.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <random>
#include <set>

namespace tally {
namespace {

using namespace std::chrono_literals;

class world {
 public:
  explicit world(std::size_t shards, placement_options options = {}) : options_{options} {
    actual_.resize(shards);
    current_.resize(shards);
  }

  node_id add(std::string zone = "") {
    nodes_.push_back({{++last_node_}, std::move(zone), node_state::active, true, 0ms});
    return nodes_.back().id;
  }
  placed_node& node(node_id id) { return *std::ranges::find(nodes_, id, &placed_node::id); }
  void kill(node_id id) { node(id).is_live = false; }
  void revive(node_id id) {
    node(id).is_live = true;
    node(id).dead_for = 0ms;
  }

  /// Plans once and lets the nodes do a part of it; false where nothing is left to do.
  bool step(std::mt19937& random) {
    const auto next = plan_placement(current_, actual_, nodes_, options_);
    check(next);
    bool changes = next != current_;
    current_ = next;
    for (auto& n : nodes_) {
      if (!n.is_live) n.dead_for += 1min;
    }
    for (std::size_t i = 0; i < actual_.size(); ++i) changes |= reconcile(i, random);
    return changes;
  }
  /// The number of steps; 0 where it does not come to rest.
  std::size_t settle(std::mt19937& random) {
    std::size_t rest = 0;
    for (std::size_t i = 1; i < 5'000; ++i) {
      rest = step(random) ? 0 : rest + 1;
      if (rest > 12) return i;  // beyond replace_after
      if (::testing::Test::HasFailure()) return 0;
    }
    return 0;
  }

  [[nodiscard]] std::map<node_id, std::size_t> copies() const {
    std::map<node_id, std::size_t> counts;
    for (const auto& n : nodes_) counts[n.id];
    for (const auto& list : current_) {
      for (const auto id : list) ++counts[id];
    }
    return counts;
  }
  [[nodiscard]] std::map<node_id, std::size_t> leads() const {
    std::map<node_id, std::size_t> counts;
    for (const auto& n : nodes_) counts[n.id];
    for (const auto& config : actual_) {
      if (const auto* copy = config.find_copy(config.leader)) ++counts[copy->node];
    }
    return counts;
  }
  [[nodiscard]] std::size_t spread(std::map<node_id, std::size_t> counts) const {
    for (const auto& n : nodes_) {
      if (n.state != node_state::active || !n.is_live) counts.erase(n.id);
    }
    const auto [least, most] =
        std::ranges::minmax_element(counts, {}, &std::pair<const node_id, std::size_t>::second);
    return most->second - least->second;
  }

  placement_options options_;
  placement current_;
  std::vector<shard_config> actual_;
  std::vector<placed_node> nodes_;
  std::size_t made_ = 0;  // copies, ever
  bool counts_hand_overs_ = false;

 private:
  [[nodiscard]] bool is_live(node_id id) const {
    const auto found = std::ranges::find(nodes_, id, &placed_node::id);
    return found != nodes_.end() && found->is_live;
  }
  [[nodiscard]] std::size_t ready(const shard_config& config,
                                  const std::vector<node_id>& among) const {
    return static_cast<std::size_t>(std::ranges::count_if(config.copies, [&](const auto& copy) {
      return config.is_in_sync(copy.id) && is_live(copy.node) &&
             std::ranges::count(among, copy.node) > 0;
    }));
  }
  /// What must hold of every step.
  void check(const placement& next) const {
    std::map<node_id, std::size_t> coming;
    std::set<node_id> added;
    std::size_t hand_overs = 0;
    bool is_whole = true;
    for (std::size_t i = 0; i < next.size(); ++i) {
      const auto& config = actual_[i];
      const std::set<node_id> distinct{next[i].begin(), next[i].end()};
      EXPECT_EQ(distinct.size(), next[i].size()) << "a node twice";
      std::vector<node_id> holders;
      for (const auto& copy : config.copies) holders.push_back(copy.node);
      const auto before = ready(config, holders), after = ready(config, next[i]);
      EXPECT_GE(after, std::min(before, options_.min_in_sync)) << "shard " << i;
      if (config.version == 0) continue;
      if (before < std::min(options_.copies, nodes_.size())) is_whole = false;
      for (const auto id : next[i]) {
        const auto copy = std::ranges::find(config.copies, id, &shard_copy::node);
        if (copy != config.copies.end() && config.is_in_sync(copy->id)) continue;
        ++coming[id];
        if (std::ranges::count(current_[i], id) == 0) added.insert(id);
      }
      const auto* leader = config.find_copy(config.leader);
      if (leader != nullptr && is_live(leader->node) && !next[i].empty() &&
          next[i].front() != leader->node) {
        ++hand_overs;
      }
    }
    for (const auto id : added) {
      EXPECT_TRUE(is_live(id));
      EXPECT_LE(coming[id], is_whole ? options_.moves_per_node_max : options_.fills_per_node_max);
    }
    const bool is_quiet = std::ranges::all_of(
        nodes_, [](const auto& n) { return n.is_live && n.state == node_state::active; });
    if (is_whole && is_quiet && counts_hand_overs_) {
      EXPECT_LE(hand_overs, options_.handovers_max + 2 * coming.size());
    }
  }

  bool reconcile(std::size_t i, std::mt19937& random) {
    auto& config = actual_[i];
    const auto before = config;
    if (config.version == 0) create(i);
    if (config.version == 0) return false;
    const auto* leader = config.find_copy(config.leader);
    if (leader == nullptr || !is_live(leader->node)) take_over(config);
    leader = config.find_copy(config.leader);
    const bool is_led = leader != nullptr && is_live(leader->node);
    if (!is_led) return config != before;
    for (const auto id : current_[i]) {
      const bool is_there = std::ranges::count(config.copies, id, &shard_copy::node) > 0;
      if (is_live(id) && !is_there) config.copies.push_back({{1, ++made_}, id});
    }
    for (const auto& copy : config.copies) {
      if (!config.is_in_sync(copy.id) && is_live(copy.node) && random() % 2 == 0) {
        config.in_sync.push_back(copy.id);
        break;
      }
    }
    drop(
        i, [&](const shard_copy& copy) { return !is_live(copy.node); }, false);
    drop(
        i,
        [&](const shard_copy& copy) {
          return copy.id != config.leader && std::ranges::count(current_[i], copy.node) == 0;
        },
        true);
    for (const auto id : current_[i]) {
      const auto copy = std::ranges::find(config.copies, id, &shard_copy::node);
      if (copy == config.copies.end() || !is_live(id) || !config.is_in_sync(copy->id)) continue;
      config.leader = copy->id;
      break;
    }
    if (config != before) config.version += 1;
    return config != before;
  }
  void create(std::size_t i) {
    auto& config = actual_[i];
    if (current_[i].empty() || !is_live(current_[i].front())) return;
    config.version = 1;
    config.leader = {1, ++made_};
    config.copies = {{config.leader, current_[i].front()}};
    config.in_sync = {config.leader};
  }
  void take_over(shard_config& config) const {
    for (const auto& copy : config.copies) {
      if (!config.is_in_sync(copy.id) || !is_live(copy.node)) continue;
      config.leader = copy.id;
      return;
    }
  }
  /// As the core does: never below min_in_sync.
  void drop(std::size_t i, const std::function<bool(const shard_copy&)>& goes, bool whole) {
    auto& config = actual_[i];
    const auto copies = config.copies;
    for (const auto& copy : copies) {
      if (!goes(copy)) continue;
      const bool counts = config.is_in_sync(copy.id);
      if (counts && config.in_sync.size() <= options_.min_in_sync) continue;
      std::erase(config.in_sync, copy.id);
      if (whole) std::erase(config.copies, copy);
    }
  }

  std::uint32_t last_node_ = 0;
};

std::size_t shards_of(const world& w, node_id id) {
  return w.copies().at(id);
}

TEST(placement, a_new_cluster_is_spread_at_once) {
  std::mt19937 random{1};
  world w{256};
  for (int i = 0; i < 5; ++i) w.add();
  const auto first = plan_placement({}, w.actual_, w.nodes_, w.options_);
  for (const auto& list : first) EXPECT_EQ(list.size(), 3u);
  ASSERT_NE(w.settle(random), 0u);
  EXPECT_EQ(w.current_, first) << "nothing was moved";
  EXPECT_LE(w.spread(w.copies()), 1u);
  EXPECT_LE(w.spread(w.leads()), 1u);
}

TEST(placement, fewer_nodes_than_copies_are_all_used) {
  std::mt19937 random{1};
  world w{64};
  w.add();
  ASSERT_NE(w.settle(random), 0u);
  EXPECT_EQ(shards_of(w, {1}), 64u);
  w.add();
  w.add();
  ASSERT_NE(w.settle(random), 0u);
  for (std::uint32_t id = 1; id <= 3; ++id) EXPECT_EQ(shards_of(w, {id}), 64u);
  EXPECT_LE(w.spread(w.leads()), 1u);
  EXPECT_EQ(w.made_, 3 * 64u);
}

TEST(placement, a_new_node_gets_its_share_and_nothing_else_moves) {
  std::mt19937 random{2};
  world w{256};
  for (int i = 0; i < 4; ++i) w.add();
  ASSERT_NE(w.settle(random), 0u);
  const auto before = w.made_;
  w.counts_hand_overs_ = true;
  const auto fresh = w.add();
  ASSERT_NE(w.settle(random), 0u);
  EXPECT_LE(w.spread(w.copies()), 1u);
  EXPECT_LE(w.spread(w.leads()), 1u);
  EXPECT_EQ(w.made_ - before, shards_of(w, fresh));
}

TEST(placement, a_node_that_is_away_for_a_while_loses_nothing) {
  std::mt19937 random{3};
  world w{64};
  for (int i = 0; i < 4; ++i) w.add();
  ASSERT_NE(w.settle(random), 0u);
  const auto before = w.current_;
  w.kill({2});
  for (int i = 0; i < 8; ++i) w.step(random);
  w.revive({2});
  ASSERT_NE(w.settle(random), 0u);
  EXPECT_EQ(w.current_, before);
  EXPECT_EQ(w.made_, 3 * 64u);
}

TEST(placement, a_node_that_stays_away_is_replaced) {
  std::mt19937 random{4};
  world w{64};
  for (int i = 0; i < 5; ++i) w.add();
  ASSERT_NE(w.settle(random), 0u);
  w.kill({2});
  ASSERT_NE(w.settle(random), 0u);
  EXPECT_EQ(shards_of(w, {2}), 0u);
  EXPECT_LE(w.spread(w.copies()), 1u);
  for (const auto& list : w.current_) EXPECT_EQ(list.size(), 3u);
}

TEST(placement, a_draining_node_is_emptied_where_others_can_take_over) {
  std::mt19937 random{5};
  world w{64};
  for (int i = 0; i < 4; ++i) w.add();
  ASSERT_NE(w.settle(random), 0u);
  w.node({1}).state = node_state::draining;
  ASSERT_NE(w.settle(random), 0u);
  EXPECT_EQ(shards_of(w, {1}), 0u);
  EXPECT_EQ(w.leads().at({1}), 0u);
  EXPECT_LE(w.spread(w.copies()), 1u);
  // Two are enough to write; one is not.
  w.node({2}).state = node_state::removed;
  ASSERT_NE(w.settle(random), 0u);
  EXPECT_EQ(shards_of(w, {2}), 0u);
  w.node({3}).state = node_state::draining;
  ASSERT_NE(w.settle(random), 0u);
  EXPECT_EQ(shards_of(w, {3}), 64u) << "fewer than min_in_sync would be left";
  EXPECT_EQ(w.leads().at({3}), 0u);
}

TEST(placement, copies_are_in_as_many_zones_as_there_are) {
  std::mt19937 random{6};
  world w{128};
  for (const auto* zone : {"a", "a", "b", "b"}) w.add(zone);
  ASSERT_NE(w.settle(random), 0u);
  const auto zones = [&](std::size_t i) {
    std::set<std::string> found;
    for (const auto id : w.current_[i]) found.insert(w.node(id).zone);
    return found.size();
  };
  for (std::size_t i = 0; i < 128; ++i) EXPECT_EQ(zones(i), 2u);
  EXPECT_LE(w.spread(w.copies()), 1u);
  for (const auto* zone : {"c", "c"}) w.add(zone);
  ASSERT_NE(w.settle(random), 0u);
  for (std::size_t i = 0; i < 128; ++i) EXPECT_EQ(zones(i), 3u);
  EXPECT_LE(w.spread(w.copies()), 1u);
  EXPECT_LE(w.spread(w.leads()), 1u);
}

TEST(placement, what_is_not_known_is_left_alone) {
  world w{4};
  for (int i = 0; i < 5; ++i) w.add();
  const placement current(4, {{1}, {2}, {3}});
  EXPECT_EQ(plan_placement(current, w.actual_, w.nodes_, w.options_)[3].size(), 3u);
  w.nodes_.clear();
  EXPECT_EQ(plan_placement(current, w.actual_, w.nodes_, w.options_), current);
}

/// Whatever happened before: at rest it is whole and even, and every step kept the rules.
TEST(placement, comes_to_rest_after_any_history) {
  for (unsigned seed = 1; seed <= 60; ++seed) {
    std::mt19937 random{seed};
    placement_options options;
    options.copies = 1 + random() % 3;
    options.min_in_sync = 1 + random() % options.copies;
    world w{16 + random() % 49, options};
    for (auto n = 1 + random() % 6; n > 0; --n) w.add();
    for (int event = 0; event < 12; ++event) {
      for (auto steps = random() % 20; steps > 0; --steps) w.step(random);
      const node_id id{1 + static_cast<std::uint32_t>(random() % w.nodes_.size())};
      switch (random() % 5) {
        case 0:
          w.add();
          break;
        case 1:
          w.kill(id);
          break;
        case 2:
          w.node(id).state = node_state::draining;
          break;
        default:
          w.revive(id);
          w.node(id).state = node_state::active;
      }
    }
    for (auto& n : w.nodes_) {
      w.revive(n.id);
      if (random() % 4 != 0) n.state = node_state::active;
    }
    for (int i = 0; i < 3; ++i) w.add();
    ASSERT_NE(w.settle(random), 0u) << "seed " << seed;
    EXPECT_LE(w.spread(w.copies()), 1u) << "seed " << seed;
    EXPECT_LE(w.spread(w.leads()), 1u) << "seed " << seed;
    for (const auto& list : w.current_) EXPECT_EQ(list.size(), options.copies) << "seed " << seed;
    for (const auto& n : w.nodes_) {
      if (n.state == node_state::active) continue;
      EXPECT_EQ(shards_of(w, n.id), 0u) << "seed " << seed;
    }
    const auto made = w.made_;
    for (int i = 0; i < 50; ++i) EXPECT_FALSE(w.step(random));
    EXPECT_EQ(w.made_, made);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace tally

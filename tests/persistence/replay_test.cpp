#include "persistence/replay.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "domain/logic_v1/apply.hpp"
#include "tests/support/random_events.hpp"

namespace tally::persistence {
namespace {

namespace fs = std::filesystem;

/// A real state store in a folder of its own.
class replay_test : public ::testing::Test {
 protected:
  replay_test() {
    path = fs::temp_directory_path() /
           ("tally-replay-" + std::to_string(getpid()) + "-" + std::to_string(number++));
    fs::remove_all(path);
    reopen();
  }
  ~replay_test() override {
    store.reset();
    fs::remove_all(path);
  }
  void reopen() {
    store.reset();
    state_options options;
    options.path = path;
    auto opened = state_store::open(options);
    ASSERT_TRUE(opened) << opened.error().text();
    store = std::move(*opened);
  }

  std::uint64_t straight(const std::vector<testing::placed_event>& events,
                         const state_owner& owner) {
    replayed_merchant merchant{*store, owner, {}, rules};
    for (const auto& e : events) {
      const auto applied = merchant.apply(e.bytes, e.offset, e.stamped_at);
      EXPECT_TRUE(applied) << applied.error().text();
    }
    EXPECT_TRUE(merchant.save());
    const auto hash = state_hash(merchant.state(), *store, owner, rules);
    EXPECT_TRUE(hash);
    return *hash;
  }

  /// The same events with saves, evictions and reloads from disk at random moments.
  std::uint64_t in_pieces(const std::vector<testing::placed_event>& events,
                          const state_owner& owner, std::uint32_t seed) {
    std::mt19937 random{seed};
    loaded_state live{initial_state({}), {}};
    for (const auto& e : events) {
      if (random() % 30 == 0) {
        state_store::batch b;
        live.snapshot = write_snapshot(live.state, owner, live.snapshot, rules, b);
        EXPECT_TRUE(store->write(std::move(b)));
        if (random() % 2 == 0) {
          auto loaded = load_snapshot(*store, owner);
          EXPECT_TRUE(loaded) << loaded.error().text();
          live = std::move(*loaded);
        } else {
          live.state.ids.evict(0);
        }
      }
      event decoded;
      EXPECT_TRUE(decode_event(e.bytes, decoded));
      std::vector<slice_range> missing;
      live.state.ids.missing_for(decoded, e.stamped_at, missing);
      for (const auto& range : missing) {
        auto ids = load_ids(*store, owner, range);
        EXPECT_TRUE(ids);
        live.state.ids.load(range, *ids);
      }
      logic_v1::apply(live.state, decoded, {e.offset, e.stamped_at, e.bytes}, rules);
    }
    state_store::batch b;
    live.snapshot = write_snapshot(live.state, owner, live.snapshot, rules, b);
    EXPECT_TRUE(store->write(std::move(b)));
    const auto hash = state_hash(live.state, *store, owner, rules);
    EXPECT_TRUE(hash);
    return *hash;
  }

  fs::path path;
  ruleset rules;
  std::unique_ptr<state_store> store;
  static inline int number = 0;
};

TEST_F(replay_test, any_cut_into_snapshots_and_restarts_gives_the_same_bytes) {
  for (std::uint32_t seed = 1; seed <= 12; ++seed) {
    const auto events = testing::random_events(seed, 1'500);
    const auto expected = straight(events, {1, 1, "straight" + std::to_string(seed)});
    for (std::uint32_t cut = 0; cut < 3; ++cut) {
      const state_owner owner{2, 1, "cut" + std::to_string(seed) + "-" + std::to_string(cut)};
      EXPECT_EQ(in_pieces(events, owner, seed * 100 + cut), expected) << "seed " << seed;
    }
  }
}

TEST_F(replay_test, visits_in_pages_and_texts_survive_any_cut_too) {
  auto events = testing::random_events(5, 40);
  auto offset = events.back().offset;
  auto now = to_ms(events.back().stamped_at);
  for (std::uint32_t i = 0; i < 4'000; ++i) {
    event e;
    const auto visitor = "crowd-" + std::to_string(i % 2'900);
    const auto name = "name-" + std::to_string(i % 70);
    const auto id = std::to_string(i);
    e.merchant = "shop";
    e.id = id;
    e.name = name;
    e.visitor = visitor;
    now += i == 3'500 ? 50'000'000 : 500;  // the whole crowd's visits end at once
    e.at = e.received_at = time_from_ms(now);
    e.sent = client_time_from_ms(now);
    testing::placed_event placed;
    encode_event(e, placed.bytes);
    placed.offset = ++offset;
    placed.stamped_at = e.at;
    events.push_back(std::move(placed));
  }
  const auto expected = straight(events, {1, 1, "straight"});
  EXPECT_EQ(in_pieces(events, {2, 1, "pieces"}, 11), expected);
}

// What a generation that is built beside the serving one must be: the ids that the serving one
// saved decide as its own would, wherever the building is cut.
TEST_F(replay_test, a_generation_with_shared_ids_equals_one_computed_alone) {
  ruleset other;
  other.visit_timeout = std::chrono::minutes{5};
  other.names["page_view"] = counts_as::purchase;
  other.names["checkout"] = counts_as::ignore;
  correct_rule shifted;
  shifted.filter.op = filter_op::matches;
  shifted.filter.field = "event:visitor";
  shifted.filter.values = {"[13579]$"};
  ASSERT_TRUE(compile(shifted.filter));
  shifted.shift = std::chrono::minutes{-90};
  other.corrections.push_back(shifted);
  for (std::uint32_t seed = 1; seed <= 8; ++seed) {
    const auto events = testing::random_events(seed, 1'500);
    const auto name = "shop" + std::to_string(seed);
    in_pieces(events, {2, 1, name}, seed);
    const state_owner beside{2, 2, name}, alone{3, 2, name};
    std::mt19937 random{seed};
    std::unique_ptr<replayed_merchant> built;
    for (std::size_t end = 0; end < events.size();) {
      built = std::make_unique<replayed_merchant>(*store, beside, initial_settings{}, other,
                                                  id_use::shared);
      ASSERT_TRUE(built->resume());
      // Ended with or without a save: what was saved is gone on from, the rest comes again.
      end = std::min<std::size_t>(events.size(), end + 1 + random() % 200);
      for (std::size_t i = 0; i < end; ++i)
        ASSERT_TRUE(built->apply(events[i].bytes, events[i].offset, events[i].stamped_at));
      if (random() % 2 == 0 || end == events.size()) {
        ASSERT_TRUE(built->save());
      }
    }
    replayed_merchant single{*store, alone, {}, other};
    for (const auto& e : events) ASSERT_TRUE(single.apply(e.bytes, e.offset, e.stamped_at));
    ASSERT_TRUE(single.save());
    EXPECT_EQ(built->state().digest, single.state().digest) << seed;
    EXPECT_NE(built->state().digest, load_snapshot(*store, {2, 1, name})->state.digest);
    EXPECT_EQ(*state_hash(built->state(), *store, beside, other),
              *state_hash(single.state(), *store, alone, other))
        << seed;
  }
}

TEST_F(replay_test, one_event_more_changes_the_hash) {
  auto events = testing::random_events(7, 200);
  const auto all = straight(events, {1, 1, "all"});
  events.pop_back();
  EXPECT_NE(straight(events, {1, 1, "fewer"}), all);
}

TEST_F(replay_test, a_snapshot_is_the_state_that_was_saved) {
  const state_owner owner{3, 1, "shop"};
  replayed_merchant merchant{*store, owner, {"Europe/London", "GBP"}, rules};
  for (const auto& e : testing::random_events(3, 4'000))
    ASSERT_TRUE(merchant.apply(e.bytes, e.offset, e.stamped_at));
  ASSERT_TRUE(merchant.save());
  ASSERT_TRUE(store->flush());
  reopen();
  auto loaded = load_snapshot(*store, owner);
  ASSERT_TRUE(loaded) << loaded.error().text();
  EXPECT_EQ(loaded->state.applied, merchant.state().applied);
  EXPECT_EQ(loaded->state.digest, merchant.state().digest);
  EXPECT_EQ(loaded->state.counts, merchant.state().counts);
  EXPECT_EQ(loaded->state.visits.sorted(), merchant.state().visits.sorted());
  EXPECT_EQ(loaded->state.reporting_zone->name(), "Europe/London");
}

}  // namespace
}  // namespace tally::persistence

#include "persistence/generation_builder.hpp"

#include <gtest/gtest.h>

#include <random>

#include "persistence/trial.hpp"
#include "tests/support/temp_folder.hpp"
#include "tests/support/written_log.hpp"

namespace tally::persistence {
namespace {

ruleset refunds_as_purchases() {
  ruleset rules;
  rules.names["refund"] = counts_as::purchase;
  return rules;
}

class generation_builder_test : public ::testing::Test {
 protected:
  generation_builder_test() {
    events = testing::random_events(9, 1'000);
    written = std::make_unique<testing::written_log>(folder / "data/journal", "shop");
    written->append(events, 37);
    state_options options;
    options.path = folder / "state";
    auto opened = state_store::open(options);
    EXPECT_TRUE(opened) << opened.error().text();
    store = std::move(*opened);
  }
  rules_ptr rules(std::uint32_t number, const ruleset& of = refunds_as_purchases()) {
    auto made = first_rules(of, {});
    made.number = number;
    return std::make_shared<const generation_rules>(std::move(made));
  }
  std::uint64_t hash_of(std::uint32_t generation, const ruleset& of = refunds_as_purchases()) {
    const state_owner owner{written->shard(), generation, "shop"};
    const auto loaded = load_snapshot(*store, owner);
    EXPECT_TRUE(loaded) << loaded.error().text();
    return *state_hash(loaded->state, *store, owner, of);
  }

  testing::temp_folder folder;
  std::vector<testing::placed_event> events;
  std::unique_ptr<testing::written_log> written;
  std::unique_ptr<state_store> store;
};

TEST_F(generation_builder_test, however_it_is_cut_off_it_goes_on_to_the_same_state) {
  const auto end = written->log().last_round() + 1;
  // The serving generation has saved everything.
  generation_builder serving{
      written->log(), *store, 1, 0, [&](auto) { return rules(1, ruleset{}); }, id_use::own};
  ASSERT_TRUE(serving.resume());
  ASSERT_EQ(*serving.step(end, 1'000'000), events.size());
  ASSERT_TRUE(serving.save());

  generation_builder straight{written->log(), *store, 2, 0, [&](auto) { return rules(2); }};
  ASSERT_TRUE(straight.resume());
  ASSERT_TRUE(straight.step(end, 1'000'000));
  ASSERT_TRUE(straight.save());

  std::mt19937 random{4};
  for (round_number done = 0; done < end;) {
    generation_builder cut{written->log(), *store, 3, 0, [&](auto) { return rules(3); }};
    ASSERT_TRUE(cut.resume());
    EXPECT_LE(cut.next(), end);
    ASSERT_TRUE(cut.step(end, 1 + random() % 200));
    if (random() % 3 == 0) continue;  // nothing of it was saved
    ASSERT_TRUE(cut.save());
    done = cut.next();
  }
  EXPECT_EQ(hash_of(3), hash_of(2));
  EXPECT_NE(hash_of(2), hash_of(1, ruleset{}));
}

TEST_F(generation_builder_test, merchants_without_rules_are_left_out) {
  generation_builder none{written->log(), *store, 2, 0, [](auto) { return nullptr; }};
  ASSERT_TRUE(none.resume());
  EXPECT_EQ(*none.step(written->log().last_round() + 1, 1'000'000), events.size());
  ASSERT_TRUE(none.save());
  EXPECT_EQ(load_snapshot(*store, {written->shard(), 2, "shop"}).error().code, errc::not_found);
  generation_builder again{written->log(), *store, 2, 0, [](auto) { return nullptr; }};
  ASSERT_TRUE(again.resume());
  EXPECT_EQ(again.next(), written->log().last_round() + 1);
  generation_builder other{written->log(), *store, 2, 1, [](auto) { return nullptr; }};
  ASSERT_TRUE(other.resume());
  EXPECT_EQ(other.next(), 1u);
}

TEST_F(generation_builder_test, a_ruleset_is_tried_without_touching_the_data) {
  written->close();
  trial_options options;
  options.data_dir = folder / "data";
  options.scratch_dir = folder / "scratch";
  const auto nothing = [](std::uint64_t, std::uint64_t) {};
  const auto same = try_ruleset(options, nothing);
  ASSERT_TRUE(same) << same.error().text();
  EXPECT_EQ(same->events, events.size());
  EXPECT_EQ(same->merchants, 1u);
  EXPECT_TRUE(same->changes.empty());
  options.rules = refunds_as_purchases();
  options.changes_max = 5;
  const auto other = try_ruleset(options, nothing);
  ASSERT_TRUE(other) << other.error().text();
  ASSERT_EQ(other->changes.size(), 5u);
  for (std::size_t i = 1; i < other->changes.size(); ++i)
    EXPECT_GE(other->changes[i - 1].size, other->changes[i].size);
  EXPECT_FALSE(other->changes[0].currency.empty());
  options.merchants = {"nobody"};
  const auto nobody = try_ruleset(options, nothing);
  ASSERT_TRUE(nobody);
  EXPECT_EQ(nobody->merchants, 0u);
  EXPECT_FALSE(std::filesystem::exists(options.scratch_dir));
  EXPECT_FALSE(std::filesystem::exists(options.data_dir + "/state"));
  options.data_dir = folder / "nowhere";
  EXPECT_EQ(try_ruleset(options, nothing).error().code, errc::not_found);
}

TEST(generation_diff, the_largest_stay_and_ties_have_an_order) {
  std::vector<generation_change> changes{{"b", "x", "", "2020-01-01", "1", "2", 5},
                                         {"a", "x", "", "2020-01-01", "1", "2", 5},
                                         {"c", "x", "", "2020-01-01", "1", "9", 80}};
  keep_largest(changes, 2);
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_EQ(changes[0].merchant, "c");
  EXPECT_EQ(changes[1].merchant, "a");
}

}  // namespace
}  // namespace tally::persistence

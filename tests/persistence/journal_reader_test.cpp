#include "persistence/journal_reader.hpp"

#include <gtest/gtest.h>

#include <random>

#include "persistence/backup.hpp"
#include "persistence/generation_builder.hpp"
#include "persistence/replay.hpp"
#include "persistence/sealer.hpp"
#include "persistence/trial.hpp"
#include "persistence/verify.hpp"
#include "tests/support/sealing_shop.hpp"
#include "tests/support/temp_folder.hpp"

namespace tally::persistence {
namespace {

using testing::append_random;
using testing::sealing_shop;
using testing::temp_folder;

const std::vector<std::string> shops{"shop-a", "shop-b", "shop-c", "tiny"};
const auto silent = [](std::uint64_t, std::uint64_t) {};

/// A log of several segments, partly sealed, from which the sealed segments are dropped.
class cut_journal : public ::testing::Test {
 protected:
  cut_journal() : shop{(folder / "data")} {
    append_random(shop, 1, 4'000, shops, 40);
    append_random(shop, 1, 300, shops, 40);  // duplicates of what will be in history only
    shop.count();
    shop.open_history();
    sealer_options options;
    options.bytes_max = 40'000;
    auto sealer = shop.make_sealer(options);
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(*sealer.step(shop.log().last_round() + 1));
    EXPECT_LT(shop.history().sealed_round(), shop.log().last_round());
  }
  void drop() {
    ASSERT_TRUE(shop.log().drop_segments_before(shop.history().sealed_round() + 1));
    ASSERT_GT(shop.log().first_round(), 1u);
    ASSERT_LE(shop.log().first_round(), shop.history().sealed_round() + 1);
  }
  /// Everything that counting depends on.
  std::uint64_t hash_of(const std::string& merchant, std::uint32_t generation = 1,
                        const ruleset& rules = {}) {
    auto owner = sealing_shop::owner_of(merchant);
    owner.generation = generation;
    const auto loaded = load_snapshot(shop.state(), owner);
    EXPECT_TRUE(loaded) << loaded.error().text();
    return loaded ? *state_hash(loaded->state, shop.state(), owner, rules) : 0;
  }

  temp_folder folder;
  sealing_shop shop;
};

TEST_F(cut_journal, gives_every_event_once_and_in_order) {
  drop();
  const journal_reader reader{shop.log(), &shop.history()};
  for (const auto& merchant : shops) {
    const auto& all = shop.events[merchant];
    for (const std::size_t first : {std::size_t{0}, all.size() / 2, all.size() - 1}) {
      auto i = first;
      ASSERT_TRUE(reader.for_each_event(
          sealing_shop::shard_of(merchant), merchant, all[first].offset,
          [&](std::uint64_t offset, event_time stamped_at, std::string_view bytes) {
            EXPECT_EQ(offset, all[i].offset);
            EXPECT_EQ(stamped_at, all[i].stamped_at);
            EXPECT_EQ(bytes, all[i].bytes);
            return ++i < all.size();
          }));
      EXPECT_EQ(i, all.size());
    }
  }
}

TEST_F(cut_journal, without_its_history_is_refused) {
  drop();
  const auto read = journal_reader{shop.log(), nullptr}.for_each_event(
      sealing_shop::shard_of("tiny"), "tiny", 0, [](auto, auto, auto) { return true; });
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, errc::corrupt_record);
}

TEST_F(cut_journal, may_be_sealed_and_cut_while_it_is_read) {
  auto sealer = shop.make_sealer();
  std::size_t i = 0;
  const auto& all = shop.events["shop-a"];
  ASSERT_TRUE(journal_reader(shop.log(), &shop.history())
                  .for_each_event(sealing_shop::shard_of("shop-a"), "shop-a", 0,
                                  [&](std::uint64_t offset, event_time, std::string_view) {
                                    if (i == 3) {
                                      EXPECT_TRUE(*sealer.step(shop.log().last_round() + 1));
                                      drop();
                                    }
                                    EXPECT_EQ(offset, all[i].offset);
                                    ++i;
                                    return true;
                                  }));
  EXPECT_EQ(i, all.size());
}

TEST_F(cut_journal, rebuilds_a_merchant_as_it_was_live) {
  drop();
  for (const auto& merchant : shops) {
    const auto live = hash_of(merchant);
    const auto owner = sealing_shop::owner_of(merchant);
    const auto rebuilt =
        rebuild_merchant(shop.log(), shop.state(), owner, shop.events[merchant].back().offset, {},
                         {}, &shop.history());
    ASSERT_TRUE(rebuilt) << rebuilt.error().text();
    EXPECT_EQ(hash_of(merchant), live) << merchant;
  }
}

/// Builds a generation by the rules of the first, in steps, with a crash now and then.
void build(sealing_shop& shop, std::uint32_t number, std::uint32_t seed) {
  auto made = first_rules({}, {});
  made.number = number;
  const rules_ptr rules = std::make_shared<const generation_rules>(std::move(made));
  const auto end = shop.log().last_round() + 1;
  std::mt19937 random{seed};
  for (round_number done = 0; done < end;) {
    generation_builder builder{shop.log(),
                               shop.state(),
                               number,
                               build_place,
                               [&](auto) -> rules_ptr { return rules; },
                               id_use::shared,
                               &shop.history()};
    ASSERT_TRUE(builder.resume());
    for (int i = 0; i < 3 && builder.next() < end; ++i) {
      const auto read = builder.step(end, 1 + random() % 900);
      ASSERT_TRUE(read) << read.error().text();
    }
    if (random() % 3 == 0) continue;  // a crash: nothing of it was saved
    ASSERT_TRUE(builder.save());
    done = builder.next();
  }
}

TEST_F(cut_journal, builds_a_generation_that_equals_the_live_one) {
  drop();
  for (std::uint32_t number = 2; number < 5; ++number) {
    ASSERT_NO_FATAL_FAILURE(build(shop, number, number));
    for (const auto& merchant : shops) EXPECT_EQ(hash_of(merchant, number), hash_of(merchant));
  }
}

TEST_F(cut_journal, verifies_and_a_backup_of_it_does_too) {
  drop();
  ASSERT_TRUE(shop.state().flush());
  ASSERT_TRUE(backup(shop.log(), shop.state(), folder / "backup", &shop.history()));
  ASSERT_TRUE(restore(folder / "backup", folder / "restored"));
  const auto checked = verify(folder / "restored", folder / "scratch", {}, silent);
  ASSERT_TRUE(checked) << checked.error().text();
  EXPECT_EQ(checked->problems, std::vector<std::string>{});
  EXPECT_EQ(checked->events, 4'300u);
  EXPECT_EQ(checked->merchants, shops.size());

  trial_options options;
  options.data_dir = folder / "restored";
  options.scratch_dir = folder / "scratch";
  const auto tried = try_ruleset(options, silent);
  ASSERT_TRUE(tried) << tried.error().text();
  EXPECT_EQ(tried->events, 4'300u);
  EXPECT_TRUE(tried->changes.empty());

  std::filesystem::remove_all(folder / "restored/history");
  const auto torn = verify(folder / "restored", folder / "scratch", {}, silent);
  ASSERT_TRUE(torn);
  EXPECT_FALSE(torn->problems.empty());
}

TEST_F(cut_journal, opens_again_and_goes_on) {
  drop();
  const auto first = shop.log().first_round();
  const auto last = shop.log().last_round();
  EXPECT_EQ(shop.log().read_round(first - 1).error().code, errc::not_found);
  shop.reopen_log();
  EXPECT_EQ(shop.log().first_round(), first);
  EXPECT_EQ(shop.log().last_round(), last);
  append_random(shop, 7, 200, shops, 40);
  shop.count();
  shop.expect_everything();
  auto sealer = shop.make_sealer();
  ASSERT_TRUE(*sealer.step(shop.log().last_round() + 1));
  drop();
  shop.reopen_log();
  shop.expect_everything();
}

TEST(journal_drop, keeps_the_newest_segment_and_nothing_happens_twice) {
  temp_folder folder;
  sealing_shop shop{folder.path().string()};
  append_random(shop, 1, 50, shops, 10);
  ASSERT_TRUE(shop.log().drop_segments_before(shop.log().last_round() + 5));
  EXPECT_EQ(shop.log().first_round(), 1u);
  EXPECT_EQ(shop.log().last_round(), 5u);
}

}  // namespace
}  // namespace tally::persistence

#include <algorithm>
#include <filesystem>
#include <thread>

#include "actors/log_pins.hpp"
#include "persistence/backup.hpp"
#include "tests/actors/recount_fixture.hpp"

namespace tally::actors {
namespace {

/// An engine whose log is of small segments, which go as soon as they may.
class log_drop_test : public recount_fixture {
 protected:
  log_drop_test() {
    options.segment_bytes = 4'096;
    options.keep_log_bytes = 0;
    start();
  }

  /// Sends a purchase and a refund for each number, in several rounds; gives how many were new.
  std::size_t sell(int from, int to, const std::string& merchant = "shop") {
    std::size_t fresh = 0;
    for (int begin = from; begin < to; begin += 20) {
      auto events = std::make_shared<submission>();
      for (int i = begin; i < std::min(to, begin + 20); ++i)
        for (const auto* name : {"purchase", "refund"}) add_order(*events, merchant, name, i);
      submit(events);
      fresh += static_cast<std::size_t>(
          std::count_if(events->events.begin(), events->events.end(),
                        [](const auto& e) { return e.now() == outcome::accepted; }));
    }
    return fresh;
  }
  /// Seals everything; gives the first round that the log has left.
  std::uint64_t seal() { return run({"seal"})["log_from_round"].get<std::uint64_t>(); }
  /// Sold, sealed and dropped, with something behind it that is not sealed.
  void sell_and_drop() {
    EXPECT_EQ(sell(0, 200), 400u);
    EXPECT_EQ(sell(0, 3, "quiet"), 6u);
    ASSERT_GT(seal(), 5u);
    EXPECT_EQ(sell(200, 220), 40u);
  }
  void expect_all_counted(std::int64_t shop = 220) {
    EXPECT_EQ(number("orders"), shop);
    EXPECT_EQ(number("events"), 2 * shop);
    EXPECT_EQ(number("orders", "quiet"), 3);
    for (const auto* merchant : {"shop", "quiet"})
      EXPECT_TRUE(run({"rebuild", merchant})["equal"].get<bool>()) << merchant;
    EXPECT_EQ(sell(0, 220), 0u) << "sent again";
    EXPECT_EQ(sell(0, 3, "quiet"), 0u) << "sent again";
    EXPECT_EQ(number("orders"), shop);
  }
  void lose_state() {
    node.reset();
    std::filesystem::remove_all(options.data_dir + "/state");
  }
};

TEST_F(log_drop_test, what_is_sealed_goes_and_nothing_else_changes) {
  sell_and_drop();
  expect_all_counted();
  restart();
  expect_all_counted();
  const auto first = seal();
  sell(300, 400);
  EXPECT_GT(seal(), first);
  expect_all_counted(320);
  end();
  expect_verified(options.data_dir);
}

TEST_F(log_drop_test, as_much_is_kept_as_is_wished) {
  end();
  options.keep_log_bytes = 1u << 30;
  start();
  sell(0, 200);
  EXPECT_EQ(seal(), 1u);
  restart();
  EXPECT_EQ(number("orders"), 200);
}

TEST_F(log_drop_test, a_state_that_was_thrown_away_is_computed_again_from_history_and_log) {
  sell_and_drop();
  lose_state();
  start();
  // Killed while it is at it, before and after somebody asked.
  restart();
  EXPECT_EQ(number("orders"), 220);
  restart();
  expect_all_counted();
  EXPECT_GT(seal(), 5u);
  restart();
  expect_all_counted();
  end();
  expect_verified(options.data_dir);
}

TEST_F(log_drop_test, merchants_whom_nobody_asks_are_counted_again_too) {
  sell_and_drop();
  seal();
  lose_state();
  start();
  const auto until = std::chrono::steady_clock::now() + patience;
  while (run({"actors"})["wake_ups"].get<int>() < 2 && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  seal();
  end();
  expect_verified(options.data_dir);
  start();
  expect_all_counted();
}

TEST_F(log_drop_test, a_generation_that_is_built_afterwards_has_everything) {
  sell_and_drop();
  const auto bug = build(buggy);
  const auto changes = run({"reprocess", "diff", bug})["changes"];
  EXPECT_FALSE(changes.empty());
  sell(220, 240);
  run({"reprocess", "promote", bug});
  EXPECT_EQ(number("orders"), 480) << "refunds are sales";
  EXPECT_TRUE(run({"rebuild", "shop"})["equal"].get<bool>());
  seal();
  sell(240, 260);
  seal();
  const auto fix = build("visit_timeout_minutes = 30\n");
  run({"reprocess", "promote", fix});
  EXPECT_EQ(number("orders"), 260);
  EXPECT_TRUE(run({"rebuild", "shop"})["equal"].get<bool>());
  restart();
  EXPECT_EQ(number("orders"), 260);
  run({"reprocess", "rollback", fix});
  EXPECT_EQ(number("orders"), 520);
  run({"reprocess", "rollback", bug});
  expect_all_counted(260);
  end();
  expect_verified(options.data_dir);
}

TEST_F(log_drop_test, a_promoted_generation_survives_the_loss_of_the_state) {
  sell_and_drop();
  const auto bug = build(buggy);
  run({"reprocess", "promote", bug});
  seal();
  lose_state();
  start();
  EXPECT_EQ(number("orders"), 440);
  EXPECT_TRUE(run({"rebuild", "shop"})["equal"].get<bool>());
  EXPECT_EQ(sell(0, 220), 0u);
  run({"reprocess", "rollback", bug});
  expect_all_counted();
}

TEST_F(log_drop_test, a_backup_of_it_is_whole) {
  sell_and_drop();
  run({"backup", folder / "backup"});
  sell(220, 230);
  node.reset();
  ASSERT_TRUE(persistence::restore(folder / "backup", folder / "restored"));
  expect_verified(folder / "restored");
  options.data_dir = folder / "restored";
  start();
  expect_all_counted();
}

TEST_F(log_drop_test, a_log_without_its_history_is_refused) {
  sell_and_drop();
  node.reset();
  std::filesystem::remove_all(options.data_dir + "/history");
  const auto started = engine::start(options);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, errc::corrupt_record);
  EXPECT_NE(started.error().detail.find("history is missing"), std::string::npos);
}

TEST(log_pins, keep_from_the_lowest_until_it_is_let_go) {
  log_pins pins;
  constexpr auto none = std::numeric_limits<persistence::round_number>::max();
  EXPECT_EQ(pins.lowest(), none);
  auto high = pins.hold(7);
  auto low = pins.hold(3);
  const auto same = pins.hold(3);
  EXPECT_EQ(pins.lowest(), 3u);
  low.reset();
  EXPECT_EQ(pins.lowest(), 3u) << "another holds it";
  auto copy = high;
  high.reset();
  EXPECT_EQ(pins.lowest(), 3u);
  copy.reset();
  EXPECT_EQ(pins.lowest(), 3u);
}

}  // namespace
}  // namespace tally::actors

#include <atomic>
#include <filesystem>
#include <thread>

#include "actors/metrics.hpp"
#include "tests/actors/recount_fixture.hpp"

namespace tally::actors {
namespace {

/// A real engine over a real folder, and the commands that recompute.
class reprocess_test : public recount_fixture {
 protected:
  reprocess_test() { start(); }

  /// Sends one order of 10.00 and one refund of 4.00 for each number, and returns once counted.
  void sell(int from, int to, const std::string& merchant = "shop") {
    auto events = std::make_shared<submission>();
    for (int i = from; i < to; ++i)
      for (const auto* name : {"purchase", "refund"}) add_order(*events, merchant, name, i);
    submit(events);
  }

  merchant_report report(const std::string& merchant = "shop") {
    std::promise<result<merchant_report>> done;
    auto future = done.get_future();
    node->report(merchant, [&done](result<merchant_report> r) { done.set_value(std::move(r)); });
    return *get(future);
  }
  /// Bit for bit: the state of the serving generation is what a replay of the journal gives.
  void expect_replay_equal(const std::string& merchant = "shop") {
    EXPECT_TRUE(run({"rebuild", merchant})["equal"].get<bool>()) << merchant;
  }
  void expect_verified() {
    end();
    recount_fixture::expect_verified(options.data_dir);
    start();
  }
};

TEST_F(reprocess_test, a_generation_is_built_promoted_and_rolled_back) {
  sell(0, 10);
  const auto id = build(buggy, {"shop"});
  EXPECT_EQ(number("orders"), 10) << "it is built beside what serves";
  EXPECT_EQ(report().generation, 1u);
  EXPECT_EQ(run({"reprocess", "promote", id})["state"], "promoted");
  EXPECT_EQ(number("orders"), 20);
  EXPECT_EQ(report().generation, 2u);
  EXPECT_EQ(ask("orders", "shop")->generation, 2u);
  EXPECT_FALSE(ask("orders", "shop", {}, 1));
  sell(10, 15);
  sell(0, 15);  // all of it are duplicates
  EXPECT_EQ(number("orders"), 30);
  expect_replay_equal();
  EXPECT_EQ(run({"reprocess", "rollback", id})["state"], "rolled_back");
  EXPECT_EQ(number("orders"), 15);
  EXPECT_EQ(report().ledger.duplicate, 30);
  sell(15, 20);
  expect_replay_equal();
  run({"reprocess", "promote", id});
  EXPECT_EQ(number("orders"), 40);
  expect_replay_equal();
  expect_verified();
  EXPECT_EQ(number("orders"), 40);
}

TEST_F(reprocess_test, what_comes_while_it_is_built_and_promoted_counts_once) {
  std::atomic<bool> stop{false};
  std::atomic<int> sent{0};
  std::thread seller{[&] {
    while (!stop) {
      sell(sent, sent + 7);
      sent += 7;
    }
  }};
  while (sent < 50) std::this_thread::yield();
  const auto id = build(buggy, {"shop"});
  run({"reprocess", "promote", id});
  const auto promoted_at = sent.load();
  while (sent < promoted_at + 50) std::this_thread::yield();
  run({"reprocess", "rollback", id});
  run({"reprocess", "promote", id});
  stop = true;
  seller.join();
  EXPECT_EQ(number("orders"), 2 * sent);
  EXPECT_EQ(report().ledger.accepted, 2 * sent);
  expect_replay_equal();
  expect_verified();
}

TEST_F(reprocess_test, sleeping_and_new_merchants_change_with_all_the_others) {
  for (int m = 0; m < 40; ++m) sell(0, 3, "m" + std::to_string(m));
  for (int m = 0; m < 20; ++m) {
    const auto before = node->metrics().passivations.load();
    run({"passivate", "m" + std::to_string(m)});
    while (node->metrics().passivations.load() == before) std::this_thread::yield();
  }
  const auto id = build(buggy);
  for (int m = 10; m < 30; ++m) sell(3, 5, "m" + std::to_string(m));
  sell(0, 2, "between");
  run({"reprocess", "promote", id});
  sell(0, 4, "newcomer");
  const auto orders = [](int m) { return m >= 10 && m < 30 ? 5 : 3; };
  const auto expect_all = [&](int factor, std::uint32_t generation) {
    for (int m = 0; m < 40; ++m) {
      const auto name = "m" + std::to_string(m);
      EXPECT_EQ(number("orders", name), orders(m) * factor) << name;
      EXPECT_EQ(report(name).generation, generation);
    }
    EXPECT_EQ(number("orders", "between"), 2 * factor);
    EXPECT_EQ(number("orders", "newcomer"), 4 * factor);
  };
  expect_all(2, 2);
  restart();
  expect_all(2, 2);
  expect_replay_equal("newcomer");
  run({"reprocess", "rollback", id});
  expect_all(1, 1);
  sell(0, 1, "last");
  EXPECT_EQ(number("orders", "last"), 1);
  restart();
  expect_all(1, 1);
  expect_replay_equal("newcomer");
  expect_replay_equal("m15");
  run({"reprocess", "promote", id});
  expect_all(2, 2);
  EXPECT_EQ(number("orders", "last"), 2);
  expect_verified();
  expect_all(2, 2);
}

TEST_F(reprocess_test, the_difference_is_told_largest_first) {
  sell(0, 10);
  sell(0, 10, "other");
  const auto id = build(buggy, {"shop"});
  sell(10, 12);  // the difference is of now
  const auto before = run({"reprocess", "diff", id})["changes"];
  ASSERT_FALSE(before.empty());
  EXPECT_EQ(before[0]["metric"], "net_sales") << before.dump();
  EXPECT_EQ(before[0]["merchant"], "shop");
  EXPECT_EQ(before[0]["bucket"], "2023-11-15");
  EXPECT_EQ(before[0]["currency"], "USD");
  EXPECT_EQ(before[0]["old"], "72.00");   // 12 x (10 - 4)
  EXPECT_EQ(before[0]["new"], "240.00");  // 24 x 10
  for (const auto& c : before) EXPECT_EQ(c["merchant"], "shop");
  run({"reprocess", "promote", id});
  EXPECT_EQ(run({"reprocess", "diff", id})["changes"], before) << "the same from the other side";
  EXPECT_EQ(run({"reprocess", "diff", id, "--limit", "1"})["changes"].size(), 1u);
  const auto same = build("1", {"other"});
  EXPECT_EQ(run({"reprocess", "diff", same})["changes"].size(), 0u);
}

TEST_F(reprocess_test, states_follow_each_other_and_nothing_else) {
  sell(0, 3);
  EXPECT_EQ(command({"reprocess", "status", "9"}).error().code, errc::not_found);
  EXPECT_EQ(command({"reprocess", "start", "--ruleset", "7"}).error().code, errc::not_found);
  EXPECT_EQ(command({"reprocess", "start", "--ruleset", "1", "--merchant", "nobody"}).error().code,
            errc::not_found);
  EXPECT_EQ(command({"reprocess", "start", "--ruleset", "nams = 1"}).error().code,
            errc::bad_request);
  const auto id = build(buggy);
  EXPECT_EQ(run({"reprocess", "pause", id})["state"], "paused");
  EXPECT_EQ(command({"reprocess", "promote", id}).error().code, errc::conflict);
  run({"reprocess", "resume", id});
  until(id, "ready");
  EXPECT_EQ(command({"reprocess", "rollback", id}).error().code, errc::conflict);
  run({"reprocess", "promote", id});
  EXPECT_EQ(command({"reprocess", "drop", id}).error().code, errc::conflict);
  run({"reprocess", "rollback", id});
  EXPECT_EQ(run({"reprocess", "drop", id})["state"], "dropped");
  EXPECT_EQ(command({"reprocess", "promote", id}).error().code, errc::conflict);
  EXPECT_EQ(number("orders"), 3);
  restart();
  EXPECT_EQ(run({"reprocess", "status", id})["state"], "dropped");
  EXPECT_EQ(number("orders"), 3);
  EXPECT_EQ(run({"reprocess", "list"})["generations"].size(), 1u);
  expect_verified();
}

TEST_F(reprocess_test, building_goes_on_after_a_restart) {
  sell(0, 500);
  const auto id =
      std::to_string(run({"reprocess", "start", "--ruleset", buggy})["generation"].get<int>());
  for (int i = 0; i < 3; ++i) {
    restart();
    sell(500 + i, 501 + i);
  }
  until(id, "ready");
  run({"reprocess", "promote", id});
  restart();
  EXPECT_EQ(number("orders"), 2 * 503);
  expect_replay_equal();
}

TEST_F(reprocess_test, a_zone_and_a_currency_change_for_the_past_too) {
  run({"merchant", "create", "shop", "--timezone", "UTC", "--currency", "USD"});
  sell(0, 5);
  EXPECT_EQ(command({"merchant", "set", "shop", "--timezone", "Mars/Base"}).error().code,
            errc::bad_request);
  EXPECT_EQ(command({"merchant", "set", "nobody", "--timezone", "UTC"}).error().code,
            errc::not_found);
  const auto set =
      run({"merchant", "set", "shop", "--timezone", "Pacific/Kiritimati", "--currency", "EUR"});
  EXPECT_EQ(set["generation"], 2);
  const auto now = report();
  EXPECT_EQ(now.zone, "Pacific/Kiritimati");
  EXPECT_EQ(now.currency, "EUR");
  EXPECT_EQ(number("orders"), 5);
  EXPECT_EQ(run({"merchant", "show", "shop"})["timezone"], "Pacific/Kiritimati");
  EXPECT_EQ(run({"merchant", "list"})["merchants"][0]["currency"], "EUR");
  sell(5, 6);
  expect_replay_equal();
  const auto later = build(buggy);
  run({"reprocess", "promote", later});
  EXPECT_EQ(report().zone, "Pacific/Kiritimati") << "another ruleset leaves the zone as it is";
  EXPECT_EQ(number("orders"), 12);
  expect_replay_equal();
  run({"reprocess", "rollback", later});
  run({"reprocess", "rollback", "2"});
  EXPECT_EQ(report().zone, "UTC");
  EXPECT_EQ(run({"merchant", "list"})["merchants"][0]["currency"], "USD");
  EXPECT_EQ(number("orders"), 6);
  expect_verified();
}

TEST_F(reprocess_test, a_generation_follows_another_that_was_promoted) {
  sell(0, 4);
  const auto first = build(buggy);
  run({"reprocess", "promote", first});
  sell(4, 6);
  const auto second = build("[names]\nrefund = \"ignore\"\n");
  run({"reprocess", "promote", second});
  EXPECT_EQ(number("orders"), 6);
  EXPECT_EQ(number("refunds"), 0);
  EXPECT_EQ(report().ledger.filtered.all().at("ignored_name"), 6);
  EXPECT_EQ(command({"reprocess", "rollback", first}).error().code, errc::conflict)
      << "it serves nobody";
  sell(6, 7);
  sell(0, 1, "newcomer");
  run({"reprocess", "rollback", second});
  EXPECT_EQ(number("orders"), 14);
  EXPECT_EQ(number("orders", "newcomer"), 2);
  EXPECT_EQ(report().generation, 2u);
  run({"reprocess", "rollback", first});
  EXPECT_EQ(number("orders"), 7);
  expect_replay_equal();
  expect_verified();
}

}  // namespace
}  // namespace tally::actors

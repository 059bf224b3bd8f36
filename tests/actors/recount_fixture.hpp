#pragma once

#include <thread>

#include "persistence/verify.hpp"
#include "tests/actors/engine_fixture.hpp"

namespace tally::actors {

using nlohmann::json;
constexpr std::int64_t noon = 1'700'049'600'000;  // 2023-11-15T12:00:00Z
constexpr auto buggy = "[names]\nrefund = \"purchase\"\n";

/// An engine with orders and refunds, and the commands that recompute.
class recount_fixture : public engine_fixture {
 protected:
  recount_fixture() {
    options.flush_interval = std::chrono::milliseconds{300};
    asked_at = time_from_ms(noon);
  }

  /// An order of 10.00 or a refund of 4.00.
  static void add_order(submission& events, const std::string& merchant, const std::string& name,
                        int i) {
    const auto id = name + std::to_string(i);
    event e;
    e.merchant = merchant;
    e.id = id;
    e.name = name;
    e.visitor = id;
    e.at = e.received_at = time_from_ms(noon + i);
    e.sent = client_time_from_ms(noon + i);
    e.has_order = true;
    e.order.total = money{10'000'000};
    e.order.amount = money{4'000'000};
    add(events, e);
  }
  json run(std::vector<std::string> words) {
    auto answer = command(std::move(words));
    EXPECT_TRUE(answer) << answer.error().text();
    return answer ? *answer : json::object();
  }
  /// Starts a generation; gives its number once it is ready.
  std::string build(const std::string& ruleset, const std::vector<std::string>& merchants = {}) {
    std::vector<std::string> words{"reprocess", "start", "--ruleset", ruleset};
    for (const auto& m : merchants) words.insert(words.end(), {"--merchant", m});
    auto id = std::to_string(run(words)["generation"].get<int>());
    until(id, "ready");
    return id;
  }
  void until(const std::string& id, const std::string& state) {
    const auto end = std::chrono::steady_clock::now() + patience;
    json last;
    while (std::chrono::steady_clock::now() < end) {
      last = run({"reprocess", "status", id});
      if (last["state"] == state) return;
      std::this_thread::yield();
    }
    FAIL() << "generation " << id << " is not " << state << ": " << last.dump();
  }
  /// Ends the engine, everything saved.
  void end() {
    ASSERT_TRUE(node->drain(patience));
    node.reset();
  }
  void expect_verified(const std::string& data_dir) {
    const auto checked =
        persistence::verify(data_dir, folder / "scratch", ruleset{}, [](auto, auto) {});
    ASSERT_TRUE(checked) << checked.error().text();
    EXPECT_EQ(checked->problems, std::vector<std::string>{});
  }
};

}  // namespace tally::actors

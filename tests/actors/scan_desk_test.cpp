#include "actors/scan_desk.hpp"

#include <gtest/gtest.h>

#include <future>
#include <mutex>

namespace tally::actors {
namespace {

/// A desk with one worker, held until `go` is set.
class scan_desk_test : public ::testing::Test {
 protected:
  scan_desk_test() {
    config.set("scheduler.policy", caf::atom("sharing"));
    config.set("logger.console", caf::atom("none"));
    system = std::make_unique<caf::actor_system>(config);
    env = std::make_shared<node_env>();
    env->options.scan_workers = 1;
    env->options.scans_waiting_max = 5;
    desk = system->spawn(scan_desk, env);
    add("first", [this] { held.get_future().wait(); });
  }
  ~scan_desk_test() override {
    caf::anon_send_exit(desk, caf::exit_reason::kill);
    desk = nullptr;
  }

  void add(const std::string& merchant, std::function<void()> run = {}) {
    auto task = std::make_shared<scan_task>();
    task->merchant = merchant;
    task->run = [this, merchant, run = std::move(run)] {
      if (run) run();
      note(merchant);
    };
    task->refuse = [this, merchant] {
      note("refused " + merchant);
      refused.set_value();
    };
    caf::anon_send(desk, run_atom::value, task);
    ++sent;
  }
  void note(const std::string& what) {
    const std::lock_guard lock{mutex};
    seen.push_back(what);
    if (seen.size() == sent) all.set_value();
  }
  /// What became of all, where the last one added was refused: then the desk knows all of them.
  std::vector<std::string> outcome() {
    refused.get_future().wait();
    held.set_value();
    all.get_future().wait();
    const std::lock_guard lock{mutex};
    return seen;
  }

  caf::actor_system_config config;
  std::unique_ptr<caf::actor_system> system;
  node_env_ptr env;
  scan_desk_actor desk;
  std::promise<void> held, refused, all;
  std::mutex mutex;
  std::vector<std::string> seen;
  std::atomic<std::size_t> sent{0};
};

TEST_F(scan_desk_test, lets_merchants_take_turns) {
  for (const auto* merchant : {"a", "a", "a", "b", "c", "d"}) add(merchant);
  EXPECT_EQ(outcome(), (std::vector<std::string>{"refused d", "first", "a", "b", "c", "a", "a"}));
}

TEST_F(scan_desk_test, refuses_what_is_too_much) {
  for (const auto* merchant : {"a", "a", "b", "b", "b", "c"}) add(merchant);
  EXPECT_EQ(outcome(), (std::vector<std::string>{"refused c", "first", "a", "b", "a", "b", "b"}));
}

}  // namespace
}  // namespace tally::actors

#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "actors/engine.hpp"
#include "domain/shard.hpp"
#include "persistence/event_codec.hpp"
#include "tests/support/temp_folder.hpp"

namespace tally::actors {

/// An instrumented build may take long for everything.
constexpr std::chrono::seconds patience{120};

template <class T>
T get(std::future<T>& future) {
  if (future.wait_for(patience) != std::future_status::ready) throw std::runtime_error{"no answer"};
  return future.get();
}

/// A real engine over a real folder, driven from the test's thread. Tests call start().
class engine_fixture : public ::testing::Test {
 protected:
  engine_fixture() {
    options.data_dir = folder / "data";
    // Tests of 202 set their own.
    options.visible_patience = patience;
  }
  void start() {
    auto started = engine::start(options);
    if (!started) throw std::runtime_error{started.error().text()};
    node = std::move(*started);
  }
  /// Ends the engine without a drain: what no snapshot holds is left to the journal.
  void restart() {
    node.reset();
    start();
  }

  static void add(submission& events, const event& e) {
    submission::entry entry;
    entry.begin = static_cast<std::uint32_t>(events.bytes.size());
    persistence::encode_event(e, events.bytes);
    entry.size = static_cast<std::uint32_t>(events.bytes.size()) - entry.begin;
    entry.merchant = merchant_hash(e.merchant);
    events.events.push_back(entry);
  }
  /// Returns once it is answered.
  void submit(const submission_ptr& events) {
    std::promise<bool> done;
    auto future = done.get_future();
    events->on_done = [&done] { done.set_value(true); };
    node->submit(events);
    get(future);
  }

  result<query_reply> ask(const std::string& metric, const std::string& merchant = "shop",
                          std::vector<ack_position> after = {}, std::uint32_t generation = 0) {
    question q;
    q.merchant = merchant;
    q.metrics = {metric};
    q.date_range = "all";
    q.generation = generation;
    std::promise<result<query_reply>> done;
    auto future = done.get_future();
    node->ask(q, std::move(after), patience, asked_at,
              [&done](result<query_reply> r) { done.set_value(std::move(r)); });
    return get(future);
  }
  std::int64_t number(const std::string& metric, const std::string& merchant = "shop") {
    const auto reply = ask(metric, merchant);
    EXPECT_TRUE(reply) << (reply ? "" : reply.error().text());
    if (!reply || reply->table.rows.size() != 1) return -1;
    return static_cast<std::int64_t>(reply->table.rows[0].metrics[0].number);
  }
  result<nlohmann::json> command(std::vector<std::string> words) {
    std::promise<result<std::string>> done;
    auto future = done.get_future();
    node->command(std::move(words),
                  [&done](result<std::string> r) { done.set_value(std::move(r)); });
    auto answer = get(future);
    if (!answer) return answer.error();
    return nlohmann::json::parse(*answer);
  }

  testing::temp_folder folder;
  engine_options options;
  event_time asked_at = time_from_ms(1'700'000'000'000);
  std::unique_ptr<engine> node;  // gone before its folder
};

}  // namespace tally::actors

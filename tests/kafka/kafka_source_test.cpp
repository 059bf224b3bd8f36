#include "api/kafka_source.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <future>
#include <nlohmann/json.hpp>

#include "api/routes.hpp"
#include "tests/kafka/mock_kafka.hpp"
#include "tests/support/temp_folder.hpp"

namespace tally::api {
namespace {

using nlohmann::json;
using testing::mock_kafka;

/// 2026-01-05T10:00:00Z
constexpr std::int64_t day_ms = 1'767'607'200'000;

/// A node's engine and its source; brokers that outlive both.
class kafka_source_test : public ::testing::Test {
 protected:
  kafka_source_test() {
    node.data_dir = folder / "data";
    node.visible_patience = std::chrono::seconds{60};
    options.brokers = kafka.brokers();
    options.topics = {{"clicks", "shop"}};
    options.look_interval = std::chrono::milliseconds{50};
    options.position_interval = std::chrono::milliseconds{50};
    kafka.make_topic("clicks", 2);
  }
  ~kafka_source_test() override { stop(); }

  void start_engine() {
    auto made = actors::engine::start(node);
    ASSERT_TRUE(made) << made.error().text();
    engine = std::move(*made);
  }
  void start_source() {
    auto made = kafka_source::start(*engine, options, metrics);
    ASSERT_TRUE(made) << made.error().text();
    source = std::move(*made);
  }
  void start() {
    start_engine();
    if (command({"merchant", "show", "shop"}).contains("error"))
      command({"merchant", "create", "shop"});
    start_source();
  }
  void stop() {
    source.reset();
    engine.reset();
  }
  json command(std::vector<std::string> words) const {
    std::promise<result<std::string>> done;
    auto future = done.get_future();
    engine->command(std::move(words), [&](result<std::string> r) { done.set_value(std::move(r)); });
    const auto text = future.get();
    return text ? json::parse(*text) : json{{"error", text.error().text()}};
  }
  json ledger() const { return command({"merchant", "show", "shop"})["ledger"]; }
  /// Waits until so many messages were journaled since the test began.
  void expect_messages(std::uint64_t count) const {
    for (int i = 0; i < 30'000 && metrics.messages < count; ++i) usleep(1'000);
    ASSERT_EQ(metrics.messages, count);
  }
  void keep(std::vector<persistence::source_position> positions) const {
    std::promise<bool> kept;
    engine->keep_positions("shop", std::move(positions),
                           [&](const status& s) { kept.set_value(s.ok()); });
    ASSERT_TRUE(kept.get_future().get());
  }
  /// Waits until the positions of so many partitions are journaled.
  void expect_positions(const std::string& merchant, std::size_t count) const {
    std::size_t found = 0;
    for (int i = 0; i < 20'000 && found != count; ++i) {
      std::promise<std::size_t> told;
      engine->find_positions(merchant, [&](const auto& r) { told.set_value(r ? r->size() : 0); });
      found = told.get_future().get();
      usleep(1'000);
    }
    ASSERT_EQ(found, count);
  }
  void produce(int from, int to) {
    for (int i = from; i < to; ++i)
      kafka.produce("clicks", i % 2,
                    R"({"name": "page_view", "visitor": "v)" + std::to_string(i) + R"("})",
                    day_ms + i);
    kafka.flush();
  }
  json answer(const std::string& metric) const {
    std::promise<result<std::string>> done;
    auto future = done.get_future();
    const json question{{"site_id", "shop"}, {"metrics", {metric}}, {"date_range", "all"}};
    run_query(*engine, question.dump(), "",
              [&](result<std::string> r) { done.set_value(std::move(r)); });
    const auto text = future.get();
    return text ? json::parse(*text)["results"][0]["metrics"][0] : json{text.error().text()};
  }

  mock_kafka kafka;
  testing::temp_folder folder;
  actors::engine_options node;
  kafka_options options;
  kafka_metrics metrics;
  std::unique_ptr<actors::engine> engine;
  std::unique_ptr<kafka_source> source;
};

TEST_F(kafka_source_test, messages_are_events_of_the_topics_merchant) {
  produce(0, 100);
  start();
  expect_messages(100);
  EXPECT_EQ(answer("pageviews"), 100);
  EXPECT_EQ(ledger()["accepted"], 100);
  produce(100, 150);
  expect_messages(150);
  EXPECT_EQ(answer("visitors"), 150);
  for (int i = 0; i < 5'000 && metrics.lag != 0; ++i) usleep(1'000);
  EXPECT_EQ(metrics.lag, 0);
  EXPECT_EQ(metrics.partitions, 2);
}

TEST_F(kafka_source_test, a_restart_goes_on_where_the_journal_says) {
  produce(0, 100);
  start();
  expect_messages(100);
  stop();
  produce(100, 160);
  start();
  expect_messages(160);  // none of the first hundred was read again
  EXPECT_EQ(ledger()["accepted"], 160);
  EXPECT_EQ(ledger()["duplicate"], 0);
}

TEST_F(kafka_source_test, what_is_read_again_counts_once) {
  options.position_interval = std::chrono::hours{1};
  produce(0, 100);
  start();
  expect_messages(100);
  // As after a kill: all was journaled, how far it was read was not.
  keep({{"clicks", 0, 7}, {"clicks", 1, 0}});
  const auto before = std::move(source);
  start_source();
  expect_messages(100 + 43 + 50);
  EXPECT_EQ(ledger()["accepted"], 100);
  EXPECT_EQ(ledger()["duplicate"], 43 + 50);
  EXPECT_EQ(answer("pageviews"), 100);
}

TEST_F(kafka_source_test, bad_messages_stand_in_the_ledger_with_their_place) {
  kafka.produce("clicks", 1, R"({"name": "page_view"})", day_ms);
  kafka.produce("clicks", 1, "{oops", day_ms);
  kafka.produce("clicks", 1, R"([{"name": "page_view"}, {"name": 7}])", day_ms);
  kafka.produce("clicks", 1, "", day_ms);
  kafka.produce("clicks", 1, R"({"name": "page_view", "merchant": "another"})", day_ms);
  kafka.flush();
  start();
  expect_messages(5);
  EXPECT_EQ(metrics.refused, 3u);
  EXPECT_EQ(ledger()["accepted"], 2);
  EXPECT_EQ(ledger()["rejected"].size(), 3u) << ledger();
  const auto all = command({"rejects", "list", "shop"}).dump();
  for (const auto* place : {"clicks/1@1: ", "clicks/1@2: ", "clicks/1@4: "})
    EXPECT_NE(all.find(place), std::string::npos) << all;
}

TEST_F(kafka_source_test, a_topic_waits_for_its_merchant_and_ends_with_it) {
  options.topics.push_back({"late", "tomorrow"});
  start();
  produce(0, 10);
  expect_messages(10);
  kafka.make_topic("late", 1);
  kafka.produce("late", 0, R"({"name": "page_view"})", day_ms);
  kafka.flush();
  EXPECT_EQ(metrics.partitions, 2);
  command({"merchant", "create", "tomorrow"});
  expect_messages(11);
  expect_positions("tomorrow", 1);
  usleep(200'000);  // and nothing is left to be written
  command({"merchant", "delete", "tomorrow"});
  for (int i = 0; i < 20'000 && metrics.partitions != 2; ++i) usleep(1'000);
  EXPECT_EQ(metrics.partitions, 2);
  // Who comes again under the name begins anew, and what was counted before is not again.
  command({"merchant", "create", "tomorrow"});
  expect_messages(12);
}

TEST_F(kafka_source_test, a_quota_holds_messages_up_and_loses_none) {
  node.write_events_per_s = 100;
  options.batch_messages_max = 50;
  produce(0, 250);
  start();
  expect_messages(250);
  EXPECT_GT(metrics.retries, 0u);
  EXPECT_EQ(answer("pageviews"), 250);
}

TEST_F(kafka_source_test, from_the_end_only_what_comes_later) {
  options.from_end = true;
  produce(0, 20);
  start();
  for (int i = 0; i < 20'000 && metrics.partitions != 2; ++i) usleep(1'000);
  // That they were never read is journaled too: what comes while nobody reads is not left out.
  expect_positions("shop", 2);
  stop();
  produce(20, 30);
  start();
  expect_messages(10);
  EXPECT_EQ(answer("pageviews"), 10);
}

TEST_F(kafka_source_test, brokers_that_fail_are_asked_again) {
  constexpr std::int16_t fetch = 1, list_offsets = 2;
  rd_kafka_mock_push_request_errors(
      kafka.cluster(), fetch, 3, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
      RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT);
  rd_kafka_mock_push_request_errors(kafka.cluster(), list_offsets, 1,
                                    RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);
  produce(0, 50);
  start();
  expect_messages(50);
  EXPECT_EQ(ledger()["accepted"], 50);
}

TEST_F(kafka_source_test, a_position_that_is_gone_begins_anew_and_is_told) {
  start_engine();
  command({"merchant", "create", "shop"});
  keep({{"clicks", 0, 1'000'000}});
  produce(0, 10);
  start_source();
  expect_messages(10);
  EXPECT_EQ(metrics.resets, 1u);
}

TEST_F(kafka_source_test, options_that_nobody_knows_are_refused) {
  start_engine();
  options.client = {{"no.such.option", "1"}};
  const auto made = kafka_source::start(*engine, options, metrics);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, errc::bad_option);
  EXPECT_NE(made.error().detail.find("no.such.option"), std::string::npos);
}

}  // namespace
}  // namespace tally::api

#include "actors/engine.hpp"

#include <filesystem>

#include "actors/console_client.hpp"
#include "actors/metrics.hpp"
#include "actors/node_env.hpp"
#include "persistence/registry.hpp"
#include "persistence/state_codec.hpp"
#include "persistence/state_store.hpp"
#include "tests/actors/engine_fixture.hpp"

namespace tally::actors {
namespace {

namespace fs = std::filesystem;

class engine_test : public engine_fixture {
 protected:
  engine_test() { start(); }

  /// Submits one event for each (merchant, id) and waits for the answer.
  submission_ptr submit(const std::vector<std::pair<std::string, std::string>>& of,
                        const std::string& name = "page_view") {
    auto events = std::make_shared<submission>();
    for (const auto& [merchant, id] : of) {
      event e;
      e.merchant = merchant;
      e.id = id;
      e.name = name;
      e.visitor = id;
      e.at = e.received_at = time_from_ms(1'700'000'000'000);
      e.sent = client_time_from_ms(1'700'000'000'000);
      add(*events, e);
    }
    engine_fixture::submit(events);
    return events;
  }
  struct sent {
    std::vector<outcome> outcomes;
    std::vector<ack_position> positions;
    bool durable_only = false;
  };
  sent send(const std::vector<std::string>& ids, const std::string& merchant = "shop",
            const std::string& name = "page_view") {
    std::vector<std::pair<std::string, std::string>> of;
    for (const auto& id : ids) of.emplace_back(merchant, id);
    const auto events = submit(of, name);
    sent s;
    s.durable_only = events->durable_only;
    for (const auto& e : events->events) {
      s.outcomes.push_back(e.now());
      s.positions.push_back({shard_of(e.merchant), e.offset});
    }
    return s;
  }
};

TEST_F(engine_test, events_are_visible_once_acknowledged) {
  const auto s = send({"a", "b", "c"});
  EXPECT_EQ(s.outcomes, std::vector<outcome>(3, outcome::accepted));
  EXPECT_EQ(number("events"), 3);
  EXPECT_EQ(number("visitors"), 3);
}

TEST_F(engine_test, a_repeat_is_a_duplicate_within_a_batch_across_batches_and_after_a_restart) {
  EXPECT_EQ(send({"a", "a"}).outcomes, (std::vector{outcome::accepted, outcome::duplicate}));
  EXPECT_EQ(send({"a"}).outcomes, std::vector{outcome::duplicate});
  restart();
  EXPECT_EQ(send({"a", "b"}).outcomes, (std::vector{outcome::duplicate, outcome::accepted}));
  EXPECT_EQ(number("events"), 2);
}

TEST_F(engine_test, merchants_are_registered_where_that_is_wished) {
  const auto find = [&](std::vector<engine::merchant_wish> wishes) {
    std::promise<result<engine::found_merchants>> done;
    auto future = done.get_future();
    node->find_merchants(std::move(wishes), [&done](auto found) { done.set_value(found); });
    return get(future);
  };
  EXPECT_EQ(find({{"a", false}, {"b", true}})->known, (std::vector{false, true}));
  EXPECT_EQ(find({{"a", false}, {"b", false}, {"c", true}, {"b", true}})->known,
            (std::vector{false, true, true, true}));
  const auto list = command({"merchants"});
  ASSERT_TRUE(list);
  EXPECT_EQ((*list)["merchants"].size(), 2);
  restart();
  EXPECT_EQ(find({{"a", false}, {"b", false}})->known, (std::vector{false, true}));
  EXPECT_EQ(node->deletions(), 0);
  ASSERT_TRUE(command({"merchant", "delete", "b"}));
  EXPECT_EQ(node->deletions(), 1);
  EXPECT_EQ(find({{"b", false}})->known, std::vector{false});
}

TEST_F(engine_test, a_platform_key_may_be_made_that_creates_nobody) {
  for (const bool may : {true, false}) {
    std::vector<std::string> words{"key", "create", "--scope", "platform", "--label", "x"};
    if (!may) words.insert(words.begin() + 2, "--no-create");
    const auto made = command(words);
    ASSERT_TRUE(made);
    std::promise<result<key_facts>> done;
    auto future = done.get_future();
    node->find_key((*made)["key"], [&done](auto found) { done.set_value(found); });
    EXPECT_EQ(get(future)->may_create, may);
  }
  EXPECT_EQ(command({"key", "create", "--scope", "admin", "--no-create"}).error().code,
            errc::bad_request);
}

TEST_F(engine_test, the_console_drains_where_somebody_listens) {
  EXPECT_EQ(command({"drain"}).error().code, errc::unavailable);
  EXPECT_EQ(node->not_ready(), "");
  int asked = 0;
  options.on_drain = [&asked] { ++asked; };
  restart();
  for (int i = 0; i < 2; ++i) EXPECT_EQ((*command({"drain"}))["state"], "draining");
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(node->not_ready(), "draining");
  EXPECT_EQ(send({"a"}).outcomes, std::vector{outcome::accepted});
}

TEST_F(engine_test, limits_change_while_it_runs) {
  EXPECT_EQ(send({"a", "b"}).outcomes, std::vector(2, outcome::accepted));
  auto fresh = options;
  fresh.write_events_per_s = 1;
  ASSERT_TRUE(node->change_limits(fresh));
  // A rate of one lets two through at once; a body is taken whole or not at all.
  EXPECT_EQ(send({"c", "d", "e"}).outcomes, std::vector(3, outcome::accepted));
  EXPECT_EQ(send({"f"}).outcomes, std::vector{outcome::over_quota});
  fresh.queue_bytes_max = 0;
  fresh.write_events_per_s = 0;
  EXPECT_EQ(node->change_limits(fresh).error().code, errc::bad_option);
  EXPECT_EQ(send({"f"}).outcomes, std::vector{outcome::over_quota});
  ASSERT_TRUE(node->change_limits(options));
  EXPECT_EQ(send({"f"}).outcomes, std::vector{outcome::accepted});
}

TEST_F(engine_test, events_survive_an_end_without_snapshots) {
  for (int i = 0; i < 20; ++i) send({"x" + std::to_string(i)}, "m" + std::to_string(i % 7));
  restart();
  std::int64_t sum = 0;
  for (int i = 0; i < 7; ++i) sum += number("events", "m" + std::to_string(i));
  EXPECT_EQ(sum, 20);
}

TEST_F(engine_test, a_drain_saves_everything_so_that_a_restart_reads_nothing) {
  send({"a", "b"});
  ASSERT_TRUE(node->drain(patience));
  EXPECT_EQ(send({"c"}).outcomes, std::vector{outcome::unavailable});
  restart();
  EXPECT_EQ(number("events"), 2);
}

TEST_F(engine_test, a_state_that_was_thrown_away_is_computed_again_from_the_whole_journal) {
  send({"a", "b"});
  ASSERT_TRUE(node->drain(patience));
  restart();
  send({"c"});
  ASSERT_TRUE(node->drain(patience));
  node.reset();
  fs::remove_all(options.data_dir + "/state");
  start();
  EXPECT_EQ(number("events"), 3);
  EXPECT_EQ(send({"a"}).outcomes, std::vector{outcome::duplicate});
  restart();
  EXPECT_EQ(number("events"), 3);
}

TEST_F(engine_test, a_passivated_merchant_wakes_with_all_it_knew) {
  send({"a", "b"});
  const auto before = node->metrics().passivations.load();
  ASSERT_TRUE(command({"passivate", "shop"}));
  while (node->metrics().passivations.load() == before) std::this_thread::yield();
  EXPECT_EQ(send({"a", "c"}).outcomes, (std::vector{outcome::duplicate, outcome::accepted}));
  EXPECT_EQ(number("events"), 3);
}

TEST_F(engine_test, a_question_counts_a_snapshot_that_is_being_written_once) {
  std::vector<std::future<void>> snapshots;
  for (std::int64_t i = 1; i <= 60; ++i) {
    send({"s" + std::to_string(i)});
    auto done = std::make_shared<std::promise<void>>();
    snapshots.push_back(done->get_future());
    node->command({"snapshot", "shop"}, [done](const result<std::string>&) { done->set_value(); });
    ASSERT_EQ(number("events"), i);
    ASSERT_EQ(number("visitors"), i);
  }
  for (auto& snapshot : snapshots)
    ASSERT_EQ(snapshot.wait_for(patience), std::future_status::ready);
}

TEST_F(engine_test, a_rebuild_from_the_journal_gives_the_same_state) {
  for (int i = 0; i < 50; ++i) send({"x" + std::to_string(i), "x" + std::to_string(i / 2)});
  const auto rebuilt = command({"rebuild", "shop"});
  ASSERT_TRUE(rebuilt) << rebuilt.error().text();
  EXPECT_TRUE((*rebuilt)["equal"].get<bool>());
  EXPECT_EQ(number("events"), 50);
}

TEST_F(engine_test, commands_and_questions_about_a_merchant_that_nobody_knows_are_refused) {
  send({"a"});
  for (const auto& words : std::vector<std::vector<std::string>>{{"merchant", "inspect", "shpo"},
                                                                 {"snapshot", "shpo"},
                                                                 {"passivate", "shpo"},
                                                                 {"rebuild", "shpo"},
                                                                 {"rejects", "list", "shpo"},
                                                                 {"token", "create", "shpo"}}) {
    const auto answer = command(words);
    ASSERT_FALSE(answer) << words[0];
    EXPECT_EQ(answer.error().text(), "not_found: merchant 'shpo'") << words[0];
  }
  const auto reply = ask("events", "shpo");
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, errc::not_found);
  // None of that left a state behind, which a verify would call damage.
  ASSERT_TRUE(node->drain(patience));
  node.reset();
  persistence::state_options stored;
  stored.path = options.data_dir + "/state";
  auto store = persistence::state_store::open(stored);
  ASSERT_TRUE(store);
  const auto head = [&](const std::string& merchant) {
    return (*store)->read_page(owner_of(merchant_hash(merchant), merchant, 1),
                               persistence::head_part, 0);
  };
  EXPECT_TRUE(head("shop"));
  EXPECT_FALSE(head("shpo"));
  store->reset();
  start();
}

TEST_F(engine_test, every_commit_is_timed) {
  const auto timed = [&] {
    std::uint64_t sum = 0;
    for (const auto& count : node->metrics().commit.counts) sum += count.load();
    return sum;
  };
  const auto before = timed();
  send({"a"});
  send({"b"});
  EXPECT_EQ(timed(), before + 2);
  EXPECT_GT(node->metrics().commit.sum_us.load(), 0u);
}

TEST_F(engine_test, a_key_of_a_merchant_needs_its_name) {
  const auto made = command({"key", "create", "--scope", "write"});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, errc::bad_request);
  EXPECT_EQ(command({"key", "create", "--scope", "write", "--merchant", "shpo"}).error().code,
            errc::not_found);
}

TEST_F(engine_test, a_rate_takes_a_body_of_one_merchant_whole_or_not_at_all) {
  node.reset();
  options.write_events_per_s = 10;
  start();
  std::vector<std::string> ids;
  for (int i = 0; i < 100; ++i) ids.push_back("r" + std::to_string(i));
  EXPECT_EQ(send(ids).outcomes, std::vector<outcome>(100, outcome::accepted));
  EXPECT_EQ(send({"s", "t"}).outcomes, std::vector<outcome>(2, outcome::over_quota));
  EXPECT_EQ(send({"u"}, "other").outcomes, std::vector{outcome::accepted});
}

TEST_F(engine_test, a_question_waits_for_the_events_it_names) {
  const auto s = send({"a"});
  EXPECT_TRUE(ask("events", "shop", s.positions));
}

/// Keeps a merchant's aggregator from applying anything until it ends.
class held_aggregator {
 public:
  held_aggregator(engine& node, const std::string& merchant) {
    auto held = std::make_shared<std::promise<void>>();
    auto begun = held->get_future();
    // The report is given from inside the aggregator, which does nothing else meanwhile.
    node.report(merchant, [held, until = release_.get_future().share()](const auto&) {
      held->set_value();
      until.wait();
    });
    begun.wait();
  }
  ~held_aggregator() { release_.set_value(); }
  held_aggregator(const held_aggregator&) = delete;
  held_aggregator& operator=(const held_aggregator&) = delete;

 private:
  std::promise<void> release_;
};

TEST_F(engine_test, what_is_durable_and_not_counted_in_time_is_answered_as_such) {
  node.reset();
  options.visible_patience = std::chrono::milliseconds{20};
  options.scheduler_threads = 4;
  start();
  send({"before"});
  sent late;
  {
    const held_aggregator held{*node, "shop"};
    late = send({"a", "b", "before"});
    EXPECT_EQ(late.outcomes, std::vector<outcome>(3, outcome::pending));
    EXPECT_TRUE(late.durable_only);
    send({"x"}, "other");
    EXPECT_EQ(number("events", "other"), 1);
  }
  EXPECT_TRUE(ask("events", "shop", late.positions));
  EXPECT_EQ(number("events"), 3);
  options.visible_patience = patience;
  restart();
  const auto in_time = send({"a"});
  EXPECT_EQ(in_time.outcomes, std::vector{outcome::duplicate});
  EXPECT_FALSE(in_time.durable_only);
  EXPECT_EQ(number("events"), 3);
}

TEST_F(engine_test, an_answer_that_is_early_for_one_merchant_tells_the_outcome_of_the_others) {
  node.reset();
  options.visible_patience = std::chrono::milliseconds{20};
  options.scheduler_threads = 4;
  start();
  submission_ptr both;
  {
    const held_aggregator held{*node, "slow"};
    both = submit({{"slow", "1"}, {"quick", "2"}});
    EXPECT_EQ(number("events", "quick"), 1);
    EXPECT_EQ(both->events[0].now(), outcome::pending);
    EXPECT_EQ(both->events[1].now(), outcome::accepted);
    EXPECT_NE(both->events[0].offset, 0);
  }
  EXPECT_EQ(number("events", "slow"), 1);
}

TEST_F(engine_test, keys_are_found_by_their_text_and_gone_when_revoked) {
  const auto made =
      command({"merchant", "create", "m1", "--timezone", "Asia/Kathmandu", "--currency", "EUR"});
  ASSERT_TRUE(made) << made.error().text();
  const auto find = [&](const std::string& key) {
    std::promise<result<key_facts>> done;
    auto future = done.get_future();
    node->find_key(key, [&done](result<key_facts> r) { done.set_value(std::move(r)); });
    return get(future);
  };
  const auto write_key = (*made)["write_key"].get<std::string>();
  const auto found = find(write_key);
  ASSERT_TRUE(found) << found.error().text();
  EXPECT_EQ(found->scope, key_scope::write);
  EXPECT_EQ(found->merchant, "m1");
  ASSERT_TRUE(command({"key", "revoke", write_key}));
  const auto gone = find(write_key);
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, errc::unauthorized);
  EXPECT_EQ(command({"merchant", "create", "m1"}).error().code, errc::conflict);
}

TEST_F(engine_test, the_console_answers_over_caf_only_to_those_who_know_the_token) {
  const auto place = "127.0.0.1:" + std::to_string(node->console_port());
  auto good = console_client::connect(place, node->console_token(), patience);
  ASSERT_TRUE(good) << good.error().text();
  const auto status = (*good)->run({"status"});
  ASSERT_TRUE(status) << status.error().text();
  EXPECT_EQ(nlohmann::json::parse(*status)["state"], "ready");
  good->reset();
  auto bad = console_client::connect(place, "wrong", patience);
  ASSERT_TRUE(bad);
  const auto refused = (*bad)->run({"status"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, errc::unauthorized);
}

TEST_F(engine_test, a_second_engine_does_not_open_the_same_folder) {
  auto impatient = options;
  impatient.lock_timeout = std::chrono::milliseconds{0};
  const auto second = engine::start(impatient);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, errc::locked);
}

TEST_F(engine_test, a_start_waits_for_its_predecessor_to_let_go_of_the_folder) {
  send({"a"});
  options.lock_timeout = patience;
  auto second = std::async(std::launch::async, [&] { return engine::start(options); });
  // The first is still there when the second begins to wait: nothing but its end lets it go on.
  EXPECT_EQ(second.wait_for(std::chrono::milliseconds{50}), std::future_status::timeout);
  node.reset();
  auto started = second.get();
  ASSERT_TRUE(started) << started.error().text();
  node = std::move(*started);
  EXPECT_EQ(number("events"), 1);
}

TEST_F(engine_test, a_crash_point_that_does_not_exist_is_refused) {
  node.reset();
  for (const auto* wrong : {"nowhere", "journal_after_write:", "journal_after_write:0",
                            "journal_after_write:2x", ":1"}) {
    options.crash_at = wrong;
    const auto started = engine::start(options);
    ASSERT_FALSE(started) << wrong;
    EXPECT_EQ(started.error().code, errc::bad_option) << wrong;
  }
}

TEST(read_token, is_refused_when_changed_or_expired) {
  const auto token = persistence::make_read_token("secret", "shop", 1'000);
  EXPECT_EQ(*persistence::check_read_token("secret", token, 1'000), "shop");
  const auto late = persistence::check_read_token("secret", token, 1'001);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().text(), "forbidden: the token expired at 1970-01-01T00:16:40.000Z");
  EXPECT_EQ(persistence::check_read_token("other", token, 1'001).error().code, errc::unauthorized);
  EXPECT_FALSE(persistence::check_read_token("other", token, 1));
  auto changed = token;
  changed.replace(3, 4, "shoq");
  EXPECT_FALSE(persistence::check_read_token("secret", changed, 1));
}

}  // namespace
}  // namespace tally::actors

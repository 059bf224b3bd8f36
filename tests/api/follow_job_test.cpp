#include "api/follow_job.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "api/follow_state.hpp"
#include "api/follow_watch.hpp"
#include "fake_node.hpp"

namespace tally::api {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

class follow_job : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "follow-job-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, int from, int to) const {
    const auto path = folder_ + "/" + name;
    std::ofstream out{path, std::ios::app};
    for (int i = from; i < to; ++i) out << R"({"id":"e)" << i << "\"}\n";
    return path;
  }
  /// Ends once `enough` events were sent.
  follow_options options_for(const std::string& place, std::vector<std::string> files,
                             std::uint64_t enough) {
    follow_options options;
    options.merchant = "shop";
    options.format = "ndjson";
    options.state_file = folder_ + "/state";
    options.import.files = std::move(files);
    options.import.batch_events = 10;
    options.import.stop = &stop_;
    options.import.make_reader = [] { return make_ndjson_reader("shop"); };
    options.import.on_progress = [this, enough](const import_progress& p) {
      if (p.events_sent >= enough) stop_ = true;
    };
    options.open_session = [this, place](const std::string& before) -> result<follow_session> {
      before_ = before;
      ++sessions_;
      return follow_session{place, "tp_key", "id" + std::to_string(sessions_)};
    };
    options.linger = milliseconds{0};
    options.look_every = milliseconds{5};
    return options;
  }

  std::string folder_, before_;
  int sessions_ = 0;
  std::atomic<bool> stop_{false};
};

TEST_F(follow_job, sends_what_is_there_and_what_comes_and_the_next_run_goes_on) {
  fake_node node;
  auto options = options_for(node.place(), {write("a", 0, 25), write("b", 25, 30)}, 40);
  const auto grow = options.import.on_progress;
  bool grown = false;
  options.import.on_progress = [&](const import_progress& p) {
    if (p.events_sent >= 30 && !std::exchange(grown, true)) write("b", 30, 40);
    grow(p);
  };
  const auto first = run_follow(options);
  ASSERT_TRUE(first.ok()) << first.error().text();
  EXPECT_FALSE(first->stopped);
  EXPECT_EQ(first->accepted, 40);
  write("a", 40, 45);
  stop_ = false;
  const auto second = run_follow(options_for(node.place(), options.import.files, 5));
  ASSERT_TRUE(second.ok()) << second.error().text();
  EXPECT_EQ(second->accepted, 5);
  EXPECT_EQ(second->duplicate, 0);
  EXPECT_EQ(node.ids().size(), 45);
  EXPECT_EQ(before_, "id1") << "the key of the run before is named, to be revoked";
}

TEST_F(follow_job, waits_for_a_node_that_is_away_and_asks_anew_where_a_key_is_gone) {
  fake_node node{[](int request, const std::vector<json>&) -> std::string {
    if (request == 0) return "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
    if (request == 1) return "HTTP/1.1 401 Who\r\nContent-Length: 0\r\n\r\n";
    return "";
  }};
  auto options = options_for(node.place(), {write("a", 0, 5)}, 5);
  const auto open = options.open_session;
  int tries = 0;
  options.open_session = [&](const std::string& before) -> result<follow_session> {
    if (++tries < 3) return failure{errc::unavailable, "no node"};
    return open(before);
  };
  const auto done = run_follow(options);
  ASSERT_TRUE(done.ok()) << done.error().text();
  EXPECT_EQ(done->accepted, 5);
  EXPECT_EQ(sessions_, 2);
}

TEST_F(follow_job, what_could_not_be_sent_when_it_was_told_to_stop_is_sent_by_the_next_run) {
  fake_node node{[this](int request, const std::vector<json>&) -> std::string {
    if (request != 2) return "";
    stop_ = true;
    return "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
  }};
  const auto file = write("a", 0, 35);
  const auto first = run_follow(options_for(node.place(), {file}, 1'000));
  ASSERT_TRUE(first.ok()) << first.error().text();
  EXPECT_TRUE(first->stopped);
  EXPECT_EQ(first->accepted, 20);
  stop_ = false;
  const auto second = run_follow(options_for(node.place(), {file}, 35));
  ASSERT_TRUE(second.ok()) << second.error().text();
  EXPECT_EQ(second->accepted, 15);
  EXPECT_EQ(second->duplicate, 20);
}

TEST_F(follow_job, refused_lines_and_what_the_node_cannot_take_are_told) {
  fake_node node{[](int, const std::vector<json>& events) -> std::string {
    return fake_node::ok({{"accepted", events.size() - 1},
                          {"duplicate", 0},
                          {"rejected", {{{"index", 0}, {"code", "bad_name"}}}}});
  }};
  const auto file = write("a", 0, 2);
  std::ofstream{file, std::ios::app} << "no json\n";
  auto options = options_for(node.place(), {file}, 2);
  options.import.rejects_file = folder_ + "/rejects";
  const auto done = run_follow(options);
  ASSERT_TRUE(done.ok()) << done.error().text();
  EXPECT_EQ(done->refused.at("bad_json").first, std::vector<std::string>{file + ":3"});
  EXPECT_EQ(done->refused.at("bad_name").first, std::vector<std::string>{file + ":1"});
  EXPECT_GT(fs::file_size(options.import.rejects_file), 0);
}

TEST_F(follow_job, refusals_of_a_session_or_a_folder_end_it) {
  fake_node node;
  auto options = options_for(node.place(), {folder_ + "/none/a"}, 1);
  EXPECT_EQ(run_follow(options).error().code, errc::not_found);
  options = options_for(node.place(), {folder_ + "/a"}, 1);
  options.open_session = [](const std::string&) -> result<follow_session> {
    return failure{errc::not_found, "merchant 'shop'"};
  };
  EXPECT_EQ(run_follow(options).error().code, errc::not_found);
}

TEST_F(follow_job, a_state_file_is_for_one_import_at_a_time_and_for_one_merchant) {
  const auto path = folder_ + "/state";
  {
    auto state = follow_state::open(path, "shop", "ndjson");
    ASSERT_TRUE(state.ok()) << state.error().text();
    EXPECT_EQ(follow_state::open(path, "shop", "ndjson").error().code, errc::conflict);
    auto& log = state->of("/a");
    log.started = true;
    log.file = identity_of(1, 2, "head");
    log.bytes = 77;
    log.carried = {{0xfedcba9876543210, 3}, {5, 1}};
    log.known = {{identity_of(3, 4, "other"), 9}};
    state->session = "abc";
    ASSERT_TRUE(state->save().ok());
  }
  EXPECT_EQ(follow_state::open(path, "other", "ndjson").error().code, errc::conflict);
  auto again = follow_state::open(path, "shop", "ndjson");
  ASSERT_TRUE(again.ok()) << again.error().text();
  const auto& log = again->of("/a");
  EXPECT_EQ(again->session, "abc");
  EXPECT_EQ(log.bytes, 77);
  EXPECT_EQ(log.file.head, identity_of(1, 2, "head").head);
  ASSERT_EQ(log.carried.size(), 2);
  EXPECT_EQ(log.carried[0].hash, 0xfedcba9876543210);
  EXPECT_EQ(log.carried[0].count, 3);
  ASSERT_EQ(log.known.size(), 1);
  EXPECT_EQ(log.known[0].bytes, 9);
}

TEST_F(follow_job, what_is_no_state_file_is_refused) {
  const auto path = folder_ + "/state";
  for (const auto* text : {"", "[]", "{\"version\":1}", "no json"}) {
    std::ofstream{path, std::ios::trunc} << text;
    EXPECT_EQ(follow_state::open(path, "shop", "ndjson").error().code, errc::bad_option) << text;
  }
  std::ofstream{path, std::ios::trunc} << "{\"version\":2}";
  EXPECT_EQ(follow_state::open(path, "shop", "ndjson").error().code, errc::unsupported);
}

TEST_F(follow_job, a_change_ends_a_wait) {
  follow_watch watch{{folder_}};
  if (watch.is_polling()) GTEST_SKIP() << "no inotify here";
  write("a", 0, 1);
  const auto before = std::chrono::steady_clock::now();
  watch.wait(std::chrono::minutes{2});
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::minutes{1});
}

TEST_F(follow_job, without_inotify_a_wait_takes_its_time) {
  follow_watch watch{{folder_ + "/none"}};
  EXPECT_TRUE(watch.is_polling());
  watch.wait(milliseconds{1});
}

}  // namespace
}  // namespace tally::api

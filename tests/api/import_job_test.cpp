#include "api/import_job.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "fake_node.hpp"

namespace tally::api {
namespace {

class import_job : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "import-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& name, int from, int to) {
    const auto path = folder_ + "/" + name;
    std::ofstream out{path};
    for (int i = from; i < to; ++i) out << R"({"id":"e)" << i << "\"}\n";
    return path;
  }
  import_options options_for(const fake_node& node, std::vector<std::string> files) {
    import_options options;
    options.files = std::move(files);
    options.http = node.place();
    options.key = "tp_key";
    options.batch_events = 10;
    options.make_reader = [] { return make_ndjson_reader("shop"); };
    return options;
  }
  std::string folder_;
};

TEST_F(import_job, sends_every_event_once_in_batches_and_a_repeat_counts_as_duplicates) {
  fake_node node;
  const auto options = options_for(node, {write("a", 0, 25)});
  const auto first = run_import(options);
  ASSERT_TRUE(first.ok()) << first.error().text();
  EXPECT_EQ(first->events, 25);
  EXPECT_EQ(first->accepted, 25);
  EXPECT_EQ(node.requests(), 3);
  const auto again = run_import(options);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->accepted, 0);
  EXPECT_EQ(again->duplicate, 25);
}

TEST_F(import_job, what_the_node_cannot_take_now_is_sent_again) {
  fake_node node{[](int request, const std::vector<json>&) -> std::string {
    if (request == 1) return "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
    if (request == 2) return "HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n";
    return "";
  }};
  auto options = options_for(node, {write("a", 0, 25)});
  int told = 0;
  options.on_message = [&](const std::string&) { ++told; };
  const auto done = run_import(options);
  ASSERT_TRUE(done.ok()) << done.error().text();
  EXPECT_EQ(done->accepted, 25);
  EXPECT_EQ(told, 2);
  EXPECT_EQ(node.requests(), 5);
}

TEST_F(import_job, events_over_quota_are_sent_again_alone_and_refused_ones_are_named) {
  fake_node node{[](int request, const std::vector<json>& events) -> std::string {
    if (request != 0) return "";
    return fake_node::ok(
        {{"accepted", events.size() - 2},
         {"duplicate", 0},
         {"rejected",
          {{{"index", 3}, {"code", "over_quota"}, {"retry_after_ms", 1}},
           {{"index", 4}, {"code", "bad_amount"}, {"detail", "order.tax: 'x'"}}}}});
  }};
  auto options = options_for(node, {write("a", 0, 10)});
  options.rejects_file = folder_ + "/rejects";
  const auto done = run_import(options);
  ASSERT_TRUE(done.ok()) << done.error().text();
  EXPECT_EQ(done->accepted, 9);
  EXPECT_EQ(node.ids(), std::vector<std::string>{"e3"});
  ASSERT_TRUE(done->refused.contains("bad_amount"));
  EXPECT_EQ(done->refused.at("bad_amount").first,
            std::vector<std::string>{options.files[0] + ":5"});
  std::ifstream rejects{options.rejects_file};
  const auto line = json::parse(rejects);
  EXPECT_EQ(line.at("line"), 5);
  EXPECT_EQ(line.at("detail"), "order.tax: 'x'");
}

TEST_F(import_job, goes_on_behind_the_last_acknowledged_batch_of_a_run_that_failed) {
  fake_node node{[](int request, const std::vector<json>&) -> std::string {
    return request == 2 ? "HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n" : "";
  }};
  auto options = options_for(node, {write("a", 0, 15), write("b", 15, 40)});
  options.resume_file = folder_ + "/resume";
  EXPECT_EQ(run_import(options).error().code, errc::bad_request);
  EXPECT_EQ(node.ids().size(), 15);
  const auto done = run_import(options);
  ASSERT_TRUE(done.ok()) << done.error().text();
  EXPECT_EQ(done->skipped, 15);
  EXPECT_EQ(done->accepted, 25);
  EXPECT_EQ(done->duplicate, 0);
  EXPECT_EQ(node.ids().size(), 40);
}

TEST_F(import_job, a_resume_file_of_other_content_is_refused) {
  fake_node node;
  auto options = options_for(node, {write("a", 0, 5)});
  options.resume_file = folder_ + "/resume";
  ASSERT_TRUE(run_import(options).ok());
  write("a", 100, 105);
  EXPECT_EQ(run_import(options).error().code, errc::conflict);
}

TEST_F(import_job, ends_when_it_is_told_to_and_says_so) {
  std::atomic<bool> stop{false};
  fake_node node{[&](int request, const std::vector<json>&) -> std::string {
    stop = request == 1;
    return "";
  }};
  auto options = options_for(node, {write("a", 0, 50)});
  options.stop = &stop;
  const auto done = run_import(options);
  ASSERT_TRUE(done.ok()) << done.error().text();
  EXPECT_TRUE(done->stopped);
  EXPECT_EQ(done->accepted, 20);
}

TEST_F(import_job, gives_up_on_a_node_that_takes_nothing) {
  fake_node node{[](int, const std::vector<json>&) -> std::string {
    return "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
  }};
  auto options = options_for(node, {write("a", 0, 5)});
  options.patience = std::chrono::milliseconds{100};
  EXPECT_EQ(run_import(options).error().code, errc::unavailable);
  EXPECT_EQ(run_import(options_for(node, {folder_ + "/none"})).error().code, errc::not_found);
}

TEST_F(import_job, tells_the_node_of_refused_lines_once_with_an_id_that_a_repeat_has_again) {
  std::vector<json> told;
  fake_node node{[&](int, const std::vector<json>& events) -> std::string {
    auto rejected = json::array();
    for (std::size_t i = 0; i < events.size(); ++i) {
      if (!events[i].contains("refused")) continue;
      told.push_back(events[i]);
      rejected.push_back({{"index", i}, {"code", "bad_json"}});
    }
    return fake_node::ok({{"accepted", events.size() - rejected.size()}, {"rejected", rejected}});
  }};
  const auto path = folder_ + "/a";
  std::ofstream{path} << "{\"id\":\"a\"}\nnot json\nnot json\n{\"id\":\"b\"}\n";
  auto options = options_for(node, {path});
  options.merchant = "shop";
  const auto done = run_import(options);
  ASSERT_TRUE(done.ok()) << done.error().text();
  EXPECT_EQ(done->events, 2);
  EXPECT_EQ(done->accepted, 2);
  EXPECT_EQ(done->refused.at("bad_json").count, 2) << "counted once, not again by the receipt";
  ASSERT_EQ(told.size(), 2);
  EXPECT_EQ(told[0].at("merchant"), "shop");
  EXPECT_EQ(told[0].at("refused").at("code"), "bad_json");
  EXPECT_EQ(told[0].at("refused").at("text"), "not json");
  EXPECT_NE(told[0].at("id"), told[1].at("id"));
  options.resume_file = folder_ + "/resume";
  ASSERT_TRUE(run_import(options).ok());
  ASSERT_EQ(told.size(), 4);
  EXPECT_EQ(told[2].at("id"), told[0].at("id"));
  EXPECT_EQ(told[3].at("id"), told[1].at("id"));
  const auto resumed = run_import(options);
  ASSERT_TRUE(resumed.ok());
  EXPECT_EQ(resumed->skipped, 4);
  EXPECT_EQ(told.size(), 4);
}

TEST_F(import_job, reads_gzip_files) {
  const auto path = folder_ + "/a.gz";
  gzFile out = ::gzopen(path.c_str(), "wb");
  ::gzputs(out, "{\"id\":\"a\"}\n{\"id\":\"b\"}\n");
  ::gzclose(out);
  fake_node node;
  const auto done = run_import(options_for(node, {path}));
  ASSERT_TRUE(done.ok()) << done.error().text();
  EXPECT_EQ(node.ids(), (std::vector<std::string>{"a", "b"}));
}

}  // namespace
}  // namespace tally::api

#include "api/followed_log.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

namespace tally::api {
namespace {

namespace fs = std::filesystem;

class followed_log_test : public ::testing::Test {
 protected:
  using names = std::vector<std::string>;

  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "follow-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    log_ = folder_ + "/access.log";
    follow();
  }
  void TearDown() override {
    following_.reset();
    fs::remove_all(folder_);
  }

  /// As a process does that starts: it knows what the state file says.
  void follow() {
    followed_log_options options;
    options.path = log_;
    options.make_reader = [] { return make_ndjson_reader("shop"); };
    options.on_message = [this](const std::string& text) { messages_.push_back(text); };
    options.linger = linger_;
    following_.reset();
    following_ = std::make_unique<followed_log>(options, position_);
  }
  void append(const std::string& text) const { std::ofstream{log_, std::ios::app} << text; }
  /// Reads until there is nothing more; gives the names of the events.
  names read() {
    names given;
    const import_sink sink{[&](const imported_event& event) {
                             const auto json = nlohmann::json::parse(event.json);
                             given.push_back(json.at("name"));
                             ids_.insert(json.at("id").get<std::string>());
                           },
                           [&](const refused_line& line) { given.push_back("!" + line.code); }};
    while (true) {
      const auto more = following_->step(sink);
      if (!more) messages_.push_back(more.error().text());
      if (!more || !*more) return given;
    }
  }
  static std::string line(const std::string& name) { return R"({"name":")" + name + "\"}\n"; }
  void rotate(const std::string& suffix = ".1") const { fs::rename(log_, log_ + suffix); }
  void copy_and_cut(const std::string& suffix = ".1") const {
    fs::copy_file(log_, log_ + suffix);
    fs::resize_file(log_, 0);
  }
  /// Makes room for a new .1, as logrotate does; packs what is .2 by then.
  void shift_rotated(bool packing) const {
    for (int n = 8; n >= 1; --n) {
      for (const auto* end : {"", ".gz"}) {
        const auto from = log_ + "." + std::to_string(n) + end;
        if (fs::exists(from)) fs::rename(from, log_ + "." + std::to_string(n + 1) + end);
      }
    }
    if (packing && fs::exists(log_ + ".2")) pack(".2");
  }
  void pack(const std::string& suffix) const {
    std::ifstream in{log_ + suffix};
    const std::string text{std::istreambuf_iterator<char>{in}, {}};
    const auto time = fs::last_write_time(log_ + suffix);
    gzFile out = ::gzopen((log_ + suffix + ".gz").c_str(), "wb");
    ::gzwrite(out, text.data(), static_cast<unsigned>(text.size()));
    ::gzclose(out);
    fs::last_write_time(log_ + suffix + ".gz", time);
    fs::remove(log_ + suffix);
  }

  std::string folder_, log_;
  std::chrono::milliseconds linger_{0};
  log_position position_;
  std::unique_ptr<followed_log> following_;
  std::set<std::string> ids_;
  names messages_;
};

TEST_F(followed_log_test, waits_for_the_file_and_for_the_end_of_a_line) {
  EXPECT_EQ(read(), names{});
  ASSERT_EQ(messages_.size(), 1);
  append(line("a") + R"({"name":)");
  EXPECT_EQ(read(), names{"a"});
  append("\"b\"}");
  EXPECT_EQ(read(), names{});
  append("\n");
  EXPECT_EQ(read(), names{"b"});
  EXPECT_EQ(following_->behind(), 0);
}

TEST_F(followed_log_test, goes_over_a_renamed_file_and_equal_lines_stay_different_events) {
  append(line("a") + line("a"));
  EXPECT_EQ(read(), (names{"a", "a"}));
  append(line("a"));
  rotate();
  EXPECT_EQ(read(), names{"a"}) << "the rest of a file that was renamed";
  append(line("a") + line("b"));
  EXPECT_EQ(read(), (names{"a", "b"}));
  EXPECT_EQ(ids_.size(), 5);
  EXPECT_EQ(messages_, names{});
}

TEST_F(followed_log_test, ids_are_those_of_a_plain_import_of_the_file) {
  append(line("a") + line("a") + line("b"));
  read();
  std::set<std::string> plain;
  const auto reader = make_ndjson_reader("shop");
  const import_sink sink{[&](const imported_event& event) {
                           plain.insert(nlohmann::json::parse(event.json).at("id"));
                         },
                         [](const refused_line&) {}};
  reader->feed(line("a") + line("a") + line("b"), sink);
  EXPECT_EQ(ids_, plain);
}

TEST_F(followed_log_test, a_writer_may_go_on_in_the_renamed_file_for_a_while) {
  linger_ = std::chrono::hours{1};
  follow();
  append(line("a"));
  read();
  rotate();
  append(line("c"));
  EXPECT_EQ(read(), names{});
  std::ofstream{log_ + ".1", std::ios::app} << line("b");
  EXPECT_EQ(read(), names{"b"});
  fs::last_write_time(log_ + ".1", fs::file_time_type::clock::now() - std::chrono::hours{2});
  EXPECT_EQ(read(), names{"c"});
}

TEST_F(followed_log_test,
       what_is_written_to_a_file_long_after_its_rotation_is_read_at_the_next_one) {
  append(line(std::string(head_bytes_max, 'a')));
  read();
  rotate();
  append(line("b"));
  EXPECT_EQ(read(), names{"b"});
  std::ofstream{log_ + ".1", std::ios::app} << line("c");
  EXPECT_EQ(read(), names{});
  fs::rename(log_ + ".1", log_ + ".2");
  rotate();
  append(line("d"));
  EXPECT_EQ(read(), (names{"c", "d"}));
}

TEST_F(followed_log_test, goes_on_in_the_copy_of_a_file_that_was_cut_off) {
  append(line("a") + R"({"name":)");
  EXPECT_EQ(read(), names{"a"});
  append("\"b\"}\n" + line("c"));
  copy_and_cut();
  append(line("d"));
  EXPECT_EQ(read(), (names{"b", "c", "d"}));
  EXPECT_EQ(messages_, names{});
  copy_and_cut(".2");
  EXPECT_EQ(read(), names{});
  append(line("e"));
  EXPECT_EQ(read(), names{"e"});
}

TEST_F(followed_log_test, a_cut_is_seen_even_if_the_file_is_longer_than_before) {
  append(line("a"));
  read();
  copy_and_cut();
  append(line("b") + line("c") + line("d"));
  EXPECT_EQ(read(), (names{"b", "c", "d"}));
}

TEST_F(followed_log_test, says_what_it_cannot_find) {
  append(line("a"));
  read();
  fs::resize_file(log_, 0);
  EXPECT_EQ(read(), names{});
  ASSERT_EQ(messages_.size(), 1);
  append(line("b"));
  EXPECT_EQ(read(), names{"b"});
}

TEST_F(followed_log_test, a_restart_finds_its_file_behind_any_number_of_rotations) {
  append(line("a"));
  read();
  append(line("b"));
  rotate(".3");
  append(line("c"));
  rotate(".2");
  pack(".3");
  append(line("d"));
  rotate(".1");
  append(line("e"));
  follow();
  EXPECT_EQ(read(), (names{"b", "c", "d", "e"}));
  follow();
  EXPECT_EQ(read(), names{});
  EXPECT_EQ(messages_, names{});
}

TEST_F(followed_log_test, packed_files_are_not_read_again_and_neither_is_history) {
  append(line("old"));
  rotate(".2");
  pack(".2");
  append(line("older"));
  rotate(".1");
  append(line("a"));
  EXPECT_EQ(read(), names{"a"}) << "only the log itself at first";
  rotate(".0");
  append(line("b"));
  EXPECT_EQ(read(), names{"b"});
  pack(".0");
  pack(".1");
  rotate(".3");
  append(line("c"));
  EXPECT_EQ(read(), names{"c"});
}

TEST_F(followed_log_test, a_torn_packed_file_is_left_with_a_message) {
  append(line("a"));
  read();
  append(line(std::string(100'000, 'b')));
  rotate();
  pack(".1");
  fs::resize_file(log_ + ".1.gz", fs::file_size(log_ + ".1.gz") - 10);
  append(line("c"));
  follow();
  const auto got = read();
  ASSERT_FALSE(got.empty());
  EXPECT_EQ(got.back(), "c");
}

/// A writer that appends whole and half lines and rotates in both ways, and a follower that crashes
/// and forgets what it did since the state was last kept: every line has its own id, and no other.
TEST_F(followed_log_test, every_line_is_one_event_whatever_is_rotated_and_killed) {
  for (unsigned seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    TearDown();
    SetUp();
    ids_.clear();
    position_ = {};
    follow();
    std::mt19937 chance{seed};
    std::size_t lines = 0;
    append(line("first"));
    ++lines;
    read();
    auto kept = position_;
    for (int step = 0; step < 60; ++step) {
      switch (chance() % 6) {
        case 0:
        case 1:
          for (auto n = chance() % 5; n-- > 0; ++lines) {
            append(line(std::to_string(chance() % 3)));
          }
          append(line("step" + std::to_string(step)));
          ++lines;
          break;
        case 2:
          if (!fs::exists(log_) || fs::file_size(log_) == 0) break;
          shift_rotated(chance() % 2 == 0);
          if (chance() % 2 == 0) {
            copy_and_cut();
          } else {
            rotate();
            append("");
          }
          // The file's first line tells it from others.
          append(line("file" + std::to_string(step)));
          ++lines;
          break;
        case 3:
          read();
          break;
        case 4:
          read();
          kept = position_;
          break;
        default:
          position_ = kept;
          follow();
      }
    }
    read();
    EXPECT_EQ(ids_.size(), lines);
    EXPECT_EQ(messages_, names{});
  }
}

TEST(rotated_name, is_a_log_with_a_number_or_a_date) {
  for (const auto* name : {"access.log.1", "access.log.12.gz", "access.log-20261128",
                           "access.log-20261128-1764288000.gz", "access-20261128.log",
                           "access.log.old", "access.2026-11-28.log", "access-1.log.gz"}) {
    EXPECT_TRUE(is_rotated_name(name, "access.log")) << name;
  }
  for (const auto* name :
       {"access.log", "access.log.tally", "access.log.gz", "access.log.1.swp", "access_ssl.log",
        "access.log1", "error.log.1", "access.log.", "access.log.tally.lock", "access.log.1.zst"}) {
    EXPECT_FALSE(is_rotated_name(name, "access.log")) << name;
  }
}

}  // namespace
}  // namespace tally::api

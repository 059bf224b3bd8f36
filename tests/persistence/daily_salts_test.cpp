#include "persistence/daily_salts.hpp"

#include <gtest/gtest.h>

#include <filesystem>

namespace tally::persistence {
namespace {

namespace fs = std::filesystem;

struct daily_salts_test : ::testing::Test {
  daily_salts_test() { open(); }
  ~daily_salts_test() override {
    log.reset();
    fs::remove_all(path);
  }
  void open() {
    log.reset();
    journal_options options;
    options.path = path;
    options.reserve_bytes = 0;
    auto opened = journal::open(options);
    if (!opened) throw std::runtime_error{opened.error().text()};
    log = std::move(*opened);
  }
  /// Turns the salts to this day and makes that durable.
  daily_salts turn(std::int64_t day) {
    const auto made = turn_salts(*log, day);
    if (!made) throw std::runtime_error{made.error().text()};
    if (made->records.empty()) return made->salts;
    EXPECT_TRUE(log->put_meta(made->records).ok());
    return made->salts;
  }
  [[nodiscard]] std::size_t stored() const { return log->list_meta("salt/")->size(); }

  std::string path =
      (fs::temp_directory_path() / ("tally-salts-" + std::to_string(getpid()))).string();
  std::unique_ptr<journal> log;
};

TEST_F(daily_salts_test, stay_the_same_for_a_day_and_over_a_restart) {
  const auto first = turn(100);
  EXPECT_EQ(first.today.day, 100);
  EXPECT_EQ(first.yesterday.day, -1);
  EXPECT_EQ(turn(100).today.key, first.today.key);
  open();
  EXPECT_EQ(turn(100).today.key, first.today.key);
}

TEST_F(daily_salts_test, are_kept_for_one_day_more_and_then_deleted) {
  const auto first = turn(100);
  const auto second = turn(101);
  EXPECT_EQ(second.yesterday.key, first.today.key);
  EXPECT_NE(second.today.key, first.today.key);
  EXPECT_EQ(stored(), 2u);
  const auto third = turn(102);
  EXPECT_EQ(third.yesterday.key, second.today.key);
  EXPECT_EQ(stored(), 2u);
  EXPECT_EQ(turn(110).yesterday.day, -1);
  EXPECT_EQ(stored(), 1u);
}

TEST_F(daily_salts_test, do_not_use_what_is_no_salt) {
  ASSERT_TRUE(log->put_meta({{"salt/100", "short"}, {"salt/x", std::string(16, 's')}}).ok());
  const auto made = turn(100);
  EXPECT_EQ(made.today.day, 100);
  EXPECT_EQ(stored(), 1u);
}

TEST(day_of, changes_at_midnight_utc) {
  EXPECT_EQ(day_of(time_from_ms(0)), 0);
  EXPECT_EQ(day_of(time_from_ms(86'399'999)), 0);
  EXPECT_EQ(day_of(time_from_ms(86'400'000)), 1);
  EXPECT_EQ(day_of(time_from_ms(-1)), -1);
}

}  // namespace
}  // namespace tally::persistence

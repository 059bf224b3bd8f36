#include "persistence/backup.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/journal_load.hpp"
#include "tests/support/temp_folder.hpp"

namespace tally::persistence {
namespace {

using testing::round_maker;
using testing::temp_folder;

const state_owner shop{1, 1, "shop"};

struct backup_test : ::testing::Test {
  temp_folder folder;
  std::unique_ptr<journal> log;
  std::unique_ptr<state_store> state;
  round_maker rounds;
  std::string identity;

  void open(const std::string& data_dir) {
    log = nullptr;
    state = nullptr;
    journal_options j;
    j.path = data_dir + "/journal";
    j.segment_bytes = 2'000;
    j.reserve_bytes = 0;
    auto opened_log = journal::open(j);
    ASSERT_TRUE(opened_log) << opened_log.error().text();
    log = std::move(*opened_log);
    state_options s;
    s.path = data_dir + "/state";
    s.cache_bytes = s.memtable_bytes = 1 << 20;
    auto opened_state = state_store::open(s);
    ASSERT_TRUE(opened_state) << opened_state.error().text();
    state = std::move(*opened_state);
  }
  void write(int steps) {
    for (int i = 0; i < steps; ++i) {
      ASSERT_TRUE(log->append(rounds.next({1, 2}, 80), {{"merchant", "x"}}));
      state_store::batch b;
      b.put_page(shop, 0, 0, std::to_string(log->last_round()));
      ASSERT_TRUE(state->write(std::move(b)));
    }
  }
  /// A node with 20 rounds, backed up, and 5 rounds more.
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(open(folder / "data"));
    write(20);
    identity = log->identity();
    const auto s = backup(*log, *state, folder / "backup");
    ASSERT_TRUE(s) << s.error().text();
    write(5);
  }
  errc refusal() {
    const auto s = restore(folder / "backup", folder / "restored");
    EXPECT_FALSE(std::filesystem::exists(folder / "restored/journal"));
    return s ? errc{} : s.error().code;
  }
  std::vector<std::string> files() {
    std::vector<std::string> all;
    for (const auto& f : std::filesystem::recursive_directory_iterator{folder / "backup"})
      if (f.is_regular_file()) all.push_back(f.path().string());
    return all;
  }
};

TEST_F(backup_test, what_is_restored_goes_on_under_a_new_identity) {
  const auto s = restore(folder / "backup", folder / "restored");
  ASSERT_TRUE(s) << s.error().text();
  ASSERT_NO_FATAL_FAILURE(open(folder / "restored"));
  EXPECT_NE(log->identity(), identity);
  EXPECT_EQ(log->identity().size(), identity.size());
  EXPECT_EQ(*state->read_page(shop, 0, 0), "20");
  EXPECT_GE(log->last_round(), 20u);
  EXPECT_EQ(log->ends()[1].next_offset, 41u);
  round_number chunks = 0;
  ASSERT_TRUE(log->scan(1, ~round_number{0}, [&](round_number, const auto& entries) {
    chunks += entries.size();
    return true;
  }));
  EXPECT_EQ(chunks, 40u);
  rounds = round_maker{log->ends()};
  write(3);
  EXPECT_FALSE(std::filesystem::exists(folder / "restored/.restoring"));
}

TEST_F(backup_test, the_source_goes_on_undisturbed) {
  ASSERT_NO_FATAL_FAILURE(open(folder / "data"));
  EXPECT_EQ(log->identity(), identity);
  EXPECT_EQ(log->last_round(), 25u);
}

TEST_F(backup_test, neither_overwrites_anything) {
  EXPECT_EQ(backup(*log, *state, folder / "backup").error().code, errc::conflict);
  std::filesystem::create_directories(folder / "restored");
  std::ofstream{folder / "restored/something"} << "here";
  EXPECT_EQ(refusal(), errc::conflict);
}

TEST_F(backup_test, an_interrupted_restore_may_be_repeated) {
  std::filesystem::create_directories(folder / "restored/.restoring/journal");
  std::filesystem::create_directories(folder / "restored/state");
  std::ofstream{folder / "restored/.restoring/journal/CURRENT"} << "rest of it";
  const auto s = restore(folder / "backup", folder / "restored");
  ASSERT_TRUE(s) << s.error().text();
  ASSERT_NO_FATAL_FAILURE(open(folder / "restored"));
}

TEST_F(backup_test, a_changed_byte_in_any_file_is_refused) {
  log = nullptr;
  state = nullptr;
  for (const auto& path : files()) {
    const auto size = std::filesystem::file_size(path);
    if (size == 0) continue;
    std::string bytes(size, '\0');
    std::ifstream{path, std::ios::binary}.read(bytes.data(), static_cast<std::streamsize>(size));
    auto changed = bytes;
    changed[size / 2] = static_cast<char>(changed[size / 2] ^ 4);
    std::ofstream{path, std::ios::binary} << changed;
    EXPECT_EQ(refusal(), errc::corrupt_record) << path;
    std::ofstream{path, std::ios::binary} << bytes;
  }
  EXPECT_TRUE(restore(folder / "backup", folder / "restored"));
}

TEST_F(backup_test, a_missing_or_a_foreign_file_is_refused) {
  std::ofstream{folder / "backup/journal/extra"} << "?";
  EXPECT_EQ(refusal(), errc::corrupt_record);
  std::filesystem::remove(folder / "backup/journal/extra");
  std::filesystem::rename(folder / "backup/journal/WATERMARK", folder / "aside");
  EXPECT_EQ(refusal(), errc::corrupt_record);
  std::filesystem::rename(folder / "aside", folder / "backup/journal/WATERMARK");
  std::filesystem::remove(folder / "backup/BACKUP");
  EXPECT_EQ(refusal(), errc::not_found);
}

}  // namespace
}  // namespace tally::persistence

#include "persistence/history.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "persistence/sealer.hpp"
#include "tests/support/fault_env.hpp"
#include "tests/support/sealing_shop.hpp"
#include "tests/support/temp_folder.hpp"

namespace tally::persistence {
namespace {

using testing::append_random;
using testing::copy_folder;
using testing::fault;
using testing::fault_env;
using testing::fault_plan;
using testing::sealing_shop;
using testing::temp_folder;

const std::vector<std::string> shops{"shop-a", "shop-b", "tiny"};

/// Some rounds a seal.
sealer_options in_parts(seal_hook hook = {}) {
  sealer_options options;
  options.rounds_max = 4;
  options.hook = std::move(hook);
  return options;
}

/// Seals until all is sealed or something fails; the last round that was said to be sealed.
round_number seal_all(sealing_shop& shop, seal_hook hook = {}) {
  auto sealer = shop.make_sealer(in_parts(std::move(hook)));
  for (;;) {
    const auto sealed = sealer.step(shop.log().last_round() + 1);
    if (!sealed || !*sealed) return shop.history().sealed_round();
  }
}

std::size_t files_in(const std::string& folder) {
  std::size_t files = 0;
  for (const auto& f : std::filesystem::directory_iterator{folder}) files += f.is_regular_file();
  return files;
}

/// Each event once: in history up to what is sealed, in the log after it; and sealing goes on.
void expect_whole(sealing_shop& shop, round_number at_least) {
  EXPECT_EQ(files_in(shop.folder() + "/history/making"), 0u);
  ASSERT_GE(shop.history().sealed_round(), at_least);
  ASSERT_NO_FATAL_FAILURE(shop.expect_everything());
  ASSERT_EQ(seal_all(shop), shop.log().last_round());
  ASSERT_NO_FATAL_FAILURE(shop.expect_everything());
}

struct sweep {
  const char* name;
  fault_plan plan;
  std::uint64_t stride = 1;  // how many calls are passed over from one run to the next
};
struct history_sweep : ::testing::TestWithParam<sweep> {};

TEST_P(history_sweep, whichever_call_fails_no_event_is_lost_or_doubled) {
  temp_folder folder;
  sealing_shop shop{folder.path().string()};
  append_random(shop, 1, 60, shops, 8);
  shop.count();
  shop.open_history();  // failures while a new database is made are RocksDB's own
  shop.close_history();
  std::filesystem::rename(folder / "history", folder / "empty");
  for (std::uint64_t n = 1;; n += GetParam().stride) {
    copy_folder(folder / "empty", folder / "history");
    auto plan = GetParam().plan;
    plan.fail_at = n;
    fault_env env{plan};
    shop.set_history_env(env.get());
    const round_number sealed = shop.try_open() ? seal_all(shop) : 0;
    shop.close_history();
    shop.set_history_env(nullptr);
    shop.open_history();
    ASSERT_NO_FATAL_FAILURE(expect_whole(shop, sealed)) << "call " << n;
    shop.close_history();
    if (env.control().struck()) continue;
    EXPECT_EQ(sealed, shop.log().last_round());
    EXPECT_GT(n, 50u) << "too few calls were swept";
    break;
  }
}

INSTANTIATE_TEST_SUITE_P(, history_sweep,
                         ::testing::Values(sweep{"once", {0, false, fault::io_error, true}},
                                           sweep{"power_cut", {0, true, fault::io_error, false}, 2},
                                           sweep{"disk_full", {0, true, fault::no_space, true}, 3}),
                         [](const auto& one) { return std::string{one.param.name}; });

TEST(history, a_kill_before_any_step_of_a_seal_loses_and_doubles_nothing) {
  temp_folder folder;
  sealing_shop shop{folder.path().string()};
  append_random(shop, 2, 80, shops, 8);
  shop.count();
  shop.open_history();
  std::map<std::string, round_number> killed;  // copies, and what was sealed then
  const auto sealed = seal_all(shop, [&](std::string_view step) {
    const auto copy = folder / ("killed-" + std::to_string(killed.size()) + std::string{step});
    copy_folder(shop.folder() + "/history", copy);
    killed[copy] = shop.history().sealed_round();
  });
  EXPECT_EQ(sealed, shop.log().last_round());
  EXPECT_GE(killed.size(), 10u);
  for (const auto& [copy, at_least] : killed) {
    ASSERT_NO_FATAL_FAILURE(shop.open_copy(copy));
    EXPECT_EQ(files_in(copy + "/making"), 0u);
    ASSERT_EQ(shop.history().sealed_round(), at_least) << copy;
    ASSERT_NO_FATAL_FAILURE(shop.expect_everything()) << copy;
    ASSERT_EQ(seal_all(shop), shop.log().last_round());
    ASSERT_NO_FATAL_FAILURE(shop.expect_everything()) << copy;
  }
}

TEST(history, one_that_is_read_only_reads_the_same) {
  temp_folder folder;
  sealing_shop shop{folder.path().string()};
  append_random(shop, 2, 80, shops, 8);
  shop.count();
  shop.open_history();
  seal_all(shop);
  const auto bytes = shop.history().bytes();
  EXPECT_GT(bytes, 500u);
  ASSERT_TRUE(shop.history().checkpoint(folder / "copy"));
  history_options options;
  options.path = folder / "copy";
  options.read_only = true;
  const auto copy = history::open(options);
  ASSERT_TRUE(copy) << copy.error().text();
  EXPECT_EQ((*copy)->sealed_round(), shop.log().last_round());
  std::size_t events = 0;
  ASSERT_TRUE((*copy)->for_each_event(sealing_shop::shard_of("tiny"), "tiny", 0,
                                      [&](std::uint64_t, event_time, std::string_view) {
                                        ++events;
                                        return true;
                                      }));
  EXPECT_EQ(events, shop.events["tiny"].size());
  options.path = folder / "nowhere";
  EXPECT_EQ(history::open(options).error().code, errc::not_found);
}

void flip_bit(const std::string& path, std::uint64_t at, unsigned bit) {
  std::fstream file{path, std::ios::in | std::ios::out | std::ios::binary};
  file.seekg(static_cast<std::streamoff>(at));
  const char was = static_cast<char>(file.get());
  file.seekp(static_cast<std::streamoff>(at));
  file.put(static_cast<char>(was ^ (1 << bit)));
}

/// How many merchants can be read; the others must be named, and nobody is given wrong events.
std::size_t readable(sealing_shop& shop, const std::string& what) {
  std::size_t good = 0;
  for (const auto& [merchant, all] : shop.events) {
    std::size_t i = 0;
    const auto read = shop.history().for_each_event(
        sealing_shop::shard_of(merchant), merchant, 0,
        [&](std::uint64_t offset, event_time, std::string_view bytes) {
          EXPECT_LT(i, all.size()) << what;
          EXPECT_EQ(offset, all[i].offset) << what;
          EXPECT_EQ(bytes, all[i].bytes) << what;
          return ++i < all.size();
        });
    if (read) {
      EXPECT_EQ(i, all.size()) << what << " " << merchant;
      ++good;
      continue;
    }
    EXPECT_EQ(read.error().code, errc::corrupt_record) << what << " " << read.error().text();
    EXPECT_NE(read.error().detail.find(merchant), std::string::npos) << read.error().text();
  }
  return good;
}

TEST(history, a_flipped_bit_is_found_and_named_and_others_serve) {
  temp_folder folder;
  sealing_shop shop{folder.path().string()};
  std::vector<std::string> many;
  for (int i = 0; i < 12; ++i) many.push_back("merchant-" + std::to_string(i));
  append_random(shop, 3, 12'000, many, 500);  // some 1,000 each: a place of their own on disk
  shop.count();
  shop.open_history();
  auto sealer = shop.make_sealer();
  ASSERT_TRUE(*sealer.step(shop.log().last_round() + 1));
  shop.close_history();
  std::string table;
  for (const auto& f : std::filesystem::directory_iterator{shop.folder() + "/history"})
    if (f.path().extension() == ".sst" &&
        (table.empty() || f.file_size() > std::filesystem::file_size(table)))
      table = f.path().string();
  const auto bytes = std::filesystem::file_size(table);
  std::size_t found = 0;
  for (std::uint64_t i = 0; i < 40; ++i) {
    const auto at = bytes * i / 40;
    flip_bit(table, at, static_cast<unsigned>(i % 8));
    if (shop.try_open()) {
      const auto good = readable(shop, "byte " + std::to_string(at));
      // Small neighbours share a unit of 16 KiB on disk.
      EXPECT_GE(good, many.size() - 2);
      found += good < many.size() ? 1 : 0;
      shop.close_history();
    }
    flip_bit(table, at, static_cast<unsigned>(i % 8));
  }
  EXPECT_GT(found, 35u);
  shop.open_history();
  EXPECT_EQ(readable(shop, "whole"), many.size());
}

}  // namespace
}  // namespace tally::persistence

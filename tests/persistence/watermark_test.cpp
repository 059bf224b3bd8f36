#include "persistence/watermark.hpp"

#include <gtest/gtest.h>
#include <rocksdb/env.h>

#include <fstream>

#include "domain/bytes.hpp"
#include "persistence/rocks.hpp"
#include "tests/support/temp_folder.hpp"

namespace tally::persistence {
namespace {

struct watermark_test : ::testing::Test {
  testing::temp_folder folder;
  rocksdb::Env& env = *rocksdb::Env::Default();
  std::string directory = folder.path().string();

  void flip(std::streamoff at) {
    std::fstream file{folder / "WATERMARK", std::ios::in | std::ios::out | std::ios::binary};
    file.seekg(at);
    const auto c = static_cast<char>(file.get() ^ 0x10);
    file.seekp(at);
    file.put(c);
  }
};

TEST_F(watermark_test, is_not_found_where_there_is_none) {
  EXPECT_EQ(watermark_file::open(env, directory).error().code, errc::not_found);
}

TEST_F(watermark_test, gives_back_the_last_one_written) {
  ASSERT_TRUE(watermark_file::create(env, directory, {}));
  for (std::uint64_t round = 1; round <= 5; ++round) {
    const watermark w{round, round * 7, round % 2 == 0};
    auto file = watermark_file::open(env, directory);
    ASSERT_TRUE(file);
    ASSERT_TRUE((*file)->write(w));
    EXPECT_EQ((*watermark_file::open(env, directory))->newest(), w);
  }
}

TEST_F(watermark_test, falls_back_to_the_one_before_when_a_byte_of_the_newest_slot_flips) {
  for (std::streamoff at = 0; at < 4096; at += 63) {
    ASSERT_TRUE(watermark_file::create(env, directory, {}));
    auto file = std::move(*watermark_file::open(env, directory));
    ASSERT_TRUE(file->write({1, 11, false}));  // sequence 2: first slot
    ASSERT_TRUE(file->write({2, 22, false}));  // sequence 3: second slot
    flip(4096 + at);
    EXPECT_EQ((*watermark_file::open(env, directory))->newest().round, 1u) << at;
    flip(at);
    EXPECT_EQ(watermark_file::open(env, directory).error().code, errc::corrupt_record) << at;
  }
}

TEST_F(watermark_test, a_sequence_that_no_counting_reaches_is_damage) {
  std::string slot;
  byte_writer out{slot};
  out.raw("TALLYWM1");
  out.u32be(1);
  out.u64be(~std::uint64_t{0});
  out.u64be(9);
  out.u64be(0);
  out.u8(0);
  slot.resize(4092);
  const auto bytes = rocks::with_crc(slot);
  std::ofstream{folder / "WATERMARK", std::ios::binary} << bytes << bytes;
  EXPECT_EQ(watermark_file::open(env, directory).error().code, errc::corrupt_record);
}

TEST_F(watermark_test, survives_a_file_cut_after_the_first_slot) {
  ASSERT_TRUE(watermark_file::create(env, directory, {5, 55, false}));
  std::filesystem::resize_file(folder / "WATERMARK", 5000);
  EXPECT_EQ((*watermark_file::open(env, directory))->newest().round, 5u);
  std::filesystem::resize_file(folder / "WATERMARK", 4000);
  EXPECT_EQ(watermark_file::open(env, directory).error().code, errc::corrupt_record);
}

}  // namespace
}  // namespace tally::persistence

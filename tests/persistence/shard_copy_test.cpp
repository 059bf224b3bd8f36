#include "persistence/shard_copy.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "persistence/registry.hpp"
#include "tests/support/sealing_shop.hpp"
#include "tests/support/temp_folder.hpp"

namespace tally::persistence {
namespace {

using testing::append_random;
using testing::sealing_shop;
using testing::temp_folder;

const std::vector<std::string> shops{"shop-a", "shop-b", "shop-c", "tiny"};

/// A shop with some history, and the name of a copy of it.
class shard_copy_test : public ::testing::Test {
 protected:
  void fill(sealing_shop& shop, std::uint32_t seed, std::size_t count) {
    append_random(shop, seed, count, shops, 25);
    shop.count();
    shop.open_history();
    auto sealer = shop.make_sealer();
    while (*sealer.step(shop.log().last_round() + 1)) {
    }
  }
  /// Writes the shard of the merchant as pages of about so many bytes; gives how many there were.
  std::size_t write(sealing_shop& from, std::uint16_t shard, std::size_t page_bytes) {
    const auto picture =
        shard_picture::take(from.log(), from.state(), from.history(), shard, false);
    EXPECT_TRUE(picture) << picture.error().text();
    auto file = copy_file::create(path_);
    EXPECT_TRUE(file) << file.error().text();
    std::size_t pages = 0;
    for (copy_cursor at; at.part != copy_part::end; ++pages) {
      std::string page;
      EXPECT_TRUE(picture->read(at, page_bytes, page));
      if (!page.empty()) {
        EXPECT_TRUE(file->add(page));
      }
    }
    return pages;
  }
  /// What a store has of a merchant, rows and pages.
  static std::map<std::string, std::string> state_of(sealing_shop& shop, std::uint16_t shard) {
    std::map<std::string, std::string> all;
    const auto at = shop.state().look();
    for (const auto part :
         {state_part::totals, state_part::snapshot, state_part::ids, state_part::rejects})
      EXPECT_TRUE(shop.state().scan_raw(
          shard, part, {},
          [&](std::string_view key, std::string_view value) {
            all[std::to_string(static_cast<int>(part)) + std::string{key}] = value;
            return true;
          },
          at));
    return all;
  }

  temp_folder folder_;
  std::string path_ = folder_ / "copy";
};

TEST_F(shard_copy_test, brings_everything_of_a_shard_in_place_of_what_was_there) {
  sealing_shop from{folder_ / "from"}, to{folder_ / "to"};
  fill(from, 1, 600);
  fill(to, 2, 300);
  const auto shard = sealing_shop::shard_of("shop-a");
  const auto other = sealing_shop::shard_of("shop-b");
  ASSERT_NE(shard, other);
  const auto others = state_of(to, other);
  const auto whole = state_of(from, shard);
  ASSERT_FALSE(whole.empty());
  ASSERT_NE(state_of(to, shard), whole);
  EXPECT_GT(write(from, shard, 100), 10u);
  ASSERT_TRUE(install_history(to.history(), shard, path_));
  ASSERT_TRUE(install_state(to.state(), shard, path_));
  EXPECT_EQ(state_of(to, shard), whole);
  EXPECT_EQ(state_of(to, other), others);
  const auto expect_all = [&] {
    to.events["shop-a"] = from.events["shop-a"];
    to.expect_everything();
    const auto at = to.history().look(), there = from.history().look();
    EXPECT_EQ(history::sealed(at, shard), history::sealed(there, shard));
  };
  expect_all();
  const auto round = to.history().sealed_round();
  to.open_history();
  EXPECT_EQ(to.history().sealed_round(), round);
  expect_all();
}

TEST_F(shard_copy_test, of_nothing_removes_what_was_there) {
  sealing_shop shop{folder_ / "shop"};
  fill(shop, 1, 300);
  const auto shard = sealing_shop::shard_of("shop-a");
  ASSERT_TRUE(forget_shard(shop.history(), shop.state(), shard));
  EXPECT_TRUE(state_of(shop, shard).empty());
  EXPECT_EQ(history::sealed(shop.history().look(), shard), sealed_end{});
  EXPECT_TRUE(shop.history().list_merchants(shard, "", 10)->empty());
  shop.events.erase("shop-a");
  shop.expect_everything();
  shop.open_history();
  EXPECT_EQ(history::sealed(shop.history().look(), shard), sealed_end{});
  EXPECT_TRUE(shop.history().list_merchants(shard, "", 10)->empty());
}

TEST_F(shard_copy_test, tells_which_records_come_and_go) {
  sealing_shop from{folder_ / "from"}, to{folder_ / "to"};
  const auto shard = sealing_shop::shard_of("shop-a");
  const auto record_of = [](const std::string& name, const std::string& zone) {
    return to_record(merchant_record{name, zone, "EUR", 1});
  };
  ASSERT_TRUE(from.log().append({}, {record_of("shop-a", "UTC"), record_of("shop-b", "UTC")}));
  const auto gone = record{merchant_prefix("shop-a") + "x", "value"};
  ASSERT_TRUE(to.log().append({}, {gone, record_of("shop-b", "Asia/Tokyo")}));
  ASSERT_TRUE(from.log().put_meta({{"key/one", "1"}, {"replica/mine", "1"}}));
  ASSERT_TRUE(to.log().put_meta({{"key/two", "2"}, {"replica/mine", "2"}}));
  from.open_history();
  const auto picture = shard_picture::take(from.log(), from.state(), from.history(), shard, true);
  ASSERT_TRUE(picture);
  std::string page;
  copy_cursor at;
  ASSERT_TRUE(picture->read(at, 1 << 20, page));
  EXPECT_EQ(at.part, copy_part::end);
  ASSERT_TRUE(copy_file::create(path_)->add(page));
  const auto read = read_registry(to.log(), shard, true, path_);
  ASSERT_TRUE(read) << read.error().text();
  const auto as_map = [](const std::vector<record>& records) {
    std::map<std::string, std::string> all;
    for (const auto& r : records) all[r.key] = r.value;
    return all;
  };
  const auto kept = record_of("shop-a", "UTC");
  EXPECT_EQ(as_map(read->merchants),
            (std::map<std::string, std::string>{{gone.key, ""}, {kept.key, kept.value}}));
  EXPECT_EQ(as_map(read->platform),
            (std::map<std::string, std::string>{{"key/one", "1"}, {"key/two", ""}}));
}

TEST_F(shard_copy_test, is_refused_where_it_is_damaged_or_of_another_shard) {
  sealing_shop from{folder_ / "from"}, to{folder_ / "to"};
  fill(from, 1, 300);
  fill(to, 2, 300);
  const auto shard = sealing_shop::shard_of("shop-a");
  const auto before = state_of(to, shard);
  write(from, shard, 1 << 20);
  const auto wrong = sealing_shop::shard_of("shop-b");
  EXPECT_EQ(install_history(to.history(), wrong, path_).error().code, errc::corrupt_record);
  std::string bytes;
  {
    std::ifstream in{path_, std::ios::binary};
    bytes.assign(std::istreambuf_iterator<char>{in}, {});
  }
  for (const auto at : {std::size_t{5}, bytes.size() / 2, bytes.size() - 1}) {
    auto damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    std::ofstream{path_, std::ios::binary} << damaged;
    EXPECT_EQ(install_history(to.history(), shard, path_).error().code, errc::corrupt_record) << at;
  }
  std::ofstream{path_, std::ios::binary} << bytes.substr(0, bytes.size() - 3);
  EXPECT_EQ(install_history(to.history(), shard, path_).error().code, errc::corrupt_record);
  EXPECT_EQ(install_history(to.history(), shard, path_ + "-none").error().code, errc::io_error);
  EXPECT_EQ(state_of(to, shard), before);
  to.expect_everything();
}

}  // namespace
}  // namespace tally::persistence

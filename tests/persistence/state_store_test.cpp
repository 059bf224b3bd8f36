#include "persistence/state_store.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temp_folder.hpp"

namespace tally::persistence {
namespace {

using testing::copy_folder;
using testing::temp_folder;

bucket_time at_hour(std::int64_t n) {
  return bucket_time{std::chrono::hours{n}};
}

std::string counted(std::int64_t events) {
  name_row row;
  row.events = events;
  std::string bytes;
  byte_writer out{bytes};
  encode(out, row);
  return bytes;
}

std::int64_t events_in(std::string_view bytes) {
  byte_reader in{bytes};
  name_row row;
  decode(in, row);
  EXPECT_TRUE(in.ok());
  return row.events;
}

struct state_store_test : ::testing::Test {
  temp_folder folder;
  state_options options;
  std::unique_ptr<state_store> store;
  const state_owner shop{7, 1, "shop"};

  state_store_test() {
    options.path = folder / "state";
    options.memtable_bytes = 1 << 20;
    options.cache_bytes = 1 << 20;
    reopen();
  }
  void reopen() {
    store = nullptr;
    auto opened = state_store::open(options);
    ASSERT_TRUE(opened) << opened.error().text();
    store = std::move(*opened);
  }
  static row_address row(std::int64_t hour, std::string tag = "buy") {
    return {row_kind::name, granularity::hour, std::move(tag), at_hour(hour)};
  }
  void add(const state_owner& owner, const row_address& at, std::int64_t events) {
    state_store::batch b;
    b.add_row(owner, at, counted(events));
    ASSERT_TRUE(store->write(std::move(b)));
  }
  /// "hour:events" of all rows with the tag.
  std::string rows(const state_owner& owner, const std::string& tag = "buy",
                   const state_store::view_ptr& at = nullptr, std::int64_t from = -100,
                   std::int64_t to = 100) {
    std::string out;
    const auto s = store->scan_rows(
        owner, row(from, tag), at_hour(to), at, [&](bucket_time begin, std::string_view bytes) {
          out += std::to_string(to_s(begin) / 3600) + ":" + std::to_string(events_in(bytes)) + " ";
          return true;
        });
    EXPECT_TRUE(s) << s.error().text();
    return out;
  }
  std::string page(const state_owner& owner, std::uint8_t part, std::uint32_t number,
                   const state_store::view_ptr& at = nullptr) {
    const auto found = store->read_page(owner, part, number, at);
    return found ? *found : std::string{to_string(found.error().code)};
  }
  void put_page(const state_owner& owner, std::uint8_t part, std::uint32_t number,
                std::string_view bytes) {
    state_store::batch b;
    b.put_page(owner, part, number, bytes);
    ASSERT_TRUE(store->write(std::move(b)));
  }
};

TEST_F(state_store_test, adds_up_the_deltas_of_a_row_wherever_they_lie) {
  for (int round = 1; round <= 3; ++round) {
    for (int i = 0; i < 5; ++i) add(shop, row(3), 1);
    EXPECT_EQ(rows(shop), "3:" + std::to_string(5 * round) + " ");
    ASSERT_TRUE(store->flush());
    EXPECT_EQ(rows(shop), "3:" + std::to_string(5 * round) + " ");
  }
  add(shop, row(3), -15);
  reopen();
  EXPECT_EQ(rows(shop), "3:0 ");
}

TEST_F(state_store_test, gives_rows_in_order_of_time_within_the_asked_range) {
  for (const auto hour : {5, -2, 0, 9, -70}) add(shop, row(hour), 100 + hour);
  EXPECT_EQ(rows(shop), "-70:30 -2:98 0:100 5:105 9:109 ");
  EXPECT_EQ(rows(shop, "buy", nullptr, -2, 9), "-2:98 0:100 5:105 ");
}

TEST_F(state_store_test, keeps_owners_tags_and_widths_apart) {
  using namespace std::string_literals;
  const state_owner others[] = {{7, 2, "shop"}, {8, 1, "shop"}, {7, 1, "sho"}, {7, 1, "shopp"}};
  std::int64_t n = 1;
  for (const auto& o : others) add(o, row(1), n++);
  const std::string tags[] = {"", "\0"s, "\1"s, "\1\1"s, "\0\0"s, "a\0b"s, "a"};
  for (const auto& t : tags) add(shop, row(1, t), n++);
  n = 1;
  for (const auto& o : others) EXPECT_EQ(rows(o), "1:" + std::to_string(n++) + " ");
  for (const auto& t : tags) EXPECT_EQ(rows(shop, t), "1:" + std::to_string(n++) + " ");
  std::size_t all = 0;
  ASSERT_TRUE(store->scan_all_rows(shop, nullptr, [&](const row_address& at, std::string_view) {
    EXPECT_EQ(at.kind, row_kind::name);
    EXPECT_EQ(at.width, granularity::hour);
    EXPECT_EQ(at.begin, at_hour(1));
    EXPECT_NE(std::find(std::begin(tags), std::end(tags), at.tag), std::end(tags));
    return ++all > 0;
  }));
  EXPECT_EQ(all, std::size(tags));
}

TEST_F(state_store_test, drops_the_rows_before_an_instant_and_nothing_else) {
  for (const auto hour : {-5, 1, 2, 3}) add(shop, row(hour), 1);
  add(shop, row(1, "other"), 1);
  state_store::batch b;
  b.drop_rows(shop, row(2));
  ASSERT_TRUE(store->write(std::move(b)));
  EXPECT_EQ(rows(shop), "2:1 3:1 ");
  EXPECT_EQ(rows(shop, "other"), "1:1 ");
  add(shop, row(1), 4);
  EXPECT_EQ(rows(shop), "1:4 2:1 3:1 ");
}

TEST_F(state_store_test, reads_pages_and_tells_which_are_not_there) {
  put_page(shop, 0, 0, "head");
  put_page(shop, 1, 0, "");
  put_page(shop, 1, 300, "far");
  put_page(shop, 255, 2, "last");
  EXPECT_EQ(page(shop, 0, 0), "head");
  EXPECT_EQ(page(shop, 1, 0), "");
  EXPECT_EQ(page(shop, 1, 1), "not_found");
  std::string seen;
  for (const auto part : {std::uint8_t{1}, std::uint8_t{255}})
    ASSERT_TRUE(store->scan_pages(shop, part, [&](std::uint32_t number, std::string_view bytes) {
      seen += std::to_string(number) + "=" + std::string{bytes} + " ";
      return true;
    }));
  EXPECT_EQ(seen, "0= 300=far 2=last ");
  state_store::batch b;
  b.drop_page(shop, 1, 300);
  ASSERT_TRUE(store->write(std::move(b)));
  EXPECT_EQ(page(shop, 1, 300), "not_found");
}

TEST_F(state_store_test, a_view_stays_as_it_was_taken) {
  add(shop, row(1), 1);
  put_page(shop, 0, 0, "old");
  auto view = store->look();
  add(shop, row(1), 1);
  put_page(shop, 0, 0, "new");
  ASSERT_TRUE(store->flush());
  EXPECT_EQ(rows(shop, "buy", view), "1:1 ");
  EXPECT_EQ(page(shop, 0, 0, view), "old");
  EXPECT_EQ(rows(shop), "1:2 ");
  EXPECT_EQ(page(shop, 0, 0), "new");
}

TEST_F(state_store_test, gives_id_runs_by_slice_and_base) {
  state_store::batch b;
  for (const std::int64_t slice : {-3, 0, 4})
    for (const std::uint64_t base : {9u, 70u}) b.put_ids(shop, {1, 2, slice, base}, "x");
  b.put_ids(shop, {1, 3, 0, 1}, "wider");
  b.put_ids(shop, {1, 2, 4, ~0ull}, "last");
  ASSERT_TRUE(store->write(std::move(b)));
  std::string seen;
  const state_owner other_generation{shop.shard, 9, shop.merchant};
  ASSERT_TRUE(store->scan_ids(
      other_generation, {1, 2, 0, 0}, 4, [&](const id_run_address& at, std::string_view) {
        seen += std::to_string(at.slice) + "/" + std::to_string(at.base) + " ";
        return true;
      }));
  EXPECT_EQ(seen, "0/9 0/70 4/9 4/70 4/18446744073709551615 ");
}

TEST_F(state_store_test, gives_rejects_from_an_offset_on) {
  state_store::batch b;
  for (const std::uint64_t offset : {5u, 6u, 300u}) b.put_reject(shop, offset, "why");
  b.drop_reject(shop, 6);
  ASSERT_TRUE(store->write(std::move(b)));
  std::vector<std::uint64_t> seen;
  ASSERT_TRUE(store->scan_rejects(shop, 5, [&](std::uint64_t offset, std::string_view bytes) {
    EXPECT_EQ(bytes, "why");
    seen.push_back(offset);
    return true;
  }));
  EXPECT_EQ(seen, (std::vector<std::uint64_t>{5, 300}));
}

TEST_F(state_store_test, drops_an_owner_and_its_ids_only_when_told) {
  const state_owner neighbour{7, 1, "shop2"};
  for (const auto& o : {shop, neighbour}) {
    state_store::batch b;
    b.add_row(o, row(1), counted(1));
    b.put_page(o, 0, 0, "head");
    b.put_ids(o, {}, "ids");
    b.put_reject(o, 1, "why");
    ASSERT_TRUE(store->write(std::move(b)));
  }
  const auto count_ids = [&](const state_owner& o) {
    int n = 0;
    EXPECT_TRUE(store->scan_ids(o, {}, 0, [&](const auto&, std::string_view) { return ++n > 0; }));
    return n;
  };
  state_store::batch first;
  first.drop_owner(shop, false);
  ASSERT_TRUE(store->write(std::move(first)));
  EXPECT_EQ(rows(shop), "");
  EXPECT_EQ(page(shop, 0, 0), "not_found");
  EXPECT_EQ(count_ids(shop), 1);
  state_store::batch second;
  second.drop_owner(shop, true);
  second.put_page(shop, 0, 0, "again");  // operations count in their order
  ASSERT_TRUE(store->write(std::move(second)));
  EXPECT_EQ(count_ids(shop), 0);
  EXPECT_EQ(page(shop, 0, 0), "again");
  EXPECT_EQ(rows(neighbour), "1:1 ");
  EXPECT_EQ(count_ids(neighbour), 1);
}

TEST_F(state_store_test, lists_owners_with_a_head_page_by_pages_of_the_list) {
  for (int i = 0; i < 30; ++i) {
    const state_owner o{7, 1, "m" + std::to_string(100 + i)};
    for (std::uint32_t p = i % 3 == 0 ? 1 : 0; p < static_cast<std::uint32_t>(i); ++p)
      put_page(o, 0, p, "x");
  }
  put_page({7, 2, "m100"}, 0, 0, "x");
  put_page({8, 1, "m100"}, 0, 0, "x");
  std::vector<std::string> seen;
  for (std::string after;;) {
    const auto some = store->list_owners(7, 1, after, 7);
    ASSERT_TRUE(some);
    if (some->empty()) break;
    for (const auto& o : *some) seen.push_back(o.merchant);
    after = seen.back();
  }
  std::vector<std::string> expected;
  for (int i = 1; i < 30; ++i)
    if (i % 3 != 0) expected.push_back("m" + std::to_string(100 + i));
  EXPECT_EQ(seen, expected);
}

TEST_F(state_store_test, what_was_flushed_survives_a_kill_and_what_was_not_is_gone_as_a_whole) {
  const auto original = options.path;
  for (int i = 1; i <= 5; ++i) {
    state_store::batch b;
    b.add_row(shop, row(1), counted(1));
    b.put_page(shop, 0, 0, std::to_string(i));
    b.put_ids(shop, {0, 0, 0, static_cast<std::uint64_t>(i)}, "run");
    ASSERT_TRUE(store->write(std::move(b)));
    if (i == 3) {
      ASSERT_TRUE(store->flush());
    }
  }
  copy_folder(original, folder / "copy");
  options.path = folder / "copy";
  reopen();
  EXPECT_EQ(rows(shop), "1:3 ");
  EXPECT_EQ(page(shop, 0, 0), "3");
}

TEST_F(state_store_test, a_damaged_row_is_named_and_its_neighbours_stay_readable) {
  add(shop, row(1), 1);
  const state_owner bad{7, 1, "bad"};
  state_store::batch b;
  b.add_row(bad, row(1), "no row at all");
  b.add_row(bad, row(1), counted(1));
  ASSERT_TRUE(store->write(std::move(b)));
  for (int flushed = 0; flushed < 2; ++flushed) {
    const auto s = store->scan_rows(bad, row(0), at_hour(9), nullptr,
                                    [](bucket_time, std::string_view) { return true; });
    ASSERT_FALSE(s);
    EXPECT_EQ(s.error().code, errc::corrupt_record);
    EXPECT_NE(s.error().detail.find("merchant bad"), std::string::npos) << s.error().detail;
    EXPECT_EQ(rows(shop), "1:1 ");
    ASSERT_TRUE(store->flush());
  }
  add(bad, row(1), 1);
  EXPECT_FALSE(store->scan_all_rows(bad, nullptr, [](const auto&, auto) { return true; }));
  state_store::batch again;
  again.drop_owner(bad, false);
  again.add_row(bad, row(1), counted(2));
  ASSERT_TRUE(store->write(std::move(again)));
  EXPECT_EQ(rows(bad), "1:2 ");
}

TEST_F(state_store_test, reading_only_sees_what_is_on_disk_and_creates_nothing) {
  add(shop, row(1), 1);
  store = nullptr;
  options.read_only = true;
  reopen();
  EXPECT_EQ(rows(shop), "1:1 ");
  options.path = folder / "nowhere";
  EXPECT_EQ(state_store::open(options).error().code, errc::not_found);
  EXPECT_FALSE(std::filesystem::exists(options.path));
}

TEST_F(state_store_test, a_checkpoint_opens_as_a_store_of_its_own) {
  add(shop, row(1), 1);
  ASSERT_TRUE(store->checkpoint(folder / "checkpoint"));
  add(shop, row(1), 1);
  options.path = folder / "checkpoint";
  reopen();
  EXPECT_EQ(rows(shop), "1:1 ");
}

}  // namespace
}  // namespace tally::persistence

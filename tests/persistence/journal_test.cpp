#include "persistence/journal.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "persistence/log_filter.hpp"
#include "tests/support/fault_env.hpp"
#include "tests/support/journal_load.hpp"
#include "tests/support/temp_folder.hpp"

namespace tally::persistence {
namespace {

using std::chrono::milliseconds;
using testing::copy_folder;
using testing::round_maker;
using testing::temp_folder;

struct journal_test : ::testing::Test {
  temp_folder folder;
  round_maker rounds;
  journal_options options;

  journal_test() {
    options.path = folder / "journal";
    options.reserve_bytes = 0;
    options.watermark_interval = milliseconds{0};
  }
  std::unique_ptr<journal> open() {
    auto opened = journal::open(options);
    EXPECT_TRUE(opened) << opened.error().text();
    return opened ? std::move(*opened) : nullptr;
  }
  errc refusal() {
    auto opened = journal::open(options);
    EXPECT_FALSE(opened);
    return opened ? errc{} : opened.error().code;
  }
  void append(journal& j, int count, std::size_t event_bytes = 20) {
    for (int i = 0; i < count; ++i) {
      const auto before = j.last_round();
      const auto shard = static_cast<std::uint16_t>(before % shard_count);
      const auto done = j.append(rounds.next({shard, 255}, event_bytes), {});
      ASSERT_TRUE(done) << done.error().text();
      ASSERT_EQ(*done, before + 1);
    }
  }
  /// Counts the rounds of a scan and checks that they follow one another.
  static round_number scanned(const journal& j) {
    round_number last = 0;
    std::vector<shard_end> ends(shard_count);
    const auto s = j.scan(1, ~round_number{0}, [&](round_number r, const auto& entries) {
      EXPECT_EQ(r, last + 1);
      for (const auto& e : entries) {
        auto& end = ends[e.header.shard];
        EXPECT_EQ(e.header.base, end.next_offset);
        EXPECT_EQ(e.header.chain, next_chain(end.chain, e.header));
        end.next_offset += e.header.count;
        end.chain = e.header.chain;
      }
      last = r;
      return true;
    });
    EXPECT_TRUE(s) << s.error().text();
    return last;
  }
  void expect_ends(const journal& j) {
    ASSERT_EQ(j.ends().size(), shard_count);
    for (std::size_t i = 0; i < shard_count; ++i) {
      EXPECT_EQ(j.ends()[i].next_offset, rounds.ends()[i].next_offset) << i;
      EXPECT_EQ(j.ends()[i].chain, rounds.ends()[i].chain) << i;
      EXPECT_EQ(j.ends()[i].epoch, rounds.ends()[i].epoch) << i;
      EXPECT_EQ(j.ends()[i].stamped_at_ms, rounds.ends()[i].stamped_at_ms) << i;
    }
  }
  std::vector<std::string> files(const std::string& suffix) const {
    std::vector<std::string> found;
    for (const auto& f : std::filesystem::directory_iterator{options.path})
      if (f.path().string().ends_with(suffix)) found.push_back(f.path().string());
    std::sort(found.begin(), found.end());
    return found;
  }
};

TEST_F(journal_test, a_new_one_is_empty_and_has_an_identity_that_stays) {
  auto j = open();
  EXPECT_EQ(j->last_round(), 0u);
  EXPECT_EQ(j->first_round(), 0u);
  EXPECT_EQ(j->ends().size(), shard_count);
  EXPECT_EQ(j->identity().size(), 36u);
  EXPECT_EQ(scanned(*j), 0u);
  const auto identity = j->identity();
  ASSERT_TRUE(j->close());
  j = nullptr;
  EXPECT_EQ(open()->identity(), identity);
}

TEST_F(journal_test, gives_back_the_rounds_that_were_appended) {
  auto j = open();
  const auto chunks = rounds.next({7, 9});
  ASSERT_EQ(*j->append(chunks, {}), 1u);
  EXPECT_EQ(*j->read_round(1), encode_round(chunks));
  EXPECT_EQ(j->read_round(2).error().code, errc::not_found);
  int seen = 0;
  ASSERT_TRUE(j->scan(1, 1, [&](round_number r, const std::vector<round_entry>& entries) {
    EXPECT_EQ(r, 1u);
    EXPECT_EQ(entries.size(), 2u);
    EXPECT_EQ(entries[1].payload, chunks[1]->payload);
    return ++seen > 0;
  }));
  EXPECT_EQ(seen, 1);
}

TEST_F(journal_test, goes_on_where_it_was_closed) {
  for (int i = 1; i <= 4; ++i) {
    auto j = open();
    expect_ends(*j);
    append(*j, 10);
    EXPECT_EQ(scanned(*j), static_cast<round_number>(10 * i));
    ASSERT_TRUE(j->close());
  }
}

TEST_F(journal_test, keeps_every_acknowledged_round_when_it_is_killed) {
  auto j = open();
  const auto original = options.path;
  for (int i = 1; i <= 5; ++i) {
    append(*j, 3);
    options.path = folder / "copy";
    copy_folder(original, options.path);
    auto copy = open();
    expect_ends(*copy);
    EXPECT_EQ(scanned(*copy), static_cast<round_number>(3 * i));
  }
}

TEST_F(journal_test, begins_segments_and_reads_across_them) {
  options.segment_bytes = 4'000;
  auto j = open();
  append(*j, 60, 300);
  EXPECT_EQ(scanned(*j), 60u);
  EXPECT_GT(j->log_bytes(), 60u * 4 * 300);
  ASSERT_TRUE(j->close());
  j = nullptr;
  j = open();
  expect_ends(*j);
  EXPECT_EQ(j->first_round(), 1u);
  append(*j, 20, 300);
  EXPECT_EQ(scanned(*j), 80u);
  std::vector<round_number> some;
  ASSERT_TRUE(j->scan(38, 41, [&](round_number r, const auto&) {
    some.push_back(r);
    return true;
  }));
  EXPECT_EQ(some, (std::vector<round_number>{38, 39, 40, 41}));
  EXPECT_TRUE(j->read_round(1));
  EXPECT_TRUE(j->read_round(80));
}

TEST_F(journal_test, finds_the_ends_without_reading_everything) {
  testing::fault_env quick;  // does not wait for the disk
  options.env = quick.get();
  auto j = open();
  for (int i = 0; i < 9'000; ++i) ASSERT_TRUE(j->append(rounds.next({3}), {}));
  j = nullptr;
  expect_ends(*open());
}

TEST_F(journal_test, writes_merchants_in_the_same_batch_and_lists_them) {
  auto j = open();
  ASSERT_TRUE(j->append(rounds.next({1}), {{"m/a", "1"}, {"m/b", "2"}, {"n/a", "3"}}));
  ASSERT_TRUE(j->append({}, {{"m/c", "4"}}));
  EXPECT_EQ(*j->get_merchant("m/b"), "2");
  EXPECT_EQ(j->get_merchant("m/x").error().code, errc::not_found);
  const auto keys = [&](std::string_view prefix, std::string_view after, std::size_t limit) {
    std::string all;
    const auto found = j->list_merchants(prefix, after, limit);
    for (const auto& r : *found) all += r.key + " ";
    return all;
  };
  EXPECT_EQ(keys("", "", 10), "m/a m/b m/c n/a ");
  EXPECT_EQ(keys("m/", "", 10), "m/a m/b m/c ");
  EXPECT_EQ(keys("m/", "m/a", 1), "m/b ");
  EXPECT_EQ(keys("m/", "m/c", 10), "");
  EXPECT_EQ(keys("n", "m/c", 10), "n/a ");
}

TEST_F(journal_test, meta_can_be_written_listed_and_deleted) {
  auto j = open();
  ASSERT_TRUE(j->put_meta({{"key/1", "a"}, {"key/2", "b"}, {"other", "c"}}));
  ASSERT_TRUE(j->put_meta({{"key/1", ""}}));
  j = nullptr;
  j = open();
  EXPECT_EQ(j->get_meta("key/1").error().code, errc::not_found);
  EXPECT_EQ(*j->get_meta("key/2"), "b");
  EXPECT_EQ(j->list_meta("key/")->size(), 1u);
  EXPECT_EQ(j->list_meta("")->size(), 2u);
}

TEST_F(journal_test, a_second_holder_is_refused_and_a_reader_is_not) {
  auto j = open();
  append(*j, 5);
  EXPECT_EQ(refusal(), errc::locked);
  options.read_only = true;
  auto reader = open();
  EXPECT_EQ(scanned(*reader), 5u);
  EXPECT_EQ(reader->identity(), j->identity());
  reader = nullptr;
  append(*j, 1);
}

TEST_F(journal_test, reading_only_changes_no_file) {
  append(*open(), 5);
  const auto picture = [&] {
    std::vector<std::pair<std::string, std::filesystem::file_time_type>> all;
    for (const auto& f : std::filesystem::directory_iterator{options.path})
      all.emplace_back(f.path().string(), f.last_write_time());
    std::sort(all.begin(), all.end());
    return all;
  };
  const auto before = picture();
  options.read_only = true;
  EXPECT_EQ(scanned(*open()), 5u);
  EXPECT_EQ(picture(), before);
}

TEST_F(journal_test, reading_only_what_is_not_there_creates_nothing) {
  options.read_only = true;
  EXPECT_EQ(refusal(), errc::not_found);
  EXPECT_FALSE(std::filesystem::exists(options.path));
}

TEST_F(journal_test, refuses_to_append_below_the_reserve_and_goes_on_when_space_returns) {
  append(*open(), 1);
  options.reserve_bytes = ~std::uint64_t{0};
  {
    auto j = open();
    EXPECT_EQ(j->append({}, {}).error().code, errc::disk_full);
    EXPECT_EQ(j->put_meta({{"a", "b"}}).error().code, errc::disk_full);
    EXPECT_EQ(j->broken(), "");
  }
  options.reserve_bytes = 0;
  auto j = open();
  append(*j, 1);
  EXPECT_EQ(scanned(*j), 2u);
}

TEST_F(journal_test, a_deleted_wal_is_noticed) {
  append(*open(), 20);
  for (const auto& f : files(".log")) std::filesystem::remove(f);
  EXPECT_EQ(refusal(), errc::lossy_recovery);
  options.read_only = true;
  EXPECT_EQ(refusal(), errc::lossy_recovery);
}

TEST_F(journal_test, a_deleted_wal_that_held_only_meta_is_noticed) {
  ASSERT_TRUE(open()->put_meta({{"a", "b"}}));
  for (const auto& f : files(".log")) std::filesystem::remove(f);
  EXPECT_EQ(refusal(), errc::lossy_recovery);
}

TEST_F(journal_test, a_wal_cut_at_any_place_is_noticed) {
  append(*open(), 20);
  const auto original = options.path;
  const auto wal = files(".log").back();
  const auto size = std::filesystem::file_size(wal);
  for (std::uintmax_t keep = 0; keep < size; keep += 161) {
    options.path = folder / "copy";
    copy_folder(original, options.path);
    const auto copied = options.path + wal.substr(wal.rfind('/'));
    std::filesystem::resize_file(copied, keep);
    EXPECT_EQ(refusal(), errc::lossy_recovery) << keep << " of " << size;
  }
}

TEST_F(journal_test, a_missing_watermark_or_database_is_noticed) {
  append(*open(), 5);
  std::filesystem::rename(options.path + "/WATERMARK", folder / "aside");
  EXPECT_EQ(refusal(), errc::lossy_recovery);
  for (const auto& f : std::filesystem::directory_iterator{options.path})
    std::filesystem::remove(f);
  std::filesystem::rename(folder / "aside", options.path + "/WATERMARK");
  EXPECT_EQ(refusal(), errc::lossy_recovery);
}

TEST_F(journal_test, another_journal_with_as_many_rounds_is_noticed) {
  append(*open(), 5);
  const auto watermark = options.path + "/WATERMARK";
  options.path = folder / "other";
  rounds = round_maker{};
  append(*open(), 6, 50);
  std::filesystem::copy_file(watermark, options.path + "/WATERMARK",
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(refusal(), errc::lossy_recovery);
}

TEST_F(journal_test, the_watermark_follows_by_itself_within_its_interval) {
  options.watermark_interval = milliseconds{1};
  auto j = open();
  append(*j, 20);
  const auto original = options.path;
  options.path = folder / "copy";
  // Waits for what must come: without the thread this would never end.
  for (errc seen{}; seen != errc::lossy_recovery;) {
    copy_folder(original, options.path);
    for (const auto& f : files(".log")) std::filesystem::remove(f);
    auto opened = journal::open(options);
    if (!opened) seen = opened.error().code;
  }
}

TEST_F(journal_test, a_checkpoint_opens_as_a_journal_of_its_own) {
  options.segment_bytes = 4'000;
  auto j = open();
  append(*j, 30, 200);
  ASSERT_TRUE(j->checkpoint(folder / "checkpoint"));
  append(*j, 5);
  EXPECT_FALSE(j->checkpoint(folder / "checkpoint"));
  options.path = folder / "checkpoint";
  auto copy = open();
  EXPECT_EQ(scanned(*copy), 30u);
  EXPECT_EQ(copy->identity(), j->identity());
}

}  // namespace
/// Rounds 1..n with a chunk of two events of shard 7 each, behind `end`.
std::vector<shard_end> append_to_seven(journal& j, shard_end end, int n, char letter) {
  std::vector<shard_end> ends;
  for (int i = 0; i < n; ++i) {
    auto c = std::make_shared<chunk>();
    for (int k = 0; k < 2; ++k) byte_writer{c->payload}.text(std::string(9, letter));
    c->header.shard = 7;
    c->header.epoch = end.epoch;
    c->header.base = end.next_offset;
    c->header.count = 2;
    seal(*c, end.chain);
    EXPECT_TRUE(j.append({c}, {}));
    end = {end.next_offset + 2, c->header.chain, end.epoch, 0};
    ends.push_back(end);
  }
  return ends;
}

/// The offsets and the first letters of what a scan shows of shard 7.
std::string shown(const journal& j, bool all = false) {
  std::string text;
  const auto add = [&](round_number, const std::vector<round_entry>& entries) {
    for (const auto& e : entries) text += std::to_string(e.header.base) + e.payload[1] + ' ';
    return true;
  };
  EXPECT_TRUE(all ? j.scan_all(1, ~round_number{0}, add) : j.scan(1, ~round_number{0}, add));
  return text;
}

TEST_F(journal_test, forgets_what_was_taken_back_and_goes_on_before_it) {
  auto j = open();
  const auto old = append_to_seven(*j, {}, 4, 'a');
  auto next = old[1];
  next.epoch = 2;
  round_content content;
  content.cuts.push_back({7, next});
  content.meta.push_back({"replica/7", "x"});
  ASSERT_TRUE(j->append(content));
  append_to_seven(*j, next, 2, 'b');
  const std::string wanted = "1a 3a 5b 7b ";
  EXPECT_EQ(shown(*j), wanted);
  EXPECT_TRUE(j->read_entries(3)->entries.empty());
  EXPECT_EQ(j->read_entries(6)->entries.size(), 1u);
  j = nullptr;
  j = open();
  EXPECT_EQ(shown(*j), wanted);
  EXPECT_EQ(j->ends()[7].next_offset, 9u);
  EXPECT_EQ(j->ends()[7].epoch, 2u);
  EXPECT_EQ(*j->get_meta("replica/7"), "x");
}

TEST_F(journal_test, takes_back_again_what_came_after_a_cut) {
  auto j = open();
  const auto first = append_to_seven(*j, {}, 1, 'a').back();
  append_to_seven(*j, first, 1, 'b');
  round_content cut;
  cut.cuts.push_back({7, first});
  ASSERT_TRUE(j->append(cut));
  append_to_seven(*j, first, 2, 'c');
  ASSERT_TRUE(j->append(cut));
  append_to_seven(*j, first, 1, 'd');
  EXPECT_EQ(shown(*j), "1a 3d ");
  j = nullptr;
  EXPECT_EQ(shown(*open()), "1a 3d ");
}

TEST_F(journal_test, takes_back_all_of_a_shard_and_goes_on_elsewhere) {
  auto j = open();
  append_to_seven(*j, {}, 3, 'a');
  round_content content;
  content.cuts.push_back({7, {}, true});
  ASSERT_TRUE(j->append(content));
  EXPECT_EQ(shown(*j), "");
  const shard_end far{101, 77, 5, 1'000};
  content.cuts = {{7, far, true}};
  ASSERT_TRUE(j->append(content));
  EXPECT_EQ(append_to_seven(*j, far, 2, 'b').size(), 2u);
  EXPECT_EQ(shown(*j), "101b 103b ");
  j = nullptr;
  j = open();
  EXPECT_EQ(shown(*j), "101b 103b ");
  EXPECT_EQ(j->ends()[7].next_offset, 105u);
}

TEST_F(journal_test, shows_only_what_is_known_to_be_kept) {
  auto j = open();
  append_to_seven(*j, {}, 3, 'a');
  j->show_up_to(7, 3);
  EXPECT_EQ(shown(*j), "1a ") << "an offset inside of a chunk shows nothing of it";
  j->show_up_to(7, 4);
  EXPECT_EQ(shown(*j), "1a 3a ");
  EXPECT_EQ(shown(*j, true), "1a 3a 5a ");
  EXPECT_TRUE(j->read_entries(3)->entries.empty());
}

TEST_F(journal_test, refuses_a_cut_that_is_damaged) {
  {
    auto j = open();
    const auto end = append_to_seven(*j, {}, 2, 'a').front();
    round_content cut;
    cut.cuts.push_back({7, end});
    ASSERT_TRUE(j->append(cut));
  }
  log_filter filter;
  auto bytes = log_filter::encode({7, {}});
  EXPECT_TRUE(filter.load(log_filter::key(1, 7), bytes));
  bytes[3] = static_cast<char>(bytes[3] ^ 1);
  EXPECT_EQ(filter.load(log_filter::key(1, 7), bytes).error().code, errc::corrupt_record);
}

}  // namespace tally::persistence

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>

#include "persistence/journal.hpp"
#include "persistence/state_store.hpp"
#include "tests/support/fault_env.hpp"
#include "tests/support/journal_load.hpp"
#include "tests/support/temp_folder.hpp"

/// Flipped bits in every kind of file: refused and named, or without effect, never a silent loss.
namespace tally::persistence {
namespace {

using testing::copy_folder;
using testing::fault_env;
using testing::round_maker;
using testing::temp_folder;

constexpr round_number rounds_written = 30;
constexpr std::size_t flips_per_file = 60;

/// WAL, SST, MANIFEST, ...: what a file of a database is.
std::string kind_of(const std::filesystem::path& file) {
  const auto name = file.filename().string();
  if (name.starts_with("MANIFEST")) return "MANIFEST";
  if (name.starts_with("OPTIONS")) return "OPTIONS";
  if (file.extension() == ".log" || file.extension() == ".sst") return file.extension();
  return name;
}

void flip_bit(const std::string& path, std::uint64_t at, unsigned bit) {
  std::fstream file{path, std::ios::in | std::ios::out | std::ios::binary};
  file.seekg(static_cast<std::streamoff>(at));
  const auto c = static_cast<char>(file.get() ^ (1 << bit));
  file.seekp(static_cast<std::streamoff>(at));
  file.put(c);
}

/// Calls f(what, path of a damaged copy) for bits spread over each file of the folder.
void for_each_flip(const std::string& original, const std::string& copy,
                   const std::function<void(const std::string&)>& f) {
  std::map<std::string, int> flipped;
  for (const auto& entry : std::filesystem::directory_iterator{original}) {
    const auto size = entry.file_size();
    const auto kind = kind_of(entry.path());
    if (size == 0 || kind.starts_with("LOG")) continue;
    const auto step = std::max<std::uintmax_t>(1, size / flips_per_file);
    for (std::uintmax_t at = 0; at < size; at += step) {
      const auto bit = static_cast<unsigned>(at / step + at) % 8;
      copy_folder(original, copy);
      flip_bit(copy + "/" + entry.path().filename().string(), at, bit);
      ++flipped[kind];
      f(entry.path().filename().string() + " byte " + std::to_string(at) + " bit " +
        std::to_string(bit));
      if (::testing::Test::HasFailure()) return;  // the first one tells enough
    }
  }
  for (const auto* kind : {".sst", "MANIFEST", "CURRENT"}) EXPECT_GT(flipped[kind], 5) << kind;
}

struct damaged_journal : ::testing::Test {
  temp_folder folder;
  fault_env env;  // without faults and without waiting for the disk
  std::vector<std::string> written;
  journal_options options;

  damaged_journal() {
    options.segment_bytes = 1'200;
    options.reserve_bytes = 0;
    options.watermark_interval = std::chrono::milliseconds{0};
    options.env = env.get();
    options.path = folder / "journal";
  }
  void write(bool close) {
    round_maker maker;
    auto j = std::move(*journal::open(options));
    for (round_number r = 1; r <= rounds_written; ++r) {
      const auto key = "m" + std::to_string(r), value = std::to_string(r);
      std::vector<chunk_ptr> chunks;
      if (r % 5 == 0) {
        ASSERT_TRUE(j->put_meta({{key, value}}));
      } else {
        chunks = maker.next({static_cast<std::uint16_t>(r % 2), 3}, 40);
        ASSERT_TRUE(j->append(chunks, {{key, value}}));
      }
      written.push_back(encode_round(chunks));
      // A checkpoint writes all tables out, so that the log lies in files and in the WAL.
      if (r == 20) {
        ASSERT_TRUE(j->checkpoint(folder / "aside"));
      }
    }
    if (close) {
      ASSERT_TRUE(j->close());
    } else {
      copy_folder(options.path, folder / "killed");
      options.path = folder / "killed";
    }
  }
  /// Whatever was acknowledged is there or its loss is reported.
  void expect_no_silent_loss(const std::string& what) {
    auto opened = journal::open(options);
    if (!opened) {
      EXPECT_NE(opened.error().detail, "") << what;
      return;
    }
    round_number seen = 0;
    const auto s = (*opened)->scan(1, ~round_number{0}, [&](round_number r, const auto&) {
      EXPECT_EQ(r, ++seen) << what;
      const auto bytes = (*opened)->read_round(r);
      EXPECT_TRUE(bytes && *bytes == written[r - 1]) << what;
      return true;
    });
    if (!s) {
      EXPECT_EQ(s.error().code, errc::corrupt_record) << what;
      EXPECT_NE(s.error().detail.find("log.0000"), std::string::npos) << s.error().detail;
      return;
    }
    ASSERT_EQ(seen, rounds_written) << what;
    for (round_number r = 1; r <= rounds_written; ++r) {
      const auto key = "m" + std::to_string(r);
      const auto beside = r % 5 == 0 ? (*opened)->get_meta(key) : (*opened)->get_merchant(key);
      if (beside)
        EXPECT_EQ(*beside, std::to_string(r)) << what;
      else
        ASSERT_EQ(beside.error().code, errc::corrupt_record) << what << " beside round " << r;
    }
  }
};

TEST_F(damaged_journal, after_closing_never_loses_silently) {
  ASSERT_NO_FATAL_FAILURE(write(true));
  const auto original = options.path;
  options.path = folder / "copy";
  for_each_flip(original, options.path,
                [&](const std::string& what) { expect_no_silent_loss(what); });
}

TEST_F(damaged_journal, after_a_kill_never_loses_silently) {
  ASSERT_NO_FATAL_FAILURE(write(false));
  const auto original = options.path;
  options.path = folder / "copy";
  for_each_flip(original, options.path,
                [&](const std::string& what) { expect_no_silent_loss(what); });
}

TEST_F(damaged_journal, a_bit_in_an_old_table_is_named_with_its_round_and_the_rest_is_read) {
  ASSERT_NO_FATAL_FAILURE(write(true));
  std::string table;
  for (const auto& f : std::filesystem::directory_iterator{options.path})
    if (f.path().extension() == ".sst" && (table.empty() || f.path().string() < table))
      table = f.path().string();
  flip_bit(table, 40, 3);
  auto opened = journal::open(options);
  ASSERT_TRUE(opened) << opened.error().text();
  round_number last = 0;
  for (round_number r = 1; r <= rounds_written; ++r) {
    const auto bytes = (*opened)->read_round(r);
    if (bytes)
      last = r;
    else
      EXPECT_EQ(bytes.error().code, errc::corrupt_record);
  }
  EXPECT_EQ(last, rounds_written);
}

std::string counted(std::int64_t events) {
  name_row row;
  row.events = events;
  std::string bytes;
  byte_writer out{bytes};
  encode(out, row);
  return bytes;
}

const row_address one_row{row_kind::name, granularity::day, "buy", bucket_time{}};
constexpr int owners = 20;

state_owner owner_number(int i) {
  return {1, 1, "merchant" + std::to_string(i)};
}

/// Adds one to the row of every owner and says so in its head page.
status write_step(state_store& store, int step) {
  for (int i = 0; i < owners; ++i) {
    state_store::batch b;
    b.add_row(owner_number(i), one_row, counted(1));
    b.put_page(owner_number(i), 0, 0, std::to_string(step));
    if (auto s = store.write(std::move(b)); !s) return s;
  }
  return done{};
}

/// The step an owner is at; nothing where its data is reported as damaged. Row and page agree.
std::optional<int> step_of(const state_store& store, const state_owner& owner,
                           const std::string& what) {
  const auto page = store.read_page(owner, 0, 0);
  std::int64_t events = 0;
  const auto s = store.scan_all_rows(owner, nullptr, [&](const auto&, std::string_view bytes) {
    byte_reader in{bytes};
    name_row row;
    decode(in, row);
    events += row.events;
    return true;
  });
  if (!s || (!page && page.error().code != errc::not_found)) {
    const auto& why = s ? page.error() : s.error();
    EXPECT_EQ(why.code, errc::corrupt_record) << what << " " << why.text();
    EXPECT_NE(why.detail.find(owner.merchant), std::string::npos) << why.detail;
    return std::nullopt;
  }
  EXPECT_EQ(page ? std::stoi(*page) : 0, events) << what << " " << owner.merchant;
  return static_cast<int>(events);
}

state_options state_in(const std::string& path, rocksdb::Env* env) {
  state_options o;
  o.path = path;
  o.cache_bytes = o.memtable_bytes = 1 << 20;
  o.env = env;
  return o;
}

TEST(damaged_state, is_refused_or_named_by_merchant_or_as_it_was_at_a_flush) {
  temp_folder folder;
  fault_env env;
  {
    auto store = std::move(*state_store::open(state_in(folder / "state", env.get())));
    for (int step = 1; step <= 3; ++step) {
      ASSERT_TRUE(write_step(*store, step));
      ASSERT_TRUE(store->flush());
    }
  }
  int named = 0, refused = 0;
  for_each_flip(folder / "state", folder / "copy", [&](const std::string& what) {
    auto opened = state_store::open(state_in(folder / "copy", env.get()));
    if (!opened) {
      ++refused;
      return;
    }
    for (int i = 0; i < owners; ++i) named += step_of(**opened, owner_number(i), what) ? 0 : 1;
  });
  EXPECT_GT(named, 0);
  EXPECT_GT(refused, 0);
}

TEST(damaged_state, a_compaction_that_meets_it_does_not_end_the_writing) {
  temp_folder folder;
  fault_env env;
  const auto path = folder / "state";
  auto store = std::move(*state_store::open(state_in(path, env.get())));
  ASSERT_TRUE(write_step(*store, 1));
  ASSERT_TRUE(store->flush());
  store = nullptr;
  for (const auto& f : std::filesystem::directory_iterator{path})
    if (f.path().extension() == ".sst") {
      flip_bit(f.path().string(), 20, 1);
      // The table with the format version is not the one meant.
      if (!state_store::open(state_in(path, env.get()))) flip_bit(f.path().string(), 20, 1);
    }
  ASSERT_FALSE(step_of(*std::move(*state_store::open(state_in(path, env.get()))), owner_number(0),
                       "before"));
  store = std::move(*state_store::open(state_in(path, env.get())));
  for (int step = 2; step <= 12; ++step) {  // more files than are left alone
    ASSERT_TRUE(write_step(*store, step));
    ASSERT_TRUE(store->flush());
  }
  state_store::batch b;
  b.put_page({1, 1, "other"}, 0, 0, "fine");
  ASSERT_TRUE(store->write(std::move(b)));
  EXPECT_EQ(*store->read_page({1, 1, "other"}, 0, 0), "fine");
}

TEST(state_power_cut, leaves_rows_and_pages_as_they_were_together) {
  temp_folder folder;
  fault_env env{{0, false, testing::fault::io_error, false}};
  auto store = std::move(*state_store::open(state_in(folder / "state", env.get())));
  for (int step = 1, flushed = 0; step <= 12; ++step) {
    ASSERT_TRUE(write_step(*store, step));
    if (step % 3 == 0) {
      ASSERT_TRUE(store->flush());
      flushed = step;
    }
    copy_folder(folder / "state", folder / "copy");
    fault_env healthy;
    auto opened = state_store::open(state_in(folder / "copy", healthy.get()));
    ASSERT_TRUE(opened) << opened.error().text();
    for (int i = 0; i < owners; ++i)
      EXPECT_EQ(step_of(**opened, owner_number(i), "power cut"), flushed);
  }
}

struct state_sweep : ::testing::TestWithParam<bool> {};

TEST_P(state_sweep, whichever_call_fails_rows_and_pages_agree) {
  for (std::uint64_t n = 1;; ++n) {
    temp_folder folder;
    fault_env env{{n, true, testing::fault::io_error, GetParam()}};
    int flushed = 0, step = 0;
    if (auto opened = state_store::open(state_in(folder / "state", env.get())); opened) {
      while (step < 4 && write_step(**opened, step + 1)) {
        ++step;
        if (!(*opened)->flush()) break;
        flushed = step;
      }
    }
    fault_env healthy;
    auto opened = state_store::open(state_in(folder / "state", healthy.get()));
    ASSERT_TRUE(opened) << n << ": " << opened.error().text();
    const auto first = step_of(**opened, owner_number(0), std::to_string(n));
    ASSERT_TRUE(first);
    EXPECT_GE(*first, flushed) << n;
    EXPECT_LE(*first, step) << n;
    for (int i = 1; i < owners; ++i)
      ASSERT_EQ(step_of(**opened, owner_number(i), std::to_string(n)), first) << n;
    if (env.control().struck()) continue;
    EXPECT_EQ(flushed, 4);
    break;
  }
}

INSTANTIATE_TEST_SUITE_P(, state_sweep, ::testing::Values(true, false), [](const auto& one) {
  return one.param ? "process_killed" : "power_cut";
});

}  // namespace
}  // namespace tally::persistence

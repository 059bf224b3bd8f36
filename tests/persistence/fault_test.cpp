#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "persistence/journal.hpp"
#include "persistence/state_store.hpp"
#include "tests/support/fault_env.hpp"
#include "tests/support/journal_load.hpp"
#include "tests/support/temp_folder.hpp"

namespace tally::persistence {
namespace {

using std::chrono::milliseconds;
using testing::copy_folder;
using testing::fault;
using testing::fault_env;
using testing::fault_plan;
using testing::round_maker;
using testing::temp_folder;

constexpr int rounds_to_write = 14;
constexpr round_number dropped_before = 9;  // in the end

journal_options options_in(const std::string& path, rocksdb::Env* env = nullptr) {
  journal_options o;
  o.path = path;
  o.segment_bytes = 1'500;
  o.reserve_bytes = 0;
  o.watermark_interval = milliseconds{0};
  o.env = env;
  return o;
}

std::vector<std::vector<chunk_ptr>> load() {
  round_maker maker;
  std::vector<std::vector<chunk_ptr>> all;
  for (int i = 0; i < rounds_to_write; ++i) {
    all.emplace_back();
    if (i % 4 != 3) all.back() = maker.next({static_cast<std::uint16_t>(i % 3), 200}, 60);
  }
  return all;
}

/// What a run may rely on.
struct acknowledged {
  round_number rounds = 0;
  int meta = 0;
};

/// Writes the load until something fails. Every fourth round is one of meta.
acknowledged write_load(const std::string& path, rocksdb::Env* env) {
  acknowledged acked;
  auto opened = journal::open(options_in(path, env));
  if (!opened) return acked;
  auto& j = **opened;
  for (const auto& chunks : load()) {
    const auto n = std::to_string(acked.rounds + 1);
    if (chunks.empty()) {
      if (!j.put_meta({{"count", n}})) return acked;
      acked.meta = std::stoi(n);
    } else if (!j.append(chunks, {{"merchant/" + n, n}})) {
      return acked;
    }
    ++acked.rounds;
  }
  if (!j.drop_segments_before(dropped_before)) return acked;
  EXPECT_GT(j.first_round(), 1u);
  (void)j.close();
  return acked;
}

/// Every acknowledged round is there, at most one more, all as written.
void expect_kept(const std::string& path, const acknowledged& acked) {
  fault_env healthy;
  auto opened = journal::open(options_in(path, healthy.get()));
  ASSERT_TRUE(opened) << opened.error().text();
  auto& j = **opened;
  ASSERT_GE(j.last_round(), acked.rounds);
  ASSERT_LE(j.last_round(), acked.rounds + 1);
  const auto all = load();
  ASSERT_LE(j.first_round(), dropped_before);
  for (auto r = std::max<round_number>(1, j.first_round());
       r <= std::min<round_number>(j.last_round(), all.size()); ++r) {
    const auto bytes = j.read_round(r);
    ASSERT_TRUE(bytes) << bytes.error().text();
    ASSERT_EQ(*bytes, encode_round(all[r - 1]));
  }
  for (round_number r = 1; r <= acked.rounds; ++r) {
    ASSERT_TRUE(all[r - 1].empty() || j.get_merchant("merchant/" + std::to_string(r)));
  }
  const auto meta = j.get_meta("count");
  ASSERT_GE(meta ? std::stoi(*meta) : 0, acked.meta);
  if (j.last_round() < rounds_to_write) {
    ASSERT_TRUE(j.append(all[j.last_round()], {}));  // and it goes on
  }
}

struct sweep {
  const char* name;
  fault_plan plan;
};

struct journal_sweep : ::testing::TestWithParam<sweep> {};

TEST_P(journal_sweep, whichever_call_fails_nothing_acknowledged_is_lost) {
  for (std::uint64_t n = 1;; ++n) {
    temp_folder folder;
    auto plan = GetParam().plan;
    plan.fail_at = n;
    fault_env env{plan};
    const auto acked = write_load(folder / "journal", env.get());
    ASSERT_NO_FATAL_FAILURE(expect_kept(folder / "journal", acked)) << "call " << n;
    if (env.control().struck()) continue;
    EXPECT_EQ(acked.rounds, static_cast<round_number>(rounds_to_write));
    EXPECT_GT(n, 100u) << "too few calls were swept";
    break;
  }
}

/// A call may fail, or only its bytes get lost: a power cut at that very moment.
INSTANTIATE_TEST_SUITE_P(, journal_sweep,
                         ::testing::Values(sweep{"once", {0, false, fault::io_error, true}},
                                           sweep{"from_then_on", {0, true, fault::io_error, true}},
                                           sweep{"power_cut", {0, true, fault::io_error, false}},
                                           sweep{"disk_full", {0, true, fault::no_space, true}}),
                         [](const auto& one) { return std::string{one.param.name}; });

TEST(journal_fault, what_only_the_cache_of_the_system_held_is_not_acknowledged) {
  temp_folder folder;
  fault_env env{{0, false, fault::io_error, false}};
  auto j = std::move(*journal::open(options_in(folder / "journal", env.get())));
  acknowledged acked;
  for (const auto& chunks : load()) {
    ASSERT_TRUE(j->append(chunks, {{"merchant/" + std::to_string(acked.rounds + 1), "x"}}));
    ++acked.rounds;
    // The unsynced bytes are in the files' buffers, so a copy is what a power cut leaves.
    copy_folder(folder / "journal", folder / "copy");
    ASSERT_NO_FATAL_FAILURE(expect_kept(folder / "copy", acked));
  }
}

TEST(journal_fault, a_failed_sync_is_final) {
  temp_folder folder;
  fault_env env{{0, false, fault::no_space, true, ".log"}};
  auto j = std::move(*journal::open(options_in(folder / "journal", env.get())));
  const auto all = load();
  ASSERT_TRUE(j->append(all[0], {}));
  EXPECT_EQ(j->broken(), "");
  env.control().set_full(true);
  EXPECT_EQ(j->append(all[1], {}).error().code, errc::io_error);
  env.control().set_full(false);
  EXPECT_EQ(j->append(all[2], {}).error().code, errc::io_error);
  EXPECT_EQ(j->put_meta({{"a", "b"}}).error().code, errc::io_error);
  EXPECT_NE(j->broken(), "");
  EXPECT_FALSE(j->close());
}

TEST(journal_fault, a_full_disk_refuses_before_it_breaks_and_heals_when_space_returns) {
  temp_folder folder;
  fault_env env;
  auto options = options_in(folder / "journal", env.get());
  options.reserve_bytes = 1 << 20;
  auto j = std::move(*journal::open(options));
  const auto all = load();
  ASSERT_TRUE(j->append(all[0], {}));
  env.control().set_free_space(1000);
  round_number appended = 1;  // the answer about space may be remembered for a moment
  for (;;) {
    const auto done = j->append(appended < 8 ? all[appended] : std::vector<chunk_ptr>{}, {});
    if (!done) {
      EXPECT_EQ(done.error().code, errc::disk_full);
      break;
    }
    ++appended;
  }
  EXPECT_EQ(j->broken(), "");
  env.control().set_free_space(~std::uint64_t{0});
  EXPECT_EQ(*j->append({}, {}), appended + 1);
}

TEST(journal_fault, a_disk_too_full_for_tables_heals_when_space_returns) {
  temp_folder folder;
  fault_env env{{0, false, fault::no_space, true, ".sst"}};
  auto j = std::move(*journal::open(options_in(folder / "journal", env.get())));
  env.control().set_full(true);
  const auto append = [&] { return j->append({}, {{"merchant", std::string(500, 'x')}}); };
  errc refused{};
  while (refused == errc{}) {  // until a new segment has the old one flushed
    if (auto done = append(); !done) refused = done.error().code;
  }
  EXPECT_EQ(refused, errc::disk_full);
  const auto last = j->last_round();
  EXPECT_FALSE(append());
  env.control().set_full(false);
  auto done = append();
  while (!done && done.error().code == errc::disk_full) done = append();
  ASSERT_TRUE(done) << done.error().text();
  EXPECT_EQ(*done, last + 1);
}

}  // namespace
}  // namespace tally::persistence

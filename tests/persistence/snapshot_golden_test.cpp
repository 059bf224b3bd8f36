#include <gtest/gtest.h>

#include <filesystem>

#include "domain/logic_v1/apply.hpp"
#include "persistence/state_codec.hpp"
#include "tests/golden.hpp"

namespace tally::persistence {
namespace {

namespace fs = std::filesystem;

/// A real state store, and a merchant whose state is the same in every build.
class snapshot_golden_test : public ::testing::Test {
 protected:
  snapshot_golden_test() {
    path = fs::temp_directory_path() /
           ("tally-golden-" + std::to_string(getpid()) + "-" + std::to_string(number++));
    fs::remove_all(path);
    state_options options;
    options.path = path;
    store = std::move(*state_store::open(options));
  }
  ~snapshot_golden_test() override {
    store.reset();
    fs::remove_all(path);
  }

  void put(merchant_state& state, std::uint64_t offset, std::int64_t at_ms, std::string_view name,
           std::string_view visitor, event_kind kind = event_kind::data) const {
    event e;
    e.kind = kind;
    e.merchant = "shop";
    e.name = name;
    e.visitor = visitor;
    e.at = e.received_at = time_from_ms(at_ms);
    if (kind == event_kind::rejected) e.raw = "{";
    std::vector<slice_range> missing;
    state.ids.missing_for(e, e.at, missing);
    for (const auto& range : missing) state.ids.load(range, {});
    logic_v1::apply(state, e, {offset, e.at, "bytes"}, rules);
  }

  /// One visit of each visitor, two minutes long.
  [[nodiscard]] merchant_state sample(std::uint32_t visitors) const {
    constexpr std::int64_t noon = 1'700'049'600'000;
    merchant_state state;
    state.set_reporting(*zone::find("Europe/London"), "Europe/London", "GBP");
    std::uint64_t offset = 0;
    for (const auto* name : {"page_view", "signup"})
      for (std::uint32_t i = 0; i < visitors; ++i)
        put(state, ++offset, noon + i * 1'000 + (name[0] == 's' ? 120'000 : 0), name,
            "visitor-" + std::to_string(i));
    put(state, ++offset, noon + 121'000, "bad_amount", {}, event_kind::rejected);
    return state;
  }
  [[nodiscard]] std::string page(std::uint8_t part, std::uint32_t page) const {
    const auto bytes = store->read_page(owner, part, page);
    EXPECT_TRUE(bytes) << bytes.error().text();
    return bytes ? *bytes : std::string{};
  }
  /// Puts the page as a store of an earlier build would hold it.
  void put_page(std::uint8_t part, std::uint32_t page, const std::string& bytes) const {
    state_store::batch b;
    b.put_page(owner, part, page, bytes);
    ASSERT_TRUE(store->write(std::move(b)));
  }

  fs::path path;
  ruleset rules;
  state_owner owner{7, 1, "shop"};
  std::unique_ptr<state_store> store;
  static inline int number = 0;
};

TEST_F(snapshot_golden_test,
       pages_of_version_1_stay_readable_and_are_cut_anew_by_the_next_snapshot) {
  for (const std::uint32_t visitors : {5, 1'100}) {
    const auto expected = sample(visitors);
    const std::string kind = visitors == 5 ? "small" : "large";
    const auto head = testing::golden("persistence/golden/head_" + kind + "_v1.bin", {});
    ASSERT_EQ(head.empty() ? 0 : head[0], 1) << kind;
    put_page(head_part, 0, head);
    if (visitors > 1'000)
      put_page(visits_part, 0, testing::golden("persistence/golden/visits_v1.bin", {}));
    auto old = load_snapshot(*store, owner);
    ASSERT_TRUE(old) << kind << old.error().text();
    EXPECT_EQ(old->state.zone_name, "Europe/London");
    EXPECT_EQ(old->state.currency, "GBP");
    EXPECT_EQ(old->state.applied, expected.applied);
    EXPECT_EQ(old->state.counts, expected.counts);
    EXPECT_EQ(old->state.names.all(), expected.names.all());
    EXPECT_EQ(old->state.visits.sorted(), expected.visits.sorted());
    EXPECT_EQ(old->state.rejects_hour_bytes, 0);

    state_store::batch b;
    write_snapshot(old->state, owner, old->snapshot, rules, b);
    ASSERT_TRUE(store->write(std::move(b)));
    const auto anew = load_snapshot(*store, owner);
    ASSERT_TRUE(anew) << kind << anew.error().text();
    EXPECT_EQ(anew->state.visits.sorted(), expected.visits.sorted());
  }
}

TEST_F(snapshot_golden_test, pages_of_version_2_stay_readable) {
  auto state = sample(1'100);
  const auto expected = sample(1'100);
  state_store::batch b;
  write_snapshot(state, owner, {}, rules, b);
  ASSERT_TRUE(store->write(std::move(b)));
  const std::pair<std::uint8_t, const char*> pages[] = {
      {head_part, "persistence/golden/head_v2.bin"},
      {visits_part, "persistence/golden/visits_v2.bin"},
      {texts_part, "persistence/golden/texts_v1.bin"}};
  for (const auto& [part, file] : pages) {
    const auto today = page(part, 0);
    const auto kept = testing::golden(file, today);
    EXPECT_EQ(kept, today) << file;
    put_page(part, 0, kept);
  }
  const auto loaded = load_snapshot(*store, owner);
  ASSERT_TRUE(loaded) << loaded.error().text();
  EXPECT_EQ(loaded->state.visits.sorted(), expected.visits.sorted());
  EXPECT_EQ(loaded->state.texts.hashes(), expected.texts.hashes());
  EXPECT_EQ(loaded->state.texts.text_bytes(), expected.texts.text_bytes());
  EXPECT_EQ(loaded->state.rejects_hour, expected.rejects_hour);
  EXPECT_EQ(loaded->state.rejects_hour_bytes, 5);
}

TEST_F(snapshot_golden_test, a_snapshot_writes_the_visit_pages_that_changed_and_no_others) {
  constexpr std::uint32_t visitors = 40'000;  // a second apart: 23,400 of their visits are open
  auto state = sample(visitors);
  state_store::batch all;
  auto written = write_snapshot(state, owner, {}, rules, all);
  EXPECT_EQ(written.visit_pages, 16);
  const auto all_bytes = all.bytes();
  ASSERT_TRUE(store->write(std::move(all)));

  const auto end_ms = state.newest_ms;
  put(state, state.applied + 1, end_ms, "page_view", "visitor-39999");
  state_store::batch one;
  written = write_snapshot(state, owner, written, rules, one);
  EXPECT_EQ(written.visit_pages, 16);
  EXPECT_LT(one.bytes(), all_bytes / 16);
  ASSERT_TRUE(store->write(std::move(one)));
  auto loaded = load_snapshot(*store, owner);
  ASSERT_TRUE(loaded) << loaded.error().text();
  // What ended long ago may still stand in pages that did not change; it can meet no event.
  auto& live = loaded->state;
  live.visits.expire(end_ms -
                     std::chrono::milliseconds{rules.late_visit + rules.visit_timeout}.count());
  EXPECT_EQ(live.visits.sorted(), state.visits.sorted());
}

TEST_F(snapshot_golden_test, texts_are_written_when_there_are_new_ones_and_survive_in_pages) {
  merchant_state state;
  for (std::uint32_t i = 0; i < texts_per_page + 10; ++i)
    put(state, i + 1, 1'700'049'600'000, "name-" + std::to_string(i), "v");
  state_store::batch b;
  auto written = write_snapshot(state, owner, {}, rules, b);
  ASSERT_TRUE(store->write(std::move(b)));
  put(state, 10'000, 1'700'049'600'000, "name-1", "v");
  state_store::batch second;
  written = write_snapshot(state, owner, written, rules, second);
  EXPECT_LT(second.bytes(), 20'000) << "the 1,000 names of the head and some rows";
  ASSERT_TRUE(store->write(std::move(second)));
  put(state, 10'001, 1'700'049'600'000, "new name", "v");
  state_store::batch third;
  write_snapshot(state, owner, written, rules, third);
  ASSERT_TRUE(store->write(std::move(third)));
  const auto loaded = load_snapshot(*store, owner);
  ASSERT_TRUE(loaded) << loaded.error().text();
  EXPECT_EQ(loaded->state.texts.hashes(), state.texts.hashes());
  EXPECT_EQ(loaded->state.texts.text_bytes(), state.texts.text_bytes());
  EXPECT_EQ(loaded->state.texts.saved, texts_per_page + 11);
  EXPECT_EQ(loaded->state.texts.count(text_kind::name), texts_per_page + 11);
}

}  // namespace
}  // namespace tally::persistence

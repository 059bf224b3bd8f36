#include "persistence/rate_store.hpp"

#include <gtest/gtest.h>

#include "tests/support/temp_folder.hpp"

namespace tally::persistence {
namespace {

class rate_store_test : public ::testing::Test {
 protected:
  rate_store_test() { open(); }
  ~rate_store_test() override { EXPECT_TRUE(log->close()); }

  void open() {
    if (log) {
      EXPECT_TRUE(log->close());
    }
    log.reset();
    journal_options options;
    options.path = folder / "journal";
    auto opened = journal::open(options);
    EXPECT_TRUE(opened) << opened.error().text();
    log = std::move(*opened);
  }
  void put(const std::vector<record>& records) {
    for (const auto& r : records) EXPECT_TRUE(log->put_meta({r}));
  }
  static std::vector<daily_rate> rates(std::size_t days, int digits) {
    std::vector<daily_rate> all;
    for (std::size_t i = 0; i < days; ++i)
      all.push_back({rate_day{std::chrono::days{static_cast<int>(i)}}, "USD", {digits, 3}});
    return all;
  }
  static event_time known(int hour) { return event_time{std::chrono::hours{hour}}; }

  testing::temp_folder folder;
  std::unique_ptr<journal> log;
};

TEST_F(rate_store_test, imports_come_back_as_they_became_known) {
  EXPECT_EQ(*load_rates(*log), nullptr);
  EXPECT_EQ(*last_rate_import(*log), "");
  const auto many = rates(9'000, 1'250);
  const auto records = to_records(many, "EUR", known(100), "aa");
  EXPECT_GT(records.size(), 4u) << "in several parts";
  for (const auto& r : records) EXPECT_LE(r.value.size(), 64u * 1'024);
  put(records);
  put(to_records(rates(1, 2'000), "EUR", known(200), "bb"));
  const auto imports = *list_rate_imports(*log);
  ASSERT_EQ(imports.size(), 2u);
  EXPECT_EQ(imports[0].id, "000000360000000-aa");
  EXPECT_EQ(imports[0].rates, 9'000u);
  EXPECT_EQ(*last_rate_import(*log), "000000720000000-bb");
  EXPECT_TRUE(log->close());
  open();
  const auto book = *load_rates(*log);
  ASSERT_NE(book, nullptr);
  EXPECT_EQ(book->base(), "EUR");
  EXPECT_EQ(book->size(), 9'001u);
  const auto worth = [&](int day, int hour) {
    return *book->find("USD", "EUR", rate_day{std::chrono::days{day}}, known(hour))
                ->apply(1'000'000);
  };
  EXPECT_EQ(worth(0, 150), 800'000);
  EXPECT_EQ(worth(0, 250), 500'000);
  EXPECT_EQ(worth(8'999, 250), 800'000);
}

TEST_F(rate_store_test, an_import_that_a_crash_cut_off_is_not_there) {
  put(to_records(rates(3, 1'250), "EUR", known(1), "aa"));
  auto torn = to_records(rates(9'000, 5'000), "EUR", known(2), "bb");
  torn.resize(2);
  put(torn);
  EXPECT_EQ((*load_rates(*log))->size(), 3u);
}

TEST_F(rate_store_test, damage_is_named) {
  auto records = to_records(rates(3, 1'250), "EUR", known(1), "aa");
  records[0].value.pop_back();
  records[0].value.pop_back();
  records[0].value += "x\n";
  put(records);
  const auto book = load_rates(*log);
  ASSERT_FALSE(book);
  EXPECT_EQ(book.error().text(), "corrupt_record: rates imported as 000000003600000-aa");
}

}  // namespace
}  // namespace tally::persistence

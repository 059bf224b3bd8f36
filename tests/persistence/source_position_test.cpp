#include "persistence/source_position.hpp"

#include <gtest/gtest.h>

#include "persistence/registry.hpp"
#include "tests/support/journal_load.hpp"
#include "tests/support/temp_folder.hpp"

namespace tally::persistence {
namespace {

class source_position_test : public ::testing::Test {
 protected:
  source_position_test() {
    options.path = folder / "journal";
    options.reserve_bytes = 0;
    open();
  }
  void open() {
    log.reset();
    auto opened = journal::open(options);
    ASSERT_TRUE(opened) << opened.error().text();
    log = std::move(*opened);
  }
  void keep(const std::vector<record>& records) {
    const auto written = log->append(rounds.next({3}, 20), records);
    ASSERT_TRUE(written) << written.error().text();
  }
  [[nodiscard]] std::vector<source_position> all(std::string_view merchant) const {
    const auto found = list_positions(*log, merchant);
    EXPECT_TRUE(found);
    return found ? *found : std::vector<source_position>{};
  }

  testing::temp_folder folder;
  testing::round_maker rounds;
  journal_options options;
  std::unique_ptr<journal> log;
};

TEST_F(source_position_test, the_newest_stands_and_outlives_a_restart) {
  EXPECT_TRUE(all("shop").empty());
  keep({to_record("shop", {"clicks", 10, 7}), to_record("shop", {"clicks", 2, 4'000'000'000'000}),
        to_record("shop2", {"clicks", 2, 1})});
  keep({to_record("shop", {"clicks", 10, 8}), to_record("shop", {"a.b-c_", 0, 0})});
  open();
  const std::vector<source_position> wanted{
      {"a.b-c_", 0, 0}, {"clicks", 2, 4'000'000'000'000}, {"clicks", 10, 8}};
  EXPECT_EQ(all("shop"), wanted);
  keep({removal_of("shop", wanted[1])});
  EXPECT_EQ(all("shop").size(), 2u);
  EXPECT_EQ(all("shop2").size(), 1u);
}

TEST_F(source_position_test, a_damaged_record_is_named) {
  const auto fine = to_record("shop", {"clicks", 1, 7});
  for (const auto* value :
       {"{", "7", R"({"source": "clicks"})", R"({"source": 1, "partition": 1, "next": 1})"}) {
    keep({{fine.key, value}});
    const auto found = list_positions(*log, "shop");
    ASSERT_FALSE(found) << value;
    EXPECT_EQ(found.error().code, errc::corrupt_record);
  }
}

}  // namespace
}  // namespace tally::persistence

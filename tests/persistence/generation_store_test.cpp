#include "persistence/generation_store.hpp"

#include <gtest/gtest.h>

#include "persistence/ruleset_store.hpp"
#include "persistence/ruleset_text.hpp"
#include "persistence/serving_stack.hpp"
#include "tests/support/temp_folder.hpp"

namespace tally::persistence {
namespace {

class generation_store_test : public ::testing::Test {
 protected:
  generation_store_test() {
    journal_options options;
    options.path = folder / "journal";
    auto opened = journal::open(options);
    EXPECT_TRUE(opened) << opened.error().text();
    log = std::move(*opened);
  }
  ~generation_store_test() override { EXPECT_TRUE(log->close()); }

  testing::temp_folder folder;
  std::unique_ptr<journal> log;
};

TEST_F(generation_store_test, a_record_comes_back_as_it_was) {
  generation_record g;
  g.number = 7;
  g.ruleset = 3;
  EXPECT_EQ(load_rules(*log, g, {}).error().code, errc::not_found);
  g.logic = 2;
  EXPECT_EQ(load_rules(*log, g, {}).error().code, errc::unsupported);
}

}  // namespace
}  // namespace tally::persistence

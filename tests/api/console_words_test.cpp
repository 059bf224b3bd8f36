#include "api/console_words.hpp"

#include <gtest/gtest.h>

namespace tally::api {
namespace {

using words = std::vector<std::string>;

TEST(console_words, are_cut_at_blanks_and_kept_in_quotes) {
  EXPECT_EQ(*console_words("  key   create\t--label 'my  key' "),
            (words{"key", "create", "--label", "my  key"}));
  EXPECT_EQ(*console_words(R"(query "{\"a\":1}" '')"), (words{"query", R"({"a":1})", ""}));
  EXPECT_TRUE(console_words("   ")->empty());
  EXPECT_EQ(console_words("say 'hi").error().code, errc::bad_request);
}

TEST(console_words, completion_gives_the_words_of_commands_that_fit_so_far) {
  const words commands{"merchant create", "merchant list", "merchants", "status"};
  EXPECT_EQ(words_that_follow(commands, "mer"), (words{"merchant", "merchants", "status"}));
  EXPECT_EQ(words_that_follow(commands, "merchant "), (words{"create", "list"}));
  EXPECT_EQ(words_that_follow(commands, "status "), words{});
}

}  // namespace
}  // namespace tally::api

#include "api/alias_book.hpp"

#include <gtest/gtest.h>

namespace tally::api {
namespace {

TEST(alias_book, gathers_what_it_does_not_know_and_learns_it) {
  alias_book book;
  EXPECT_EQ(book.merchant_of("plausible", "Shop.example"), nullptr);
  EXPECT_EQ(book.merchant_of("plausible", "shop.example"), nullptr);
  EXPECT_EQ(book.merchant_of("posthog", "tw_shop.abc"), nullptr);
  EXPECT_EQ(book.merchant_of("plausible", "no name"), nullptr);
  EXPECT_FALSE(book.is_platform_key("tp_main.abc"));
  EXPECT_FALSE(book.is_platform_key("tw_shop.abc"));
  EXPECT_EQ(book.missing(), (std::vector<std::string>{"plausible:shop.example", "key:tw_shop.abc",
                                                      "key:tp_main.abc"}));
  book.turn_page();
  book.learn("plausible:shop.example", "shop");
  book.learn("key:tw_shop.abc", std::nullopt);
  book.learn_platform_key("key:tp_main.abc");
  ASSERT_NE(book.merchant_of("plausible", "shop.example"), nullptr);
  EXPECT_EQ(*book.merchant_of("plausible", "shop.example"), "shop");
  EXPECT_EQ(book.merchant_of("posthog", "tw_shop.abc"), nullptr);
  EXPECT_TRUE(book.is_platform_key("tp_main.abc"));
  EXPECT_TRUE(book.missing().empty());
}

TEST(alias_book, asks_for_a_bounded_number_of_names) {
  alias_book book;
  for (int i = 0; i < 1'000; ++i) EXPECT_EQ(book.merchant_of("matomo", std::to_string(i)), nullptr);
  EXPECT_EQ(book.missing().size(), alias_book::names_max);
}

}  // namespace
}  // namespace tally::api

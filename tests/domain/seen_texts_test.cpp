#include "domain/seen_texts.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace tally {
namespace {

TEST(seen_texts, knows_what_was_added_and_nothing_else_at_every_size) {
  seen_texts seen;
  for (int i = 0; i < 3'000; ++i) {
    const auto text = "text-" + std::to_string(i);
    const auto kind = i % 3 == 0 ? text_kind::property : text_kind::name;
    const auto hash = seen_texts::hash_of(kind, text);
    ASSERT_FALSE(seen.contains(hash)) << i;
    seen.add(hash, text.size());
    ASSERT_TRUE(seen.contains(hash)) << i;
    ASSERT_TRUE(seen.contains(seen_texts::hash_of(text_kind::property, "text-0")));
    ASSERT_FALSE(seen.contains(seen_texts::hash_of(text_kind::name, "text-0")));
  }
  EXPECT_EQ(seen.count(text_kind::property), 1'000);
  EXPECT_EQ(seen.count(text_kind::name), 2'000);
  EXPECT_EQ(seen.text_bytes(), 10u * 6 + 90 * 7 + 900 * 8 + 2'000 * 9);
}

TEST(seen_texts, gives_hashes_in_the_order_of_first_use) {
  seen_texts seen;
  std::vector<std::uint64_t> expected;
  for (const auto* text : {"b", "a", "c"}) {
    expected.push_back(seen_texts::hash_of(text_kind::name, text));
    seen.add(expected.back(), 1);
  }
  EXPECT_EQ(seen.hashes(), expected);
}

TEST(seen_texts, of_few_texts_cost_little) {
  seen_texts seen;
  for (int i = 0; i < 8; ++i) seen.add(seen_texts::hash_of(text_kind::name, std::to_string(i)), 1);
  EXPECT_LE(seen.heap_bytes(), 64);
}

}  // namespace
}  // namespace tally

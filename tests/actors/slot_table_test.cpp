#include "actors/slot_table.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "domain/shard.hpp"

namespace tally::actors {
namespace {

using std::chrono::seconds;
using instant = std::chrono::steady_clock::time_point;

std::vector<std::string> by_use(slot_table& table) {
  std::vector<std::string> names;
  for (const auto& s : table.by_use()) names.push_back(s.merchant);
  return names;
}

TEST(slot_table, two_names_with_one_hash_are_two_slots) {
  slot_table table;
  EXPECT_EQ(table.find("a", 7), nullptr);
  auto& a = table.insert("a", 7);
  auto& b = table.insert("b", 7);
  EXPECT_EQ(table.find("a", 7), &a);
  EXPECT_EQ(table.find("b", 7), &b);
  table.erase(a);
  EXPECT_EQ(table.find("a", 7), nullptr);
  EXPECT_EQ(table.find("b", 7), &b);
}

TEST(slot_table, the_least_recently_used_comes_first_to_a_second) {
  slot_table table;
  const instant start{seconds{100}};
  for (const auto* name : {"a", "b", "c"})
    table.touch(table.insert(name, merchant_hash(name)), start);
  auto& a = *table.find("a", merchant_hash("a"));
  table.touch(a, start + std::chrono::milliseconds{500});
  EXPECT_EQ(by_use(table), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(a.used, start + std::chrono::milliseconds{500});
  table.touch(a, start + seconds{1});
  EXPECT_EQ(by_use(table), (std::vector<std::string>{"b", "c", "a"}));
}

TEST(slot_table, finds_what_a_map_finds_after_any_inserts_and_erases) {
  slot_table table;
  std::map<std::string, merchant_slot*> expected;
  std::mt19937_64 random{1};
  for (int i = 0; i < 20'000; ++i) {
    const auto name = "m" + std::to_string(random() % 700);
    // Few hashes, so that runs of the table are long and wrap around.
    const auto hash = (merchant_hash(name) % 97) << 16U;
    auto* const slot = table.find(name, hash);
    const auto known = expected.find(name);
    ASSERT_EQ(slot, known == expected.end() ? nullptr : known->second) << name;
    if (slot == nullptr) {
      expected[name] = &table.insert(name, hash);
    } else if (random() % 2 == 0) {
      table.erase(*slot);
      expected.erase(known);
    }
  }
  EXPECT_EQ(table.by_use().size(), expected.size());
}

}  // namespace
}  // namespace tally::actors

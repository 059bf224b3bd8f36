#include "api/answer_cache.hpp"

#include <gtest/gtest.h>

namespace tally::api {
namespace {

using std::chrono::milliseconds;
constexpr key_cache::time start{std::chrono::hours{1}};

actors::key_facts facts_of(const std::string& merchant) {
  actors::key_facts facts;
  facts.merchant = merchant;
  return facts;
}

TEST(answer_cache, keeps_what_it_learned_for_a_while) {
  key_cache cache{milliseconds{100}};
  cache.put("known", facts_of("shop"), start);
  cache.put("unknown", failure{errc::unauthorized, "no such key"}, start);
  cache.put("unasked", failure{errc::unavailable, "the disk is busy"}, start);
  EXPECT_EQ((*cache.find("known", start + milliseconds{100}))->merchant, "shop");
  EXPECT_EQ(cache.find("unknown", start)->error().code, errc::unauthorized);
  EXPECT_FALSE(cache.find("unasked", start));
  EXPECT_FALSE(cache.find("known", start + milliseconds{101}));
}

TEST(answer_cache, forgets_on_demand_and_takes_no_answer_from_before) {
  key_cache cache;
  cache.put("key", facts_of("shop"), start);
  cache.clear(start + milliseconds{10});
  EXPECT_FALSE(cache.find("key", start + milliseconds{10}));
  cache.put("key", facts_of("shop"), start + milliseconds{9});
  EXPECT_FALSE(cache.find("key", start + milliseconds{10}));
  cache.put("key", facts_of("shop"), start + milliseconds{10});
  EXPECT_TRUE(cache.find("key", start + milliseconds{10}));
}

TEST(answer_cache, starts_over_where_it_is_full) {
  key_cache cache{milliseconds{100}, 2};
  for (const auto* key : {"a", "b", "c"}) cache.put(key, facts_of("shop"), start);
  EXPECT_FALSE(cache.find("a", start));
  EXPECT_TRUE(cache.find("c", start));
}

}  // namespace
}  // namespace tally::api

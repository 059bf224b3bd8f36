#include "persistence/registry.hpp"

#include <gtest/gtest.h>

namespace tally::persistence {
namespace {

TEST(registry, records_are_read_as_they_were_written) {
  const merchant_record m{"shop", "Europe/London", "GBP", 1'291'191'960'000, true};
  const auto read = parse_merchant(to_record(m).value);
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(read->merchant + read->zone + read->currency, "shopEurope/LondonGBP");
  EXPECT_EQ(read->created_ms, m.created_ms);
  EXPECT_TRUE(read->honours_gpc);

  key_record k;
  k.hash = "ab";
  k.scope = "write";
  k.merchant = "shop";
  k.label = "first";
  k.events_per_s = 7;
  k.may_create = false;
  const auto key = parse_key(to_record(k).value);
  ASSERT_TRUE(key) << key.error().text();
  EXPECT_EQ(key->hash + key->scope + key->merchant + key->label, "abwriteshopfirst");
  EXPECT_EQ(key->events_per_s, 7u);
  EXPECT_FALSE(key->may_create);
}

TEST(registry, fields_may_be_missing_or_unknown) {
  const auto m = parse_merchant(R"({"merchant": "shop", "colour": "red"})");
  ASSERT_TRUE(m) << m.error().text();
  EXPECT_EQ(m->zone + m->currency, "UTCUSD");
  EXPECT_FALSE(m->honours_gpc);
  const auto k = parse_key("{}");
  ASSERT_TRUE(k) << k.error().text();
  EXPECT_TRUE(k->may_create);
}

TEST(registry, a_damaged_record_is_named_and_ends_nothing) {
  for (const auto* text : {"", "{", "[]", "7", R"({"merchant": 7})", R"({"timezone": ["UTC"]})",
                           R"({"created_ms": "now"})"}) {
    const auto m = parse_merchant(text);
    ASSERT_FALSE(m) << text;
    EXPECT_EQ(m.error().text(), "corrupt_record: a merchant's record") << text;
  }
  for (const auto* text :
       {"", "null", R"({"hash": 1})", R"({"may_create": 1})", R"({"events_per_s": "x"})"}) {
    const auto k = parse_key(text);
    ASSERT_FALSE(k) << text;
    EXPECT_EQ(k.error().text(), "corrupt_record: a key's record") << text;
  }
}

}  // namespace
}  // namespace tally::persistence

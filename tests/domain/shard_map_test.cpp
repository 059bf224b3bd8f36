#include "domain/shard_map.hpp"

#include <gtest/gtest.h>

namespace tally {
namespace {

TEST(replica_id_text, is_read_as_it_was_written) {
  for (const replica_id id : {replica_id{}, {1, 0}, {0, 1}, {~0ull, 0xfedcba9876543210u}}) {
    EXPECT_EQ(parse_replica_id(to_text(id)), id) << to_text(id);
  }
  EXPECT_EQ(to_text({1, 0xab}), "000000000000000100000000000000ab");
}

TEST(replica_id_text, is_32_lower_hex_digits_and_nothing_else) {
  EXPECT_EQ(parse_replica_id(""), std::nullopt);
  EXPECT_EQ(parse_replica_id("000000000000000100000000000000a"), std::nullopt);
  EXPECT_EQ(parse_replica_id("000000000000000100000000000000abc"), std::nullopt);
  EXPECT_EQ(parse_replica_id("000000000000000100000000000000AB"), std::nullopt);
  EXPECT_EQ(parse_replica_id("+00000000000000100000000000000ab"), std::nullopt);
  EXPECT_EQ(parse_replica_id("00000000000000010000000000000 ab"), std::nullopt);
  EXPECT_EQ(parse_hex("00000000000000ff"), 255u);
  EXPECT_EQ(parse_hex("ff"), std::nullopt);
}

}  // namespace
}  // namespace tally

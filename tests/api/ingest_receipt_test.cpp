#include "api/ingest_receipt.hpp"

#include <gtest/gtest.h>

#include <random>

#include "api/ack_token.hpp"

namespace tally::api {
namespace {

TEST(receipt_json, lists_rejected_events_by_index) {
  const std::vector<rejected_event> rejected{
      {7, "bad_amount", "order.items[0].price: '2,55' is not a decimal number", "shop", "raw", ""},
      {2, "over_quota", "a \"quoted\" detail", "", "", ""}};
  EXPECT_EQ(
      receipt_json(998, 1, rejected, "token", 250),
      R"({"accepted":998,"duplicate":1,"rejected":[)"
      R"({"index":2,"code":"over_quota","detail":"a \"quoted\" detail","retry_after_ms":250},)"
      R"({"index":7,"code":"bad_amount",)"
      R"("detail":"order.items[0].price: '2,55' is not a decimal number"}],"ack":"token"})");
  EXPECT_EQ(pending_json(3, {}, "t"), R"({"pending":3,"rejected":[],"ack":"t"})");
}

TEST(ack_token, comes_back_sorted_with_the_largest_offset_of_each_shard) {
  const auto token = encode_ack({{200, 5}, {0, 1ull << 60}, {7, 3}, {7, 9}, {255, 0}});
  EXPECT_EQ(
      token.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
      std::string::npos);
  const auto positions = decode_ack(token);
  ASSERT_TRUE(positions);
  ASSERT_EQ(positions->size(), 4u);
  const std::pair<std::uint16_t, std::uint64_t> expected[] = {
      {0, 1ull << 60}, {7, 9}, {200, 5}, {255, 0}};
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ((*positions)[i].shard, expected[i].first);
    EXPECT_EQ((*positions)[i].offset, expected[i].second);
  }
  EXPECT_TRUE(decode_ack(encode_ack({}))->empty());
}

TEST(ack_token, is_refused_where_a_single_character_differs) {
  const auto token = encode_ack({{3, 70'000}, {9, 12}});
  for (std::size_t i = 0; i < token.size(); ++i) {
    for (const char c : std::string_view{"Ab_=\n"}) {
      auto changed = token;
      changed[i] = c;
      if (changed != token) {
        EXPECT_FALSE(decode_ack(changed)) << changed;
      }
    }
    EXPECT_FALSE(decode_ack(token.substr(0, i)));
  }
  EXPECT_FALSE(decode_ack(token + "A"));
}

}  // namespace
}  // namespace tally::api

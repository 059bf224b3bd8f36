#include "persistence/chunk.hpp"

#include <gtest/gtest.h>

#include <random>

#include "persistence/crc32c.hpp"
#include "tests/golden.hpp"

namespace tally::persistence {
namespace {

chunk_ptr make_chunk(std::uint16_t shard, std::uint64_t base, std::uint64_t previous,
                     const std::vector<std::string>& events) {
  auto c = std::make_shared<chunk>();
  c->header.shard = shard;
  c->header.epoch = 3;
  c->header.base = base;
  c->header.count = static_cast<std::uint32_t>(events.size());
  c->header.stamped_at = time_from_ms(1'291'191'960'000 - shard);
  byte_writer out{c->payload};
  for (const auto& e : events) out.text(e);
  seal(*c, previous);
  return c;
}

std::vector<chunk_ptr> some_chunks() {
  auto first = make_chunk(7, 1, 0, {"one", "two", ""});
  auto second = make_chunk(255, 0xffff'ffff'ffff, 99, {std::string(1'000, 'x')});
  auto third = make_chunk(7, 4, first->header.chain, {});
  return {first, second, third};
}

void expect_same(const chunk_header& a, const chunk_header& b) {
  EXPECT_EQ(a.shard, b.shard);
  EXPECT_EQ(a.epoch, b.epoch);
  EXPECT_EQ(a.base, b.base);
  EXPECT_EQ(a.count, b.count);
  EXPECT_EQ(to_ms(a.stamped_at), to_ms(b.stamped_at));
  EXPECT_EQ(a.size, b.size);
  EXPECT_EQ(a.crc, b.crc);
  EXPECT_EQ(a.chain, b.chain);
}

void expect_same(const std::vector<round_entry>& entries, const std::vector<chunk_ptr>& chunks) {
  ASSERT_EQ(entries.size(), chunks.size());
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    expect_same(entries[i].header, chunks[i]->header);
    EXPECT_EQ(entries[i].payload, chunks[i]->payload);
  }
}

TEST(crc32c, gives_the_published_value_of_the_check_string) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(crc32c_by_table("123456789"), 0xE3069283U);
  EXPECT_EQ(crc32c(""), 0U);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);
}

TEST(crc32c, goes_on_from_a_seed_and_agrees_with_the_table) {
  std::mt19937 random{1};
  for (std::size_t size = 0; size < 100; ++size) {
    std::string bytes(size, '\0');
    for (auto& c : bytes) c = static_cast<char>(random());
    EXPECT_EQ(crc32c(bytes), crc32c_by_table(bytes));
    const auto cut = size / 3;
    EXPECT_EQ(crc32c(bytes.substr(cut), crc32c(bytes.substr(0, cut))), crc32c(bytes));
  }
}

TEST(round, an_empty_round_comes_back) {
  const auto bytes = encode_round({});
  EXPECT_EQ(bytes.size(), 9);
  auto entries = decode_round(bytes);
  ASSERT_TRUE(entries.ok()) << entries.error().text();
  EXPECT_TRUE(entries->empty());
}

TEST(round, chunks_come_back_with_their_events) {
  const auto chunks = some_chunks();
  const auto bytes = encode_round(chunks);
  EXPECT_EQ(bytes.size(), 9 + 3 * 50 + chunks[0]->payload.size() + chunks[1]->payload.size());
  auto entries = decode_round(bytes);
  ASSERT_TRUE(entries.ok()) << entries.error().text();
  expect_same(*entries, chunks);
  std::vector<std::string> events;
  EXPECT_TRUE(for_each_event((*entries)[0].payload, 3, [&](std::uint32_t i, std::string_view e) {
    EXPECT_EQ(i, events.size());
    events.emplace_back(e);
  }));
  EXPECT_EQ(events, (std::vector<std::string>{"one", "two", ""}));
}

TEST(round, every_flipped_bit_is_found) {
  const auto bytes = encode_round(some_chunks());
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    auto damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    auto entries = decode_round(damaged);
    ASSERT_FALSE(entries.ok()) << "bit " << bit;
    EXPECT_EQ(entries.error().code, errc::corrupt_record);
  }
}

TEST(round, every_cut_and_every_trailing_byte_is_found) {
  const auto bytes = encode_round(some_chunks());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_round(bytes.substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(decode_round(bytes + "x").ok());
}

TEST(round, a_damaged_payload_is_named) {
  auto bytes = encode_round(some_chunks());
  bytes.back() = 'y';
  EXPECT_EQ(decode_round(bytes).error().detail,
            "round: chunk 1 of shard 255 does not match its crc");
}

TEST(round, a_directory_that_claims_four_thousand_million_chunks_is_refused) {
  std::string bytes("\1\xff\xff\xff\xff", 5);
  EXPECT_FALSE(decode_round(bytes + std::string(1'000, '\0')).ok());
}

TEST(chain, depends_on_every_field_and_on_what_came_before) {
  const chunk_header base{1, 2, 3, 4, time_from_ms(5), 6, 7, 8};
  std::vector<chunk_header> others(7, base);
  ++others[0].shard;
  ++others[1].epoch;
  ++others[2].base;
  ++others[3].count;
  others[4].stamped_at += std::chrono::milliseconds{1};
  ++others[5].size;
  ++others[6].crc;
  const auto chain = next_chain(0, base);
  for (const auto& other : others) EXPECT_NE(next_chain(0, other), chain);
  EXPECT_NE(next_chain(1, base), chain);
  auto another_chain = base;
  another_chain.chain = 9;
  EXPECT_EQ(next_chain(0, another_chain), chain);
}

TEST(for_each_event, tells_a_torn_payload) {
  const auto payload = make_chunk(0, 1, 0, {"one", "two"})->payload;
  const auto ignore = [](std::uint32_t, std::string_view) {};
  EXPECT_TRUE(for_each_event(payload, 2, ignore));
  EXPECT_FALSE(for_each_event(payload, 1, ignore));
  EXPECT_FALSE(for_each_event(payload, 3, ignore));
  EXPECT_FALSE(for_each_event(payload.substr(0, 7), 2, ignore));
}

TEST(round, a_round_of_the_first_release_stays_readable) {
  const auto chunks = some_chunks();
  const auto today = encode_round(chunks);
  const auto kept = testing::golden("persistence/golden/round_v1.bin", today);
  EXPECT_EQ(kept, today);
  auto entries = decode_round(kept);
  ASSERT_TRUE(entries.ok()) << entries.error().text();
  expect_same(*entries, chunks);
}

}  // namespace
}  // namespace tally::persistence

#include "cluster/replica_wire.hpp"

#include <gtest/gtest.h>

#include <set>

#include "tests/cluster/replica_samples.hpp"
#include "tests/golden.hpp"

namespace tally::cluster {
namespace {

constexpr log_position sample_position{41, 3, 0x0102030405060708, time_from_ms(1'700'000'000'123)};

/// One message of every kind, as the files of old bytes hold them.
std::vector<replica_message> every_kind() {
  shard_config config{7, 12, 4, {1, 2}, 99, {{1, 2}, {3, 4}}, {{{1, 2}, {5}}, {{3, 4}, {300}}}};
  append_message append{.config_version = 12,
                        .prev = sample_position,
                        .chunks = {sample_chunk(9, 42, "two events"), sample_chunk(9, 44, "")},
                        .end = 50,
                        .commit = 41,
                        .acked = 40,
                        .sent_at = steady_time{123'456}};
  auto beacon = append;
  beacon.chunks.clear();
  std::vector<replica_message> all;
  const auto add = [&](auto body) { all.push_back({7, 9, 4, {0xa1, 0xb2}, 99, std::move(body)}); };
  add(append);
  add(beacon);
  add(ack_message{43, steady_time{-5}, time_from_ms(-1)});
  add(nack_message{sample_position, steady_time{1}});
  add(stale_message{});
  add(handover_message{config});
  add(pull_message{300});
  add(copy_needed_message{sample_position});
  add(join_message{{70'000}});
  add(leave_message{});
  return all;
}

std::string text_of(const std::vector<replica_message>& messages) {
  std::string text;
  for (const auto& m : messages) text += message_text::of(m) + '\n';
  return text;
}

TEST(replica_wire, gives_back_every_kind_of_message) {
  const auto sent = every_kind();
  const auto got = decode_frame(encode_frame(sent));
  ASSERT_TRUE(got) << got.error().text();
  EXPECT_EQ(text_of(*got), text_of(sent));
}

TEST(replica_wire, reads_what_earlier_builds_wrote_and_writes_the_same) {
  const auto today = encode_frame(every_kind());
  const auto kept = testing::golden("cluster/golden/replica_frame_v1.bin", today);
  EXPECT_EQ(kept, today);
  const auto got = decode_frame(kept);
  ASSERT_TRUE(got) << got.error().text();
  EXPECT_EQ(text_of(*got), text_of(every_kind()));
}

TEST(replica_wire, a_frame_of_nothing_is_one) {
  const auto got = decode_frame(encode_frame(std::vector<replica_message>{}));
  ASSERT_TRUE(got);
  EXPECT_TRUE(got->empty());
}

TEST(replica_wire, gives_back_numbers_of_every_size) {
  message_maker make{1};
  for (int round = 0; round < 2'000; ++round) {
    std::vector<replica_message> sent;
    sent.resize(static_cast<std::size_t>(round % 7));
    for (auto& m : sent) m = make.next();
    const auto bytes = encode_frame(sent);
    const auto got = decode_frame(bytes);
    ASSERT_TRUE(got) << round << ": " << got.error().text();
    ASSERT_EQ(text_of(*got), text_of(sent)) << round;
  }
}

TEST(replica_wire, says_beforehand_how_many_bytes_a_message_takes) {
  message_maker make{2};
  for (int round = 0; round < 2'000; ++round) {
    const auto m = make.next();
    const auto takes = encode_frame(&m, 1).size() - 2;
    EXPECT_LE(takes, frame_bytes(m));
    EXPECT_GE(takes + 120, frame_bytes(m)) << message_text::of(m);
  }
}

TEST(replica_wire, refuses_a_frame_that_ends_early_or_late) {
  const auto bytes = encode_frame(every_kind());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto got = decode_frame(std::string_view{bytes}.substr(0, size));
    ASSERT_FALSE(got) << size;
    EXPECT_EQ(got.error().code, errc::corrupt_record);
  }
  EXPECT_FALSE(decode_frame(bytes + '\0'));
}

TEST(replica_wire, refuses_another_version) {
  auto bytes = encode_frame(every_kind());
  bytes[0] = 2;
  const auto got = decode_frame(bytes);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, errc::unsupported);
}

TEST(replica_wire, every_bit_counts) {
  const auto bytes = encode_frame(every_kind());
  const auto right = text_of(every_kind());
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    auto damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    const auto got = decode_frame(damaged);
    if (got) {
      ASSERT_NE(text_of(*got), right) << bit;
    }
  }
}

TEST(replica_wire, refuses_a_chunk_whose_bytes_changed) {
  const std::vector<replica_message> sent{every_kind()[0]};
  const auto bytes = encode_frame(sent);
  const auto at = bytes.find("two events");
  ASSERT_NE(at, std::string::npos);
  for (std::size_t bit = 0; bit < 80; ++bit) {
    auto damaged = bytes;
    auto& c = damaged[at + bit / 8];
    c = static_cast<char>(c ^ (1 << bit % 8));
    const auto got = decode_frame(damaged);
    ASSERT_FALSE(got) << bit;
    EXPECT_EQ(got.error().code, errc::corrupt_record);
  }
}

TEST(replica_wire, refuses_chunks_that_cannot_be_of_their_message) {
  const auto with = [](auto change) {
    auto m = every_kind()[0];
    auto& c = std::get<append_message>(m.body).chunks[0];
    change(m, c.header);
    return decode_frame(encode_frame(&m, 1));
  };
  EXPECT_TRUE(with([](auto&, auto&) {}));
  EXPECT_FALSE(with([](auto& m, auto&) { m.shard = 10; }));
  EXPECT_FALSE(with([](auto&, auto& h) { h.base = 0; }));
  EXPECT_FALSE(with([](auto&, auto& h) { h.count = 0; }));
  EXPECT_FALSE(with([](auto&, auto& h) { h.base = ~std::uint64_t{0}; }));
}

TEST(replica_wire, counts_that_no_frame_could_hold_allocate_nothing) {
  // Two billion messages, in seven bytes.
  EXPECT_FALSE(decode_frame(std::string{"\x01\xff\xff\xff\xff\x07\x00", 7}));
  auto m = every_kind()[5];
  auto bytes = encode_frame(&m, 1);
  const auto in_sync = bytes.size() - (1 + 17 + 18) - 32 - 1;
  ASSERT_EQ(bytes[in_sync], 2);
  bytes[in_sync] = 0x7f;
  EXPECT_FALSE(decode_frame(bytes));
}

}  // namespace
}  // namespace tally::cluster

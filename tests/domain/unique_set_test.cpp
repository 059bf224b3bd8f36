#include "domain/unique_set.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <random>
#include <set>

namespace tally {
namespace {

std::string encoded(const unique_set& s) {
  std::string bytes;
  byte_writer out{bytes};
  s.encode(out);
  return bytes;
}

std::vector<std::uint64_t> random_hashes(std::uint64_t seed, std::size_t count) {
  std::mt19937_64 random{seed};
  std::vector<std::uint64_t> hashes(count);
  for (auto& h : hashes) h = random();
  return hashes;
}

unique_set of(const std::vector<std::uint64_t>& hashes) {
  unique_set s;
  for (const auto h : hashes) s.add(h);
  return s;
}

// What the bytes say of the form: 0 exact, 1 sparse, 2 dense.
int form_of(const unique_set& s) {
  const auto bytes = encoded(s);
  byte_reader in{bytes};
  const auto tag = in.varint();
  return tag <= 512 ? 0 : static_cast<int>(tag - 512);
}

TEST(unique_set, is_empty_at_first_and_16_bytes_in_size) {
  const unique_set s;
  EXPECT_EQ(sizeof(s), 16);
  EXPECT_TRUE(s.empty());
  EXPECT_TRUE(s.exact());
  EXPECT_EQ(s.estimate(), 0);
  EXPECT_EQ(s.relative_error(), 0);
  EXPECT_EQ(encoded(s), std::string(1, '\0'));
}

TEST(unique_set, one_hash_needs_no_heap_and_may_be_zero) {
  unique_set s;
  s.add(0);
  s.add(0);
  EXPECT_FALSE(s.empty());
  EXPECT_EQ(s.estimate(), 1);
  EXPECT_EQ(s.heap_bytes(), 0);
  s.add(~std::uint64_t{0});
  EXPECT_EQ(s.estimate(), 2);
  EXPECT_EQ(s.heap_bytes(), 32);
}

TEST(unique_set, is_exact_up_to_512_whatever_is_repeated) {
  const auto hashes = random_hashes(1, 512);
  unique_set s;
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    s.add(hashes[i]);
    s.add(hashes[i / 2]);
    EXPECT_EQ(s.estimate(), i + 1);
    EXPECT_TRUE(s.exact());
    EXPECT_EQ(s.relative_error(), 0);
    EXPECT_LE(s.heap_bytes(), std::max<std::size_t>(32, 16 * (i + 1)));
  }
  s.add(random_hashes(2, 1)[0]);
  EXPECT_FALSE(s.exact());
  EXPECT_EQ(s.estimate(), 513);
  EXPECT_NEAR(s.relative_error(), 1.0 / 8192, 1e-9);
}

TEST(unique_set, becomes_dense_past_3072_indexes) {
  const auto hashes = random_hashes(3, 4'000);
  unique_set s;
  std::set<std::uint64_t> indexes;
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    s.add(hashes[i]);
    s.add(hashes[i / 2]);
    indexes.insert(hashes[i] >> 39);
    if (i < 512 || i % 7 != 0) continue;
    EXPECT_EQ(form_of(s), indexes.size() <= 3'072 ? 1 : 2) << i;
    EXPECT_EQ(s.relative_error() > 0.001, indexes.size() > 3'072) << i;
    EXPECT_LE(s.heap_bytes(), 16'384);
  }
}

TEST(unique_set, hashes_that_share_an_index_stay_sparse_whatever_their_number) {
  unique_set up, down;
  for (std::uint64_t i = 0; i < 5'000; ++i) {
    up.add(i);
    down.add(4'999 - i);
  }
  EXPECT_EQ(form_of(up), 1);
  EXPECT_EQ(encoded(up), encoded(down));
  EXPECT_EQ(up, down);
}

TEST(unique_set, sparse_turned_dense_equals_dense_from_the_start) {
  auto hashes = random_hashes(4, 6'000);
  // Registers whose rank lies beyond the 25 index bits, to the last possible one.
  for (std::uint64_t i = 0; i < 51; ++i)
    hashes.push_back((i << 50) | (std::uint64_t{1} << (49 - i % 50)));
  hashes.push_back(std::uint64_t{77} << 50);
  std::array<std::uint8_t, 16'384> registers{};
  for (const auto h : hashes) {
    const auto rank = std::min(std::countl_zero(h << 14), 50) + 1;
    auto& r = registers[h >> 50];
    r = std::max(r, static_cast<std::uint8_t>(rank));
  }
  const auto bytes = encoded(of(hashes));
  byte_reader in{bytes};
  EXPECT_EQ(in.varint(), 514);
  ASSERT_EQ(in.rest().size(), 12'288);
  for (std::size_t i = 0; i < registers.size(); i += 4) {
    const auto high = in.u16be();
    const auto three = static_cast<std::uint32_t>(high) << 8 | in.u8();
    for (unsigned j = 0; j < 4; ++j) {
      ASSERT_EQ(three >> (18 - 6 * j) & 0x3f, registers[i + j]) << i + j;
    }
  }
}

TEST(unique_set, estimates_stay_within_three_standard_errors) {
  unique_set s;
  std::mt19937_64 random{5};
  std::uint64_t added = 0;
  for (const std::uint64_t n : {1'000u, 2'000u, 3'000u, 4'000u, 8'000u, 20'000u, 40'000u, 60'000u,
                                100'000u, 300'000u, 1'000'000u, 5'000'000u}) {
    for (; added < n; ++added) s.add(random());
    const auto error = std::abs(static_cast<double>(s.estimate()) / static_cast<double>(n) - 1);
    EXPECT_LE(error, 3 * s.relative_error()) << n << " estimated as " << s.estimate();
  }
}

TEST(unique_set, estimates_are_not_biased) {
  for (const std::size_t n : {5'000u, 30'000u, 45'000u}) {
    double sum = 0;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
      sum += static_cast<double>(of(random_hashes(1'000 + seed, n)).estimate());
    }
    const auto bias = sum / 100 / static_cast<double>(n) - 1;
    EXPECT_LE(std::abs(bias), 3 * 0.0082 / 10) << n;
  }
}

TEST(unique_set, any_split_order_and_grouping_gives_the_same_bytes) {
  std::mt19937_64 random{6};
  for (const std::size_t n : {0u, 1u, 2u, 5u, 9u, 300u, 512u, 513u, 520u, 1'500u, 3'000u, 3'072u,
                              3'073u, 3'100u, 10'000u}) {
    const auto hashes = random_hashes(n, n);
    const auto whole = encoded(of(hashes));
    for (int round = 0; round < 20; ++round) {
      std::vector<unique_set> parts(1 + random() % 6);
      for (const auto h : hashes) {
        // Uneven parts that overlap: all forms meet each other.
        parts[random() % (1 + random() % parts.size())].add(h);
        if (random() % 4 == 0) parts[random() % parts.size()].add(h);
      }
      while (parts.size() > 1) {
        const auto i = random() % parts.size();
        auto taken = std::move(parts[i]);
        parts[i] = std::move(parts.back());
        parts.pop_back();
        auto& into = parts[random() % parts.size()];
        into.merge(taken);
        into.merge(unique_set{});
      }
      ASSERT_EQ(encoded(parts[0]), whole) << n;
      ASSERT_EQ(parts[0], of(hashes));
      ASSERT_EQ(parts[0].estimate(), of(hashes).estimate());
    }
  }
}

TEST(unique_set, merging_with_itself_or_a_copy_changes_nothing) {
  for (const std::size_t n : {0u, 1u, 7u, 400u, 2'000u, 9'000u}) {
    auto s = of(random_hashes(n, n));
    const auto copy = s;
    s.merge(s);
    EXPECT_EQ(s, copy);
    s.merge(copy);
    EXPECT_EQ(encoded(s), encoded(copy));
  }
}

TEST(unique_set, sets_that_differ_in_one_hash_are_not_equal) {
  for (const std::size_t n : {0u, 1u, 2u, 511u, 512u, 1'000u}) {
    auto s = of(random_hashes(n, n));
    const auto before = s;
    s.add(42);
    EXPECT_FALSE(s == before) << n;
  }
}

TEST(unique_set, copies_and_moves_are_independent) {
  for (const std::size_t n : {1u, 7u, 600u, 9'000u}) {
    auto s = of(random_hashes(n, n));
    const auto bytes = encoded(s);
    auto copy = s;
    copy.add(1);
    EXPECT_EQ(encoded(s), bytes);
    const auto moved = std::move(s);
    EXPECT_EQ(encoded(moved), bytes);
    EXPECT_TRUE(s.empty());  // NOLINT(bugprone-use-after-move)
    s = moved;
    s = unique_set{s};
    EXPECT_EQ(encoded(s), bytes);
  }
}

TEST(unique_set, comes_back_from_its_bytes_and_goes_on_counting_alike) {
  for (const std::size_t n : {0u, 1u, 2u, 4u, 5u, 512u, 513u, 3'000u, 9'000u}) {
    auto s = of(random_hashes(n, n));
    const auto bytes = encoded(s);
    byte_reader in{bytes};
    auto back = unique_set::decode(in);
    EXPECT_TRUE(in.ok() && in.at_end());
    EXPECT_EQ(back, s);
    for (const auto h : random_hashes(77, 600)) {
      s.add(h);
      back.add(h);
    }
    EXPECT_EQ(encoded(back), encoded(s));
    for (std::size_t size = 0; size < bytes.size(); size += 1 + size / 64) {
      byte_reader torn{std::string_view{bytes}.substr(0, size)};
      EXPECT_TRUE(unique_set::decode(torn).empty());
      EXPECT_FALSE(torn.ok());
    }
  }
}

std::string sparse_bytes(const std::vector<std::uint64_t>& gaps) {
  std::string bytes;
  byte_writer out{bytes};
  out.varint(513);
  out.varint(gaps.size());
  for (const auto gap : gaps) out.varint(gap);
  return bytes;
}

TEST(unique_set, bytes_that_it_cannot_have_written_fail) {
  const auto u64 = [](std::uint64_t v) {
    std::string bytes;
    byte_writer{bytes}.u64be(v);
    return bytes;
  };
  const auto dense_head = encoded(of(random_hashes(1, 9'000))).substr(0, 2);
  const std::pair<const char*, std::string> cases[] = {
      {"exact and descending", "\2" + u64(5) + u64(4)},
      {"exact with a hash twice", "\2" + u64(5) + u64(5)},
      {"exact with more hashes than bytes", "\x80\4" + u64(5)},
      {"an unknown form", std::string{"\x83\4", 2} + std::string(20'000, '\1')},
      {"sparse and empty", sparse_bytes({})},
      {"sparse with rank 0", sparse_bytes({64})},
      {"sparse with rank 41", sparse_bytes({41})},
      {"sparse with an index twice", sparse_bytes({1, 1})},
      {"sparse past the last index", sparse_bytes({std::uint64_t{1} << 31 | 1})},
      {"sparse with indexes that wrap", sparse_bytes({64 + 1, ~std::uint64_t{0}})},
      {"sparse with too many", sparse_bytes(std::vector<std::uint64_t>(3'073, 65))},
      {"sparse with more entries than bytes", sparse_bytes({1, 64}).replace(2, 1, "\3")},
      {"dense and empty", dense_head + std::string(12'288, '\0')},
      {"dense but sparse enough", dense_head + "\4" + std::string(12'287, '\0')},
      {"dense with rank 63", dense_head + std::string(12'288, '\xff')},
  };
  for (const auto& [what, bytes] : cases) {
    byte_reader in{bytes};
    EXPECT_TRUE(unique_set::decode(in).empty()) << what;
    EXPECT_FALSE(in.ok()) << what;
  }
}

TEST(unique_set, random_damage_fails_or_gives_a_set_with_those_very_bytes) {
  std::mt19937_64 random{8};
  for (int round = 0; round < 3'000; ++round) {
    auto bytes = encoded(of(random_hashes(random(), random() % 700)));
    bytes[random() % std::min<std::size_t>(bytes.size(), 40)] = static_cast<char>(random());
    byte_reader in{bytes};
    const auto set = unique_set::decode(in);
    if (!in.ok()) continue;
    const auto again = encoded(set);
    byte_reader in_again{again};
    EXPECT_EQ(unique_set::decode(in_again), set);
    EXPECT_TRUE(in_again.ok());
  }
}

}  // namespace
}  // namespace tally

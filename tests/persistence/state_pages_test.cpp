#include <gtest/gtest.h>

#include <limits>

#include "domain/bytes.hpp"
#include "persistence/state_codec.hpp"

namespace tally::persistence {
namespace {

std::string visits_page(std::uint64_t visitor, std::int64_t begin_ms, std::uint64_t length_ms) {
  std::string bytes;
  byte_writer out{bytes};
  out.varint(1);
  out.u64be(visitor);
  out.zigzag(begin_ms);
  out.varint(length_ms);
  out.varint(1);
  out.u8(0);
  return bytes;
}

TEST(visits_page, a_visit_is_read_and_times_that_no_event_can_have_are_damage) {
  constexpr auto latest = std::numeric_limits<std::int64_t>::max();
  constexpr auto longest = std::numeric_limits<std::uint64_t>::max();
  visit_table visits;
  ASSERT_TRUE(decode_visits_page(visits_page(7, -1'000, 2'000), visits));
  const auto read = visits.sorted();
  ASSERT_EQ(read.size(), 1u);
  EXPECT_EQ(read[0].begin_ms, -1'000);
  EXPECT_EQ(read[0].end_ms, 1'000);
  EXPECT_FALSE(decode_visits_page(visits_page(0, 0, 0), visits));
  EXPECT_FALSE(decode_visits_page(visits_page(7, latest, 1), visits));
  EXPECT_FALSE(decode_visits_page(visits_page(7, -latest, 1), visits));
  EXPECT_FALSE(decode_visits_page(visits_page(7, 0, longest), visits));
}

TEST(state_pages, bytes_that_end_early_or_late_are_damage) {
  const auto page = visits_page(7, 1'000, 2'000);
  for (std::size_t size = 0; size < page.size(); ++size) {
    visit_table visits;
    EXPECT_FALSE(decode_visits_page(page.substr(0, size), visits)) << size;
  }
  visit_table visits;
  seen_texts texts;
  std::vector<seen_id> ids;
  loaded_state head;
  bool full = false;
  EXPECT_FALSE(decode_visits_page(page + '\0', visits));
  EXPECT_FALSE(decode_head("", head));
  EXPECT_FALSE(decode_head("\x63", head));
  EXPECT_FALSE(decode_texts_page("\x02", texts, full));
  EXPECT_FALSE(decode_id_run("\x01\xff\xff\xff\xff\x0f", ids));
}

}  // namespace
}  // namespace tally::persistence

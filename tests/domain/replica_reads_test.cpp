// Rules of reads and of a planned hand-over (docs/explanation/replication.md).
#include "tests/domain/replica_fixture.hpp"

namespace tally {
namespace {

using tickets_of = std::vector<std::uint64_t>;

// ---- reads

TEST_F(replica_test, reads_while_all_that_count_answered_less_than_a_lease_ago) {
  lead();
  EXPECT_TRUE(core_->may_read(now_));
  now_.steady += 799ms;
  EXPECT_TRUE(core_->may_read(now_));
  now_.steady += 1ms;
  EXPECT_FALSE(core_->may_read(now_));
  ack_from(b, 0);
  EXPECT_FALSE(core_->may_read(now_)) << "one of two";
  ack_from(c, 0);
  EXPECT_TRUE(core_->may_read(now_));
}

TEST_F(replica_test, reads_after_it_committed_what_was_there_at_its_start) {
  const auto log = chunks({}, 1, 1);
  auto found = healthy();
  found.promise = 1;
  found.log.push_back(log[0].header);
  start(found);
  see(config_of(2, 2, a));
  sync();
  ack_from(b, 0);
  ack_from(c, 0);
  EXPECT_FALSE(core_->may_read(now_));
  ack_from(b, 1);
  ack_from(c, 1);
  EXPECT_TRUE(core_->may_read(now_));
}

// ---- hand-over

TEST_F(replica_test, hands_over_once_what_is_on_its_way_is_committed) {
  lead();
  batch(1);
  feed(hand_over_requested{b});
  batch(2);
  EXPECT_TRUE(all<compare_and_swap>().empty());
  sync();
  ack_from(b, 1);
  ack_from(c, 1);
  const auto swap = last<compare_and_swap>();
  EXPECT_EQ(swap.proposed.epoch, 2U);
  EXPECT_EQ(swap.proposed.leader, b);
  EXPECT_EQ(swap.proposed.incarnation, 1U);
  EXPECT_EQ(swap.proposed.in_sync, (std::vector{a, b, c}));
  answer_swap(swap_outcome::done, 3);
  EXPECT_EQ(tickets(append_outcome::committed), tickets_of{1});
  EXPECT_EQ(tickets(append_outcome::moved), tickets_of{2});
  EXPECT_EQ(last<completed>().leader, b);
  EXPECT_EQ(sent<handover_message>(b).size(), 1U);
}

TEST_F(replica_test, stops_reads_before_the_hand_over_is_asked_for) {
  lead();
  ASSERT_TRUE(core_->may_read(now_));
  feed(hand_over_requested{b});
  ASSERT_EQ(all<compare_and_swap>().size(), 1U);
  EXPECT_FALSE(core_->may_read(now_));
  answer_swap(swap_outcome::unknown);
  EXPECT_FALSE(core_->may_read(now_)) << "it may have happened";
  read_gives(config_of(2, 1, a));
  EXPECT_FALSE(core_->may_read(now_)) << "it may yet happen";
  answer_swap(swap_outcome::unknown);
  see(config_of(3, 1, a));
  EXPECT_TRUE(core_->may_read(now_)) << "on a newer version it never happens";
}

TEST_F(replica_test, gives_up_a_hand_over_that_does_not_drain) {
  lead();
  batch(1);
  feed(hand_over_requested{b});
  batch(2);
  forget();
  for (int i = 0; i < 10; ++i) {
    ack_from(b, 0);
    ack_from(c, 0);
    pass(50ms);
  }
  EXPECT_EQ(last<append_chunks>().chunks[0].header.base, 2U);
  EXPECT_EQ(core_->role(), replica_role::leader);
}

TEST_F(replica_test, hands_over_only_to_a_copy_that_counts) {
  lead({a, b});
  feed(hand_over_requested{c});
  pass(50ms);
  EXPECT_TRUE(all<compare_and_swap>().empty());
}

TEST_F(replica_test, starts_by_the_word_of_the_leader_that_hands_over) {
  follow();
  hear(b, 1, handover_message{config_of(3, 2, a)});
  sync();
  EXPECT_EQ(core_->role(), replica_role::leader);
  EXPECT_EQ(core_->epoch(), 2U);
}

TEST_F(replica_test, flees_from_its_own_slow_disk) {
  lead();
  batch(1);
  for (int i = 0; i < 22; ++i) {
    ack_from(b, 1);
    ack_from(c, 1);
    pass(50ms);
  }
  EXPECT_EQ(last<compare_and_swap>().proposed.leader, b);
}

}  // namespace
}  // namespace tally

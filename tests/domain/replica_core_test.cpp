// One test per rule of docs/explanation/replication.md. What random faults make of all of them
// together is for tests/simulation/.
#include "tests/domain/replica_fixture.hpp"

namespace tally {
namespace {

using tickets_of = std::vector<std::uint64_t>;

// ---- append, follow, answer, commit

TEST_F(replica_test, sends_a_batch_to_every_in_sync_copy_at_once) {
  lead();
  batch(1);
  for (const auto to : {b, c}) {
    ASSERT_EQ(sent<append_message>(to).size(), 1U);
    EXPECT_EQ(sent<append_message>(to)[0].chunks.size(), 1U);
  }
  EXPECT_EQ(last<append_chunks>().chunks[0].header.epoch, 1U);
}

TEST_F(replica_test, refuses_a_batch_before_it_is_appended_where_too_few_count) {
  lead({a});
  batch(1);
  EXPECT_EQ(tickets(append_outcome::retry), tickets_of{1});
  EXPECT_TRUE(all<append_chunks>().empty());
}

TEST_F(replica_test, never_stamps_earlier_than_before) {
  lead();
  batch(1);
  const auto first = last<append_chunks>().chunks[0].header.stamped_at;
  now_.wall -= 1h;
  batch(2);
  EXPECT_EQ(last<append_chunks>().chunks[0].header.stamped_at, first);
}

TEST_F(replica_test, commits_once_every_in_sync_copy_and_its_own_disk_have_it) {
  lead();
  batch(1);
  ack_from(b, 1);
  ack_from(c, 1);
  EXPECT_EQ(core_->commit(), 0U) << "its own disk is missing";
  sync();
  EXPECT_EQ(core_->commit(), 1U);
  EXPECT_EQ(tickets(append_outcome::committed), tickets_of{1});
  batch(2);
  sync();
  ack_from(b, 2);
  EXPECT_EQ(core_->commit(), 1U) << "two of three are not all";
}

TEST_F(replica_test, counts_no_answer_of_another_epoch) {
  lead();
  batch(1);
  sync();
  ack_from(b, 1);
  hear(c, 0, ack_message{1, now_.steady, now_.wall});
  EXPECT_EQ(core_->commit(), 0U);
}

TEST_F(replica_test, counts_nothing_that_a_process_before_a_restart_said) {
  lead();
  batch(1);
  ack_from(b, 1);
  feed(message_received{{cluster, shard, 1, b, 2, ack_message{0, now_.steady, now_.wall}}});
  ack_from(c, 1);
  sync();
  EXPECT_EQ(core_->commit(), 0U);
}

TEST_F(replica_test, refuses_a_lower_epoch_than_it_promised) {
  follow();
  append_from(c, 3, {}, {});
  sync();
  forget();
  append_from(b, 1, {}, chunks({}, 1, 1));
  EXPECT_EQ(sent<stale_message>(b).size(), 1U);
  EXPECT_TRUE(all<append_chunks>().empty());
}

TEST_F(replica_test, promises_a_higher_epoch_on_disk_before_it_answers) {
  follow();
  append_from(c, 3, {}, {});
  EXPECT_EQ(last<persist_promise>().epoch, 3U);
  EXPECT_TRUE(sent<ack_message>(c).empty());
  sync();
  EXPECT_EQ(sent<ack_message>(c).size(), 1U);
}

TEST_F(replica_test, answers_a_chunk_after_it_is_on_disk) {
  follow();
  append_from(b, 1, {}, chunks({}, 1, 2));
  EXPECT_TRUE(sent<ack_message>(b).empty());
  sync();
  ASSERT_EQ(sent<ack_message>(b).size(), 1U);
  EXPECT_EQ(sent<ack_message>(b)[0].match, 2U);
}

TEST_F(replica_test, acknowledges_what_is_the_leaders_not_the_end_of_its_log) {
  const auto log = chunks({}, 1, 3);
  follow(log);
  append_from(c, 2, end_of(log[0].header), {});
  sync();
  EXPECT_EQ(sent<ack_message>(c).back().match, 1U);
}

TEST_F(replica_test, asks_to_go_back_where_the_logs_differ) {
  follow(chunks({}, 1, 2));
  auto other = end_of(chunks({}, 1, 2, 'y'));
  append_from(b, 1, other, {});
  ASSERT_EQ(sent<nack_message>(b).size(), 1U);
  EXPECT_TRUE(sent<ack_message>(b).empty());
}

TEST_F(replica_test, cuts_its_log_at_the_first_difference) {
  const auto log = chunks({}, 1, 3);
  follow(log);
  append_from(c, 2, end_of(log[0].header), chunks(end_of(log[0].header), 2, 1, 'y'));
  EXPECT_EQ(last<truncate_log>().end, 1U);
  EXPECT_EQ(core_->end().offset, 2U);
  EXPECT_EQ(core_->end().epoch, 2U);
}

TEST_F(replica_test, stops_rather_than_cut_off_what_is_committed) {
  const auto log = chunks({}, 1, 2);
  follow(log);
  append_from(b, 1, end_of(log), {}, 2);
  append_from(c, 2, end_of(log[0].header), chunks(end_of(log[0].header), 2, 1, 'y'));
  EXPECT_EQ(all<halted>().size(), 1U);
  EXPECT_TRUE(all<truncate_log>().empty());
}

TEST_F(replica_test, takes_a_commit_only_as_far_as_its_log_is_the_leaders) {
  const auto log = chunks({}, 1, 3);
  follow(log);
  append_from(c, 2, end_of(log[0].header), {}, 3);
  EXPECT_EQ(core_->commit(), 1U);
}

TEST_F(replica_test, fails_what_is_pending_when_it_steps_down) {
  lead();
  batch(1);
  append_from(b, 2, {}, {});
  EXPECT_EQ(tickets(append_outcome::retry), tickets_of{1});
  EXPECT_EQ(core_->role(), replica_role::follower);
}

// ---- who counts

TEST_F(replica_test, drops_a_silent_follower_and_waits_for_it_until_the_store_confirms) {
  lead();
  batch(1);
  sync();
  for (int i = 0; i < 14; ++i) {
    ack_from(b, 1);
    pass(50ms);
  }
  EXPECT_EQ(last<compare_and_swap>().proposed.in_sync, (std::vector{a, b}));
  EXPECT_EQ(core_->commit(), 0U);
  answer_swap(swap_outcome::done, 3);
  EXPECT_EQ(core_->commit(), 1U);
}

TEST_F(replica_test, drops_nobody_where_too_few_would_remain) {
  lead();
  pass(1s);
  EXPECT_TRUE(all<compare_and_swap>().empty());
}

TEST_F(replica_test, waits_for_a_follower_whose_leaving_is_in_doubt) {
  lead();
  batch(1);
  sync();
  for (int i = 0; i < 14; ++i) {
    ack_from(b, 1);
    pass(50ms);
  }
  answer_swap(swap_outcome::unknown);
  EXPECT_EQ(core_->commit(), 0U);
  read_gives(config_of(3, 1, a, {a, b}));
  EXPECT_EQ(core_->commit(), 1U);
}

TEST_F(replica_test, counts_a_learner_before_it_asks_the_store) {
  lead({a, b});
  batch(1);
  sync();
  ack_from(b, 1);
  hear(c, 1, pull_message{0});
  ack_from(c, 1);
  ASSERT_EQ(last<compare_and_swap>().proposed.in_sync, (std::vector{a, b, c}));
  batch(2);
  sync();
  ack_from(b, 2);
  EXPECT_EQ(core_->commit(), 1U);
  ack_from(c, 2);
  EXPECT_EQ(core_->commit(), 2U);
}

TEST_F(replica_test, counts_no_learner_that_lacks_what_was_there_at_the_epochs_start) {
  const auto log = chunks({}, 1, 2);
  auto found = healthy();
  found.promise = 1;
  for (const auto& chunk : log) found.log.push_back(chunk.header);
  start(found);
  see(config_of(2, 2, a, {a, b}));
  sync();
  ASSERT_EQ(core_->role(), replica_role::leader);
  ASSERT_EQ(core_->commit(), 0U);
  hear(c, 2, pull_message{1});
  ack_from(c, 1);
  pass(50ms);
  EXPECT_TRUE(all<compare_and_swap>().empty());
}

TEST_F(replica_test, sends_a_learner_for_a_copy_where_its_log_differs_at_the_oldest_chunk) {
  lead({a, b});
  batch(1);
  batch(2);
  sync();
  ack_from(b, 2);
  feed(log_trimmed{core_->end()});
  forget();
  hear(c, 1, pull_message{2});
  ASSERT_EQ(sent<append_message>(c).size(), 1U);
  hear(c, 1, nack_message{end_of(chunks({}, 1, 2, 'y')), now_.steady});
  EXPECT_EQ(sent<copy_needed_message>(c).size(), 1U);
}

// ---- take-over

TEST_F(replica_test, takes_over_from_a_silent_leader_after_three_seconds_without_a_witness) {
  follow();
  pass(2'950ms);
  EXPECT_TRUE(all<compare_and_swap>().empty());
  EXPECT_FALSE(all<probe_leader>().empty());
  pass(50ms);
  const auto swap = last<compare_and_swap>();
  EXPECT_EQ(swap.expected_version, 2U);
  EXPECT_EQ(swap.proposed.epoch, 2U);
  EXPECT_EQ(swap.proposed.leader, a);
  EXPECT_EQ(swap.proposed.in_sync, (std::vector{a, c}));
}

TEST_F(replica_test, takes_over_after_a_second_where_the_leaders_lease_is_gone) {
  follow();
  feed(leader_witnessed{1, witness::lease_gone});
  pass(950ms);
  EXPECT_TRUE(all<compare_and_swap>().empty());
  pass(50ms);
  EXPECT_EQ(all<compare_and_swap>().size(), 1U);
}

TEST_F(replica_test, takes_over_at_once_where_the_leaders_process_is_dead) {
  follow();
  feed(peer_down{b});
  pass(50ms);
  EXPECT_EQ(last<probe_leader>().leader, b);
  feed(leader_witnessed{1, witness::refused});
  tick();
  EXPECT_EQ(all<compare_and_swap>().size(), 1U);
}

TEST_F(replica_test, waits_its_turn_by_rank) {
  start();
  see(config_of(2, 1, b, {b, c, a}));
  feed(leader_witnessed{1, witness::refused});
  tick();
  pass(100ms);
  EXPECT_TRUE(all<compare_and_swap>().empty());
  pass(50ms);
  EXPECT_EQ(all<compare_and_swap>().size(), 1U);
}

TEST_F(replica_test, never_takes_over_where_it_does_not_count) {
  start();
  see(config_of(2, 1, b, {b, c}));
  feed(leader_witnessed{1, witness::refused});
  pass(10s);
  EXPECT_TRUE(all<compare_and_swap>().empty());
  EXPECT_EQ(core_->role(), replica_role::learner);
}

TEST_F(replica_test, leads_once_its_promise_is_on_disk) {
  follow();
  feed(leader_witnessed{1, witness::refused});
  tick();
  answer_swap(swap_outcome::done, 3);
  EXPECT_EQ(core_->role(), replica_role::starting);
  sync();
  EXPECT_EQ(core_->role(), replica_role::leader);
  EXPECT_EQ(core_->epoch(), 2U);
}

TEST_F(replica_test, waits_out_the_lease_of_a_leader_that_came_back_meanwhile) {
  follow();
  pass(3s);
  append_from(b, 1, {}, {});  // answered: the old leader may read for a while
  ASSERT_FALSE(sent<ack_message>(b).empty());
  answer_swap(swap_outcome::done, 3);
  sync();
  EXPECT_EQ(core_->role(), replica_role::starting);
  pass(950ms);
  EXPECT_EQ(core_->role(), replica_role::starting);
  pass(50ms);
  EXPECT_EQ(core_->role(), replica_role::leader);
}

TEST_F(replica_test, waits_out_the_lease_also_where_the_watch_was_faster_than_the_answer) {
  follow();
  pass(3s);
  append_from(b, 1, {}, {});
  see(config_of(3, 2, a, {a, c}));
  answer_swap(swap_outcome::unknown);
  read_gives(config_of(3, 2, a, {a, c}));
  sync();
  EXPECT_EQ(core_->role(), replica_role::starting);
  pass(1s);
  EXPECT_EQ(core_->role(), replica_role::leader);
}

TEST_F(replica_test, asks_the_store_after_a_swap_without_an_answer_and_proposes_nothing_before) {
  follow();
  pass(3s);
  const auto first = last<compare_and_swap>().request;
  answer_swap(swap_outcome::unknown);
  forget();
  pass(1s);
  EXPECT_TRUE(all<compare_and_swap>().empty());
  read_gives(config_of(2, 1, b));
  tick();
  EXPECT_GT(last<compare_and_swap>().request, first);
}

TEST_F(replica_test, takes_over_no_more_than_thrice_a_minute) {
  follow();
  std::uint64_t version = 2;
  for (std::uint32_t epoch = 1; epoch < 12; epoch += 2) {
    feed(leader_witnessed{epoch, witness::refused});
    tick();
    if (all<compare_and_swap>().empty()) break;
    answer_swap(swap_outcome::done, ++version);
    sync();
    see(config_of(++version, epoch + 2, b));
    append_from(b, epoch + 2, {}, {});
    sync();
    forget();
  }
  EXPECT_EQ(version, 2U + 3 * 2);
}

// ---- restart and loss

TEST_F(replica_test, raises_the_epoch_that_the_process_before_it_led) {
  auto found = healthy();
  found.promise = 4;
  start(found);
  auto config = config_of(9, 4, a);
  config.incarnation = incarnation - 1;
  see(config);
  EXPECT_EQ(last<compare_and_swap>().proposed.epoch, 5U);
  EXPECT_EQ(last<compare_and_swap>().proposed.incarnation, incarnation);
  EXPECT_EQ(last<compare_and_swap>().proposed.in_sync, config.in_sync);
  EXPECT_NE(core_->role(), replica_role::leader);
}

TEST_F(replica_test, takes_another_name_where_its_log_may_lack_something) {
  auto found = healthy();
  found.lossy = true;
  start(found);
  EXPECT_EQ(last<persist_identity>().id, fresh);
  see(config_of(2, 1, b));
  EXPECT_EQ(core_->role(), replica_role::learner);
  pass(200ms);
  EXPECT_FALSE(sent<join_message>(b).empty());
}

TEST_F(replica_test, reports_damage_where_the_leader_counts_on_more_than_it_has) {
  follow();
  hear(b, 1, append_message{.config_version = 2, .prev = {}, .chunks = {}, .end = 5, .acked = 5});
  EXPECT_EQ(last<damage_reported>().expected, 5U);
  EXPECT_EQ(core_->role(), replica_role::quarantined);
  feed(damage_found{fresh});
  EXPECT_EQ(last<persist_identity>().id, fresh);
  EXPECT_EQ(core_->role(), replica_role::learner);
}

TEST_F(replica_test, refuses_a_store_that_is_older_than_its_promise) {
  auto found = healthy();
  found.promise = 4;
  start(found);
  read_gives(config_of(2, 3, b));
  EXPECT_EQ(last<store_refused>().promised, 4U);
  pass(10s);
  EXPECT_TRUE(all<compare_and_swap>().empty());
}

TEST_F(replica_test, refuses_the_store_of_another_cluster) {
  start();
  auto foreign = config_of(2, 1, b);
  foreign.cluster = cluster + 1;
  read_gives(foreign);
  EXPECT_EQ(all<store_refused>().size(), 1U);
  EXPECT_EQ(core_->config().version, 0U);
}

}  // namespace
}  // namespace tally

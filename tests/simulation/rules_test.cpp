// One test per rule that safety rests on: without it, the simulator must find a violation.
#include <gtest/gtest.h>

#include <string>

#include "tests/simulation/simulation.hpp"

namespace tally::simulation {
namespace {

struct removed_rule {
  const char* name;
  bool replica_rules::*rule;
  std::uint64_t seeds = 2'500;  // within so many it must be noticed
};

void PrintTo(const removed_rule& r, std::ostream* out) {
  *out << r.name;
}

class rules : public testing::TestWithParam<removed_rule> {};

TEST_P(rules, are_missed_where_one_is_removed) {
  replica_rules without;
  without.*GetParam().rule = false;
  for (std::uint64_t seed = 1; seed <= GetParam().seeds; ++seed) {
    const auto one = run({.seed = seed, .rules = without});
    if (one.violation.empty()) continue;
    RecordProperty("seed", std::to_string(seed));
    RecordProperty("violation", one.violation);
    return;
  }
  FAIL() << "no violation in " << GetParam().seeds << " seeds without " << GetParam().name;
}

const removed_rule removed[] = {
    {"ack_after_sync", &replica_rules::ack_after_sync},
    {"leader_counts_synced", &replica_rules::leader_counts_synced},
    {"all_in_sync_needed", &replica_rules::all_in_sync_needed},
    {"in_flight_sets_counted", &replica_rules::in_flight_sets_counted},
    {"shrink_after_confirmation", &replica_rules::shrink_after_confirmation},
    {"expand_past_commit", &replica_rules::expand_past_commit},
    {"expand_past_epoch_start", &replica_rules::expand_past_epoch_start},
    {"promise_persisted", &replica_rules::promise_persisted},
    {"stale_epoch_refused", &replica_rules::stale_epoch_refused},
    {"chain_matched", &replica_rules::chain_matched},
    {"match_acknowledged", &replica_rules::match_acknowledged},
    {"truncate_only_conflicts", &replica_rules::truncate_only_conflicts},
    {"commit_within_match", &replica_rules::commit_within_match},
    {"lossy_gets_new_id", &replica_rules::lossy_gets_new_id},
    {"new_epoch_on_restart", &replica_rules::new_epoch_on_restart},
    {"unknown_swap_may_have_happened", &replica_rules::unknown_swap_may_have_happened},
    {"unknown_swap_may_have_failed", &replica_rules::unknown_swap_may_have_failed},
    {"swap_names_version", &replica_rules::swap_names_version},
    {"only_in_sync_takes_over", &replica_rules::only_in_sync_takes_over},
    {"pending_fails_at_step_down", &replica_rules::pending_fails_at_step_down},
    {"lease_checked", &replica_rules::lease_checked},
    {"reads_wait_for_epoch_start", &replica_rules::reads_wait_for_epoch_start},
    {"late_takeover_waits_out_lease", &replica_rules::late_takeover_waits_out_lease},
    {"handover_in_doubt_stops_reads", &replica_rules::handover_in_doubt_stops_reads},
};

INSTANTIATE_TEST_SUITE_P(removed, rules, testing::ValuesIn(removed),
                         [](const auto& tested) { return std::string{tested.param.name}; });

/// The last guard: a copy stops before it cuts off what is committed. Without it, and with a reason
/// to cut, the loss itself must be seen.
TEST(rules, the_guard_of_the_commit_hides_no_loss) {
  replica_rules without;
  without.truncate_only_conflicts = without.committed_never_truncated = false;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    const auto one = run({.seed = seed, .rules = without});
    if (one.violation.find("is truncated") != std::string::npos) return;
  }
  FAIL() << "no committed chunk was truncated";
}

}  // namespace
}  // namespace tally::simulation

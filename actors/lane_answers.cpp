#include <algorithm>

#include "actors/lane.hpp"

/// The part of a lane that lets clients wait, or no longer.
namespace tally::actors {
namespace {

constexpr std::size_t parked_questions_max = 1'000;
constexpr int overdue_steps = 10;  // of visible_patience: how late a 202 may be

}  // namespace

// One timer for all that waits: a message per submission would cost more than the answer.
void lane_state::watch(const submission_ptr& durable) {
  const auto patience = env->options.visible_patience;
  durable_.push_back({std::chrono::steady_clock::now() + patience, durable});
  if (overdue_scheduled_) return;
  overdue_scheduled_ = true;
  self->delayed_send(self, patience, overdue_atom::value);
}

void lane_state::answer_overdue() {
  overdue_scheduled_ = false;
  const auto now = std::chrono::steady_clock::now();
  for (; !durable_.empty() && durable_.front().until <= now; durable_.pop_front())
    if (const auto waiting = durable_.front().waits.lock()) waiting->answer_durable();
  if (durable_.empty()) return;
  overdue_scheduled_ = true;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(durable_.front().until - now);
  const auto step = env->options.visible_patience / overdue_steps;
  self->delayed_send(self, std::max({left, step, std::chrono::milliseconds{1}}),
                     overdue_atom::value);
}

bool lane_state::question_ready(const query_job& job) const {
  return std::all_of(job.after.begin(), job.after.end(), [&](const ack_position& p) {
    return p.shard != shard_of(merchant_hash(job.asked.merchant)) ||
           handed_out_[index_in_lane(p.shard)].offset >= p.offset;
  });
}

void lane_state::ask(const query_job_ptr& job) {
  if (!question_ready(*job)) {
    if (parked_.size() >= parked_questions_max) {
      job->failed(failure{errc::unavailable, "too many questions wait for their events"});
      return;
    }
    parked_.push_back(job);
    return;
  }
  const auto hash = merchant_hash(job->asked.merchant);
  auto& slot = slot_of(job->asked.merchant, hash, std::chrono::steady_clock::now());
  // Everything handed out before is in the answer; with nothing on its way that is all until now.
  const auto& log = logs_[index_in_lane(shard_of(hash))];
  const auto& given = handed_out_[index_in_lane(shard_of(hash))];
  const bool all_handed_out = env->copies == nullptr ? log.given.next_offset == given.offset + 1
                                                     : log.led && in_flight_ == 0;
  const bool nothing_on_its_way = all_handed_out && !gathering_.payloads.contains(shard_of(hash));
  job->as_of = nothing_on_its_way ? env->now() : time_from_ms(given.stamped_at_ms);
  job->trace = trace_.look();
  wake(slot);
  ++slot.sent;
  self->send(slot.aggregator, ask_atom::value, job);
}

void lane_state::release_questions() {
  for (const auto& job : std::exchange(parked_, {})) {
    if (std::chrono::steady_clock::now() > job->deadline) {
      job->failed(failure{errc::unavailable, "the events to wait for are not visible yet"});
    } else {
      ask(job);
    }
  }
}

}  // namespace tally::actors

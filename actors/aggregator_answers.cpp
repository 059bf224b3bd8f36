#include "actors/aggregator.hpp"
#include "actors/event_scan.hpp"
#include "actors/query_worker.hpp"

/// The part of an aggregator that sends questions to who can answer them.
namespace tally::actors {
namespace {

/// Whether a question failed because totals cannot answer it and events may.
bool rows_lack(const failure& why) {
  return why.code == errc::unsupported &&
         (why.detail.starts_with("not_yet: ") || why.detail.starts_with("too_fine: "));
}

}  // namespace

void aggregator_state::ask(const query_job_ptr& job) {
  ++received_;
  questions_.push_back(job);
  work();
}

/// A merchant of whom the journal has nothing: its name was mistyped, say. Its making alone would
/// be an event.
failure aggregator_state::unknown() const {
  return {errc::not_found, "merchant '" + owner.merchant + "'"};
}

merchant_facts aggregator_state::facts() const {
  merchant_facts facts;
  facts.reporting_zone = state.reporting_zone;
  facts.zone_name = state.zone_name;
  facts.currency = state.currency;
  facts.names = state.names.all();
  facts.currencies = state.currencies.all();
  facts.any = state.newest_ms != std::numeric_limits<std::int64_t>::min();
  facts.rates = env->rates.now();
  if (const auto rules = env->generations.find(owner.generation); facts.rates && rules)
    facts.rates_known = time_from_ms(rules->created_ms);
  if (facts.any) {
    facts.newest = time_from_ms(state.newest_ms);
    facts.oldest = time_from_ms(state.oldest_ms);
  }
  return facts;
}

void aggregator_state::hand_to_worker(const query_job_ptr& job) {
  if (state.applied == 0) return job->failed(unknown());
  if (job->asked.generation != 0 && job->asked.generation != owner.generation)
    return job->failed({errc::bad_request, "/generation: the merchant's generation is " +
                                               std::to_string(owner.generation)});
  job->owner = owner;
  job->upto = state.applied;
  job->reporting_zone = state.reporting_zone;
  if (job->reader) return hand_to_scanner(job);
  const auto known = facts();
  auto planned = job->then ? make_plan(job->asked, known, job->now)
                           : result<plan>{failure{errc::unsupported, "not_yet: from events"}};
  if (!planned && rows_lack(planned.error())) {
    auto scanned = job->plan_events(known, job->now, *counting_);
    if (!scanned) return job->failed(scanned.error());
    job->scanned = std::move(*scanned);
    return hand_to_scanner(job);
  }
  if (!planned) return job->failed(planned.error());
  job->unsaved = rows_among(state.deltas, state, planned->ranges);
  if (saving_) {
    job->saving = rows_among(*saving_rows_, state, planned->ranges);
    job->saving_offset = saving_offset_;
  }
  job->planned = std::move(*planned);
  job->view = env->state->look();
  caf::anon_send(env->any_query(), ask_atom::value, job);
}

void aggregator_state::hand_to_scanner(const query_job_ptr& job) {
  job->view = env->state->look();
  env->run_scan(
      owner.merchant,
      [env = env, job] {
        if (job->reader) {
          job->reader(*env, *job);
        } else {
          answer_from_events(*env, *job);
        }
        job->view.reset();
      },
      [job] {
        job->failed({errc::unavailable, "too many questions wait for a scan"});
      });
}

}  // namespace tally::actors

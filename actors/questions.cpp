#include "actors/questions.hpp"

#include <algorithm>
#include <utility>

#include "actors/event_scan.hpp"
#include "actors/replication.hpp"
#include "persistence/named_filter_store.hpp"

namespace tally::actors {
namespace {

/// A question on its way, but for what makes an answer of it.
query_job_ptr new_job(asking how) {
  auto job = std::make_shared<query_job>();
  job->after = std::move(how.after);
  job->now = how.now;
  job->started = std::chrono::steady_clock::now();
  job->deadline = job->started + how.wait_max;
  return job;
}

const lane_actor& lane_for(const std::vector<lane_actor>& lanes, std::string_view merchant) {
  return lanes[lane_of(merchant)];
}

/// Somebody waits for this one: before the events that a lane has still to order.
void send_job(const lane_actor& lane, query_job_ptr job) {
  caf::anon_send<caf::message_priority::high>(lane, ask_atom::value, std::move(job));
}

/// Gives what `finish` makes of a scan, with what is to be told of it.
template <class Reply, class Finish>
std::function<void(scan&, query_reply)> finisher(callback<Reply> then, Finish finish) {
  return [then = std::move(then), finish = std::move(finish)](scan& found, query_reply meta) {
    auto table = finish(found);
    if (!table) return then(table.error());
    then(Reply{std::move(meta), std::move(*table)});
  };
}

/// The question within a question.
question& asked_in(question& q) {
  return q;
}
template <class Question>
question& asked_in(Question& q) {
  return q.asked;
}
bool names_filters_in(const question& q) {
  return std::ranges::any_of(q.filters, names_filters) ||
         std::ranges::find(q.dimensions, goal_field) != q.dimensions.end();
}
bool names_filters_in(const funnel_question& q) {
  return names_filters_in(q.asked) || std::ranges::any_of(q.steps, names_filters);
}
bool names_filters_in(const journeys_question& q) {
  return names_filters_in(q.asked) || names_filters(q.anchor);
}
bool names_filters_in(const retention_question& q) {
  return names_filters_in(q.asked);
}

/// Calls then(q), or failed(why), with the goals and segments that a question names. In a cluster
/// it looks for other nodes' rates now and then.
template <class Question, class F>
void with_named_filters(const node_env_ptr& env, Question q,
                        std::function<void(const failure&)> failed, F then) {
  const bool looks = env->copies != nullptr && env->rates.is_due(), names = names_filters_in(q);
  if (!names && !looks) return then(std::move(q));
  env->run_io([env, looks, names, q = std::move(q), failed = std::move(failed),
               then = std::move(then)]() mutable {
    if (looks)
      if (auto read = env->rates.refresh(*env->journal); !read) return failed(read.error());
    if (!names) return then(std::move(q));
    auto named = persistence::read_named_filters(*env->journal, asked_in(q).merchant);
    if (!named) return failed(named.error());
    asked_in(q).named = std::make_shared<const named_filters>(std::move(*named));
    then(std::move(q));
  });
}

/// An answer is given only where no other node can know more.
template <class Reply>
callback<Reply> only_where_led(const node_env_ptr& env, std::string_view merchant,
                               callback<Reply> then) {
  if (env->copies == nullptr) return then;
  return [env, shard = shard_of(merchant_hash(merchant)),
          then = std::move(then)](result<Reply> reply) {
    if (!env->copies->may_read(shard))
      return then(failure{errc::unavailable, "another node leads the merchant's shard"});
    then(std::move(reply));
  };
}

/// Where a question goes.
struct way_in {
  node_env_ptr env;
  lane_actor lane;
};

/// Sends a question that is answered from single events: what `plan` needs and `finish` makes.
template <class Question, class Reply, class Plan, class Finish>
void send_report(const way_in& to, Question q, asking how, callback<Reply> then, Plan plan,
                 Finish finish) {
  auto job = new_job(std::move(how));
  then = only_where_led(to.env, asked_in(q).merchant, std::move(then));
  job->failed = [then](const failure& why) { then(why); };
  with_named_filters(to.env, std::move(q), job->failed, [=, lane = to.lane](Question named) {
    job->asked = asked_in(named);
    job->plan_events = [named, plan](const merchant_facts& facts, event_time at,
                                     const ruleset& rules) {
      return plan(named, facts, at, rules);
    };
    job->finish = finisher<Reply>(
        then, [named = std::move(named), finish](scan& found) { return finish(found, named); });
    send_job(lane, job);
  });
}

}  // namespace

void ask_question(const node_env_ptr& env, const std::vector<lane_actor>& lanes, question q,
                  asking how, callback<query_reply> then) {
  auto job = new_job(std::move(how));
  then = only_where_led(env, q.merchant, std::move(then));
  job->failed = [then](const failure& why) { then(why); };
  job->finish = [then](scan& found, query_reply reply) {
    auto table = found.finish();
    if (!table) return then(table.error());
    reply.table = std::move(*table);
    then(std::move(reply));
  };
  job->then = std::move(then);
  const auto& lane = lane_for(lanes, q.merchant);
  with_named_filters(env, std::move(q), job->failed, [lane, job](question named) {
    job->asked = named;
    job->plan_events = [named = std::move(named)](const merchant_facts& facts, event_time at,
                                                  const ruleset& rules) {
      return make_scan_plan(named, facts, at, rules);
    };
    send_job(lane, job);
  });
}

void ask_funnel(const node_env_ptr& env, const std::vector<lane_actor>& lanes, funnel_question q,
                asking how, callback<funnel_reply> then) {
  const way_in to{env, lane_for(lanes, q.asked.merchant)};
  send_report(to, std::move(q), std::move(how), std::move(then), make_funnel_plan, finish_funnel);
}

void ask_journeys(const node_env_ptr& env, const std::vector<lane_actor>& lanes,
                  journeys_question q, asking how, callback<journeys_reply> then) {
  const way_in to{env, lane_for(lanes, q.asked.merchant)};
  send_report(to, std::move(q), std::move(how), std::move(then), make_journeys_plan,
              finish_journeys);
}

void ask_retention(const node_env_ptr& env, const std::vector<lane_actor>& lanes,
                   retention_question q, asking how, callback<retention_reply> then) {
  const way_in to{env, lane_for(lanes, q.asked.merchant)};
  send_report(to, std::move(q), std::move(how), std::move(then), make_retention_plan,
              finish_retention);
}

void ask_export(const std::vector<lane_actor>& lanes, export_wish wish,
                std::chrono::milliseconds wait_max, callback<export_page> then) {
  auto job = new_job({{}, wait_max, {}});
  job->asked.merchant = wish.merchant;
  job->failed = [then](const failure& why) { then(why); };
  const auto& lane = lane_for(lanes, wish.merchant);
  job->reader = [wish = std::move(wish), then = std::move(then)](node_env& of_node,
                                                                 const query_job& read) {
    then(export_page_of(of_node, read, wish));
  };
  send_job(lane, std::move(job));
}

}  // namespace tally::actors

#include "actors/query_worker.hpp"

#include <chrono>

namespace tally::actors {
namespace {

template <class Row, class Table>
void add_delta(Table& into, const row_table<Row>& deltas, const row_range& range,
               const std::vector<std::string>* tags) {
  for (const auto& e : deltas.entries()) {
    if (e.width != range.width || e.begin < range.from || e.begin >= range.to) continue;
    if (tags != nullptr && (*tags)[e.tag] != range.tag) continue;
    merge(into[{{range.width, range.tag}, e.begin}], e.row);
  }
}

template <class Table>
status add_saved(Table& into, const node_env& env, const query_job& job, const row_range& range,
                 std::uint64_t& rows_read) {
  bool good = true;
  const row_address from{range.kind, range.width, range.tag, range.from};
  auto scanned = env.state->scan_rows(job.owner, from, range.to, job.view,
                                      [&](bucket_time begin, std::string_view bytes) {
                                        byte_reader in{bytes};
                                        decode(in, into[{{range.width, range.tag}, begin}]);
                                        good = in.ok();
                                        ++rows_read;
                                        return good;
                                      });
  if (!scanned) return scanned;
  if (!good) return failure{errc::corrupt_record, "rows of merchant " + job.owner.merchant};
  return done{};
}

status add_range(row_set& rows, const node_env& env, const query_job& job, const row_range& range,
                 std::uint64_t& rows_read) {
  status outcome = done{};
  switch (range.kind) {
    case row_kind::traffic:
      outcome = add_saved(rows.traffic, env, job, range, rows_read);
      add_delta(rows.traffic, job.deltas.traffic, range, nullptr);
      break;
    case row_kind::commerce:
      outcome = add_saved(rows.commerce, env, job, range, rows_read);
      add_delta(rows.commerce, job.deltas.commerce, range, &job.currencies.all());
      break;
    case row_kind::name:
      outcome = add_saved(rows.names, env, job, range, rows_read);
      add_delta(rows.names, job.deltas.names, range, &job.names.all());
      break;
    case row_kind::operations:
      outcome = add_saved(rows.operations, env, job, range, rows_read);
      add_delta(rows.operations, job.deltas.operations, range, nullptr);
      break;
  }
  return outcome;
}

}  // namespace

result<query_reply> answer_question(const node_env& env, const query_job& job) {
  auto planned = make_plan(job.asked, job.facts, job.now);
  if (!planned) return planned.error();
  row_set rows;
  query_reply reply;
  for (const auto& range : planned->ranges) {
    if (std::chrono::steady_clock::now() > job.deadline)
      return failure{errc::unavailable, "the question took too long"};
    if (auto added = add_range(rows, env, job, range, reply.rows_read); !added)
      return added.error();
  }
  reply.table = evaluate(*planned, rows);
  reply.as_of = job.as_of;
  reply.complete_through = job.as_of;
  return reply;
}

query_actor::behavior_type query_worker(query_actor::pointer, node_env_ptr env) {
  return {[env = std::move(env)](ask_atom, const query_job_ptr& job) {
    auto reply = answer_question(*env, *job);
    job->view.reset();
    const auto took = std::chrono::steady_clock::now() - job->started;
    env->metrics.queries += 1;
    env->metrics.query.add(static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(took).count()));
    job->then(std::move(reply));
  }};
}

}  // namespace tally::actors

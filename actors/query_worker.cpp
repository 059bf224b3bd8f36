#include "actors/query_worker.hpp"

#include <chrono>

namespace tally::actors {
namespace {

/// Adds the rows of one range: what is saved, then what is not. Ranges may overlap (a comparison
/// with the range before), so an address that is there already is left alone.
template <class Table, class Deltas>
status add_range(Table& into, const Deltas& deltas, const std::vector<std::string>* tags,
                 const node_env& env, const query_job& job, const row_range& range) {
  Table found;
  bool good = true;
  const persistence::row_address from{range.kind, range.width, range.tag, range.from};
  auto scanned = env.state->scan_rows(job.owner, from, range.to, job.view,
                                      [&](bucket_time begin, std::string_view bytes) {
                                        byte_reader in{bytes};
                                        decode(in, found[{{range.width, range.tag}, begin}]);
                                        good = in.ok();
                                        return good;
                                      });
  if (!scanned) return scanned;
  if (!good) return failure{errc::corrupt_record, "rows of merchant " + job.owner.merchant};
  for (const auto& e : deltas.entries()) {
    if (e.width != range.width || e.begin < range.from || e.begin >= range.to) continue;
    if (tags != nullptr && (*tags)[e.tag] != range.tag) continue;
    merge(found[{{range.width, range.tag}, e.begin}], e.row);
  }
  into.merge(found);
  return done{};
}

status add_range(row_set& rows, const node_env& env, const query_job& job, const row_range& range) {
  const auto& deltas = job.deltas;
  switch (range.kind) {
    case row_kind::traffic:
      return add_range(rows.traffic, deltas.traffic, nullptr, env, job, range);
    case row_kind::commerce:
      return add_range(rows.commerce, deltas.commerce, &job.currencies.all(), env, job, range);
    case row_kind::name:
      return add_range(rows.names, deltas.names, &job.names.all(), env, job, range);
    case row_kind::operations:
      return add_range(rows.operations, deltas.operations, nullptr, env, job, range);
  }
  return done{};
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
    if (auto added = add_range(rows, env, job, range); !added) return added.error();
  }
  reply.rows_read =
      rows.traffic.size() + rows.commerce.size() + rows.names.size() + rows.operations.size();
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

#include "actors/query_worker.hpp"

#include <chrono>

namespace tally::actors {
namespace {

/// Adds those of one range, of one kind of rows.
template <class Table, class Row>
void add_rows(Table& into, const row_table<Row>& deltas, const std::vector<std::string>* tags,
              const row_range& range, bucket_finder finder) {
  for (const auto& e : deltas.entries()) {
    if (e.width() > range.width) continue;
    if (tags != nullptr && (*tags)[e.tag()] != range.tag) continue;
    const auto begin = wider_begin(finder, e.begin(), range.width);
    if (begin < range.from || begin >= range.to) continue;
    merge(into[typename Table::key_type{{range.width, range.tag}, begin}], e.row);
  }
}

template <class Table>
void merge_rows(Table& into, Table& from) {
  for (auto& [at, row] : from) {
    const auto [place, is_new] = into.try_emplace(at, std::move(row));
    if (!is_new) merge(place->second, row);
  }
}

/// A snapshot that was on its way is in the view or not; its rows count once.
status add_saving(const node_env& env, query_job& job) {
  if (job.saving_offset == 0) return done{};
  const auto saved = persistence::saved_offset(*env.state, job.owner, job.view);
  if (!saved) return saved.error();
  if (*saved >= job.saving_offset) return done{};
  merge_rows(job.unsaved.traffic, job.saving.traffic);
  merge_rows(job.unsaved.commerce, job.saving.commerce);
  merge_rows(job.unsaved.names, job.saving.names);
  merge_rows(job.unsaved.operations, job.saving.operations);
  return done{};
}

/// Adds the saved rows of one range to those that are not saved.
template <class Table>
status add_saved(Table& into, const node_env& env, const query_job& job, const row_range& range) {
  using row = typename Table::mapped_type;
  bool good = true;
  const persistence::row_address from{range.kind, range.width, range.tag, range.from};
  auto scanned = env.state->scan_rows(job.owner, from, range.to, job.view,
                                      [&](bucket_time begin, std::string_view bytes) {
                                        byte_reader in{bytes};
                                        row saved;
                                        decode(in, saved);
                                        good = in.ok();
                                        auto& place = into[{{range.width, range.tag}, begin}];
                                        merge(saved, place);
                                        place = std::move(saved);
                                        return good;
                                      });
  if (scanned && !good)
    return failure{errc::corrupt_record, "rows of merchant " + job.owner.merchant};
  return scanned;
}

status add_saved(row_set& rows, const node_env& env, const query_job& job, const row_range& range) {
  switch (range.kind) {
    case row_kind::traffic:
      return add_saved(rows.traffic, env, job, range);
    case row_kind::commerce:
      return add_saved(rows.commerce, env, job, range);
    case row_kind::name:
      return add_saved(rows.names, env, job, range);
    case row_kind::operations:
      return add_saved(rows.operations, env, job, range);
  }
  return done{};
}

}  // namespace

row_set rows_among(const delta_rows& deltas, const merchant_state& state,
                   const std::vector<row_range>& ranges) {
  row_set rows;
  const bucket_finder finder{*state.reporting_zone};
  for (const auto& range : ranges) {
    switch (range.kind) {
      case row_kind::traffic:
        add_rows(rows.traffic, deltas.traffic, nullptr, range, finder);
        break;
      case row_kind::commerce:
        add_rows(rows.commerce, deltas.commerce, &state.currencies.all(), range, finder);
        break;
      case row_kind::name:
        add_rows(rows.names, deltas.names, &state.names.all(), range, finder);
        break;
      case row_kind::operations:
        add_rows(rows.operations, deltas.operations, nullptr, range, finder);
        break;
    }
  }
  return rows;
}

result<query_reply> answer_question(const node_env& env, query_job& job) {
  if (auto added = add_saving(env, job); !added) return added.error();
  auto& rows = job.unsaved;
  for (const auto& range : job.planned->ranges) {
    if (std::chrono::steady_clock::now() > job.deadline)
      return failure{errc::unavailable, "the question took too long"};
    if (auto added = add_saved(rows, env, job, range); !added) return added.error();
  }
  query_reply reply;
  reply.rows_read =
      rows.traffic.size() + rows.commerce.size() + rows.names.size() + rows.operations.size();
  reply.table = evaluate(*job.planned, rows);
  reply.generation = job.owner.generation;
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

#include "actors/event_scan.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "actors/io_worker.hpp"
#include "domain/query_range.hpp"
#include "domain/scan.hpp"
#include "domain/shard.hpp"
#include "persistence/column_block.hpp"
#include "persistence/event_codec.hpp"
#include "persistence/sealer.hpp"

namespace tally::actors {
namespace {

using persistence::block_facts;
using persistence::tail_row;

constexpr std::size_t tail_rows_per_block = 65'536;

status in_time(const node_env& env, const query_job& job) {
  if (env.draining) return failure{errc::unavailable, "the node is ending"};
  if (std::chrono::steady_clock::now() > job.deadline)
    return failure{errc::unavailable, "the question took too long"};
  return done{};
}

/// One question's way through the blocks and the tail of a merchant.
class question_scan {
 public:
  question_scan(node_env& env, query_job& job)
      : env_{env},
        job_{job},
        kept_{env.reads.hold(env.sealed_before)},
        view_{env.history->look()},
        plan_{std::make_shared<scan_plan>(std::move(*job.scanned))} {}

  /// What was found, and what is to be told of it.
  result<std::pair<scan, query_reply>> run() {
    auto blocks = env_.history->list_blocks(job_.owner.shard, job_.owner.merchant, view_);
    if (!blocks) return blocks.error();
    if (auto read = read_tail(); !read) return read.error();
    for (;;) {
      scan work{plan_};
      if (auto scanned = read(*blocks, work); !scanned) return scanned.error();
      const auto wider = work.wider();
      if (!wider) {
        const auto reply = reply_of(work);
        return std::pair{std::move(work), reply};
      }
      auto next = std::make_shared<scan_plan>(*plan_);
      next->range = *wider;
      plan_ = std::move(next);
    }
  }

 private:
  status read_tail() {
    auto events = unsealed_events(env_, job_, view_);
    if (!events) return events.error();
    tail_events_ = std::move(*events);
    for (const auto& e : tail_events_) tail_.push_back({e.offset, e.stamped_at, e.bytes});
    return persistence::judge_tail(*env_.state, job_.owner, tail_);
  }

  status read(const std::vector<block_facts>& blocks, scan& work) {
    const auto wish = wish_of(*plan_);
    skipped_ = 0;
    for (const auto& block : blocks) {
      if (auto fine = in_time(env_, job_); !fine) return fine;
      if (block.first_offset > job_.upto) break;
      if (!plan_->range.wants(time_from_ms(block.oldest_ms), time_from_ms(block.newest_ms))) {
        ++skipped_;
        continue;
      }
      auto columns =
          env_.history->read_columns(job_.owner.shard, job_.owner.merchant, block, wish, view_);
      if (!columns) return columns.error();
      if (auto added = work.add(*columns); !added) return added;
    }
    const auto newest_before =
        blocks.empty() ? event_columns{}.newest_before_ms
                       : std::max(blocks.back().newest_before_ms, blocks.back().newest_ms);
    return run_tail(wish, work, newest_before);
  }

  status run_tail(const column_wish& wish, scan& work, std::int64_t newest_before) const {
    for (std::size_t begin = 0; begin < tail_.size(); begin += tail_rows_per_block) {
      if (auto fine = in_time(env_, job_); !fine) return fine;
      const auto end = std::min(tail_.size(), begin + tail_rows_per_block);
      const std::vector<tail_row> rows{tail_.begin() + static_cast<std::ptrdiff_t>(begin),
                                       tail_.begin() + static_cast<std::ptrdiff_t>(end)};
      auto columns = persistence::columns_of(rows, wish);
      if (!columns) return columns.error();
      columns->newest_before_ms = newest_before;
      if (auto added = work.add(*columns); !added) return added;
      if (end < tail_.size()) newest_before = std::max(newest_before, newest_of(rows));
    }
    return done{};
  }

  static std::int64_t newest_of(const std::vector<tail_row>& rows) {
    std::int64_t newest = event_columns{}.newest_before_ms;
    event e;
    for (const auto& row : rows)
      if (row.outcome == row_outcome::fresh && persistence::decode_event(row.bytes, e))
        newest = std::max(newest, to_ms(e.at));
    return newest;
  }

  [[nodiscard]] query_reply reply_of(const scan& work) const {
    query_reply reply;
    reply.events_read = work.rows();
    reply.blocks_skipped = skipped_;
    env_.metrics.scan_rows += reply.events_read;
    reply.generation = job_.owner.generation;
    reply.as_of = reply.complete_through = job_.as_of;
    return reply;
  }

  node_env& env_;
  query_job& job_;
  log_pins::pin kept_;  // before the view, so that the log has everything behind it
  persistence::history::view_ptr view_;
  std::shared_ptr<const scan_plan> plan_;
  std::vector<tail_event> tail_events_;  // what `tail_` points into
  std::vector<tail_row> tail_;
  std::uint64_t skipped_ = 0;  // blocks
};

}  // namespace

result<std::vector<tail_event>> unsealed_events(node_env& env, const query_job& job,
                                                const persistence::history::view_ptr& view) {
  const auto first = persistence::history::sealed(view).round + 1;
  std::vector<persistence::round_number> rounds;
  // Nobody noted which merchants are in what was read before the start.
  for (auto round = std::max(first, env.journal->first_round()); round < env.traced_from; ++round)
    rounds.push_back(round);
  const auto traced =
      job.trace.rounds_of(merchant_hash(job.owner.merchant), std::max(first, env.traced_from));
  rounds.insert(rounds.end(), traced.begin(), traced.end());
  std::vector<tail_event> events;
  for (const auto number : rounds) {
    if (auto fine = in_time(env, job); !fine) return fine.error();
    if (auto added = add_round(events, job.owner, *env.journal, number, job.upto); !added)
      return added.error();
  }
  return events;
}

void answer_from_events(node_env& env, query_job& job) {
  auto found = question_scan{env, job}.run();
  const auto took = std::chrono::steady_clock::now() - job.started;
  env.metrics.scans += 1;
  env.metrics.scan.add(static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(took).count()));
  if (!found) return job.failed(found.error());
  job.finish(found->first, std::move(found->second));
}

namespace {

/// Collects a page of events, oldest offset first.
class page_maker {
 public:
  page_maker(const query_job& job, const export_wish& wish, std::optional<asked_range> times)
      : wish_{wish}, times_{times} {
    page_.as_of = job.as_of;
    page_.next = wish.after;
  }

  /// False once the page is full: this event is not in it.
  bool add(std::uint64_t offset, std::string_view bytes) {
    if (offset <= wish_.after) return true;
    if (page_.events.size() >= wish_.events_max ||
        (!page_.events.empty() && bytes_ + bytes.size() > wish_.bytes_max)) {
      page_.more = true;
      return false;
    }
    page_.next = offset;
    if (!wanted(bytes)) return true;
    bytes_ += bytes.size();
    page_.events.push_back({offset, std::string{bytes}});
    return true;
  }
  [[nodiscard]] bool full() const { return page_.more; }
  [[nodiscard]] export_page take() { return std::move(page_); }

 private:
  bool wanted(std::string_view bytes) {
    // Hashes of keys are nobody's to read.
    if (persistence::peek_kind(bytes) == event_kind::registry) return false;
    if (!times_ || !persistence::decode_event(bytes, event_)) return true;
    return event_.at >= times_->from && event_.at < times_->to;
  }

  const export_wish& wish_;
  std::optional<asked_range> times_;
  export_page page_;
  std::uint64_t bytes_ = 0;
  event event_;
};

result<std::optional<asked_range>> times_of(const export_wish& wish, const zone& reporting) {
  if (wish.from.empty() && wish.to.empty()) return std::optional<asked_range>{};
  question q;
  q.date_range = "custom";
  q.from = wish.from;
  q.to = wish.to;
  auto range = resolve_range(q, reporting, {}, {});
  if (!range) return range.error();
  return std::optional{*range};
}

}  // namespace

result<export_page> export_page_of(node_env& env, const query_job& job, const export_wish& wish) {
  const auto times = times_of(wish, *job.reporting_zone);
  if (!times) return times.error();
  page_maker page{job, wish, *times};
  const auto kept = env.reads.hold(env.sealed_before);
  const auto view = env.history->look();
  status fine = done{};
  const auto read = env.history->for_each_event(
      job.owner.shard, job.owner.merchant, wish.after + 1,
      [&](std::uint64_t offset, event_time, std::string_view bytes) {
        if (offset > job.upto) return false;
        if (fine = in_time(env, job); !fine) return false;
        return page.add(offset, bytes);
      },
      view);
  if (!fine) return fine.error();
  if (!read) return read.error();
  if (page.full()) return page.take();
  const auto tail = unsealed_events(env, job, view);
  if (!tail) return tail.error();
  for (const auto& e : *tail)
    if (!page.add(e.offset, e.bytes)) break;
  return page.take();
}

}  // namespace tally::actors

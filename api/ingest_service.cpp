#include "api/ingest_service.hpp"

#include <algorithm>

#include "api/ack_token.hpp"
#include "api/ingest_receipt.hpp"
#include "api/problem.hpp"
#include "api/refusals.hpp"
#include "domain/logic_v1/apply.hpp"

namespace tally::api {
namespace {

constexpr std::size_t gathered_events_max = 1'000;
constexpr unsigned retry_after_s = 1;

using actors::outcome;
using actors::submission;

std::string detail_of(logic_v1::reject_reason reason) {
  return reason == logic_v1::reject_reason::too_many_names
             ? "the merchant has used too many different event names"
             : "the merchant has used too many different property keys";
}

}  // namespace

/// A request within a gathering: its events are [first, first + count) of the submission.
struct ingest_service::member {
  ingest_request request;
  std::uint32_t first = 0, count = 0, journaled = 0;  // journaled: count and its refusals

  void answer(const submission& events);

 private:
  struct totals {
    std::uint64_t accepted = 0, duplicate = 0, rejected = 0, pending = 0;
    std::uint64_t over_quota = 0, unavailable = 0;
    std::uint32_t retry_after_ms = 0;
  };
  [[nodiscard]] totals count_outcomes(const submission& events) const;
  [[nodiscard]] http_response unavailable(const submission& events) const;
  void add_rejected(const submission& events);
};

ingest_service::member::totals ingest_service::member::count_outcomes(
    const submission& events) const {
  totals t;
  for (auto i = first; i < first + journaled; ++i) {
    const auto& e = events.events[i];
    const auto what = e.now();
    if (what == outcome::unavailable) ++t.unavailable;
    if (i >= first + count) continue;
    if (what == outcome::accepted) ++t.accepted;
    if (what == outcome::duplicate) ++t.duplicate;
    if (what == outcome::rejected) ++t.rejected;
    if (what == outcome::pending) ++t.pending;
    if (what == outcome::over_quota) ++t.over_quota;
    t.retry_after_ms = std::max(t.retry_after_ms, e.retry_after_ms);
  }
  return t;
}

/// 503 with the ranges of indexes that are known to be stored.
http_response ingest_service::member::unavailable(const submission& events) const {
  std::vector<std::uint32_t> stored;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto what = events.events[first + i].now();
    if (what != outcome::unavailable && what != outcome::over_quota)
      stored.push_back(request.batch.events[i].index);
  }
  std::string ranges = "[";
  for (std::size_t i = 0; i < stored.size();) {
    auto end = i;
    while (end + 1 < stored.size() && stored[end + 1] == stored[end] + 1) ++end;
    if (ranges.size() > 1) ranges += ',';
    ranges += '[' + std::to_string(stored[i]) + ',' + std::to_string(stored[end]) + ']';
    i = end + 1;
  }
  auto response = retry_later(problem(503, "unavailable",
                                      "Not all of the body is known to be stored: send the same "
                                      "body again, events with ids count once."),
                              retry_after_s);
  add_problem_member(response, "stored", ranges + ']');
  return response;
}

/// What became rejected on its way through the engine.
void ingest_service::member::add_rejected(const submission& events) {
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto& e = events.events[first + i];
    const auto what = e.now();
    if (what != outcome::over_quota && what != outcome::rejected) continue;
    rejected_event r;
    r.index = request.batch.events[i].index;
    if (what == outcome::over_quota) {
      r.code = "over_quota";
      r.detail = "the merchant is over its rate of events";
    } else {
      const auto reason = static_cast<logic_v1::reject_reason>(e.code);
      r.code = to_string(reason);
      r.detail = detail_of(reason);
    }
    request.batch.rejected.push_back(std::move(r));
  }
  std::sort(request.batch.rejected.begin(), request.batch.rejected.end(),
            [](const auto& a, const auto& b) { return a.index < b.index; });
}

void ingest_service::member::answer(const submission& events) {
  const auto t = count_outcomes(events);
  if (t.unavailable != 0) {
    request.answer(unavailable(events));
    return;
  }
  if (t.over_quota != 0 && !request.platform) {
    auto refused = problem(429, "over_quota", "the merchant is over its rate of events");
    request.answer(retry_later(std::move(refused), (t.retry_after_ms + 999) / 1'000));
    return;
  }
  if (t.over_quota != 0 || t.rejected != 0) add_rejected(events);
  std::vector<actors::ack_position> positions;
  for (auto i = first; i < first + count; ++i) {
    const auto& e = events.events[i];
    if (e.offset != 0) positions.push_back({shard_of(e.merchant), e.offset});
  }
  http_response response;
  const auto ack = encode_ack(std::move(positions));
  if (t.pending != 0) {
    // Some may be visible by now, but who gets this answer has to wait for all of them anyway.
    response.status = 202;
    response.body = pending_json(t.pending + t.accepted + t.duplicate, request.batch.rejected, ack);
  } else {
    response.body =
        receipt_json(t.accepted, t.duplicate, request.batch.rejected, ack, t.retry_after_ms);
  }
  if (request.form == receipt_form::segment) response.body.insert(1, "\"success\":true,");
  request.answer(std::move(response));
}

/// Requests that go to the engine as one submission.
struct ingest_service::gathering {
  actors::submission_ptr events = std::make_shared<submission>();
  std::vector<member> members;
  executor_ref loop;
};

ingest_service::ingest_service(actors::engine& engine, std::size_t loops)
    : engine_{engine}, open_(loops) {}
ingest_service::~ingest_service() = default;

void ingest_service::add(gathering& into, ingest_request request) {
  auto& events = *into.events;
  member m;
  m.first = static_cast<std::uint32_t>(events.events.size());
  const auto base = static_cast<std::uint32_t>(events.bytes.size());
  if (base == 0) {
    events.bytes = std::move(request.batch.bytes);
  } else {
    events.bytes += request.batch.bytes;
  }
  for (const auto& p : request.batch.events) {
    submission::entry entry;
    entry.begin = base + p.begin;
    entry.size = p.size;
    entry.merchant = p.merchant_hash;
    events.events.push_back(entry);
  }
  m.count = static_cast<std::uint32_t>(request.batch.events.size());
  add_refusals(events, request.batch.rejected, request.key_merchant, request.received_at);
  m.journaled = static_cast<std::uint32_t>(events.events.size()) - m.first;
  into.loop = request.loop;
  m.request = std::move(request);
  into.members.push_back(std::move(m));
}

void ingest_service::take(ingest_request request) {
  const auto loop = request.loop.index();
  auto& open = open_[loop];
  const bool first = open == nullptr;
  if (first) open = std::make_unique<gathering>();
  add(*open, std::move(request));
  if (open->events->events.size() >= gathered_events_max) {
    flush(loop);
  } else if (first) {
    open->loop.post([self = shared_from_this(), loop] { self->flush(loop); });
  }
}

void ingest_service::flush(std::size_t loop) {
  if (open_[loop]) send(std::move(open_[loop]));
}

void ingest_service::send(std::unique_ptr<gathering> full) {
  auto events = full->events;
  events->requests = static_cast<std::uint32_t>(full->members.size());
  // The answers are made on the loop that took the requests. The gathering owns the submission, so
  // the submission must not own the gathering.
  auto loop = full->loop;
  events->on_done = [owner = full.release(), loop = std::move(loop)] {
    const std::shared_ptr<gathering> done{owner};
    loop.post([done] {
      for (auto& m : done->members) m.answer(*done->events);
    });
  };
  engine_.submit(std::move(events));
}

}  // namespace tally::api

#include <chrono>

#include "api/http_server.hpp"
#include "api/ingest_native.hpp"
#include "apps/bench.hpp"
#include "domain/shard.hpp"
#include "persistence/journal.hpp"

namespace tally::apps {
namespace {

using clock = std::chrono::steady_clock;
using persistence::chunk;
using persistence::chunk_ptr;

constexpr std::uint32_t sample_events = 100'000;
constexpr std::uint32_t body_events = 1'000;

/// The begin of the standard load.
load_law sample_law() {
  load_options load;
  load.events = 10'000'000;
  return load_law{load};
}

std::string body_of(const load_law& law, std::uint64_t first, std::uint32_t count) {
  std::string body;
  for (std::uint64_t i = 0; i < count; ++i) law.append_line(body, first + i);
  return body;
}

result<api::parsed_batch> parse(std::string body) {
  body.reserve(body.size() + api::body_padding);
  api::ingest_context context;
  context.platform = true;
  context.now = time_from_ms(1'763'596'800'000);
  context.limits.events_max = sample_events;
  auto parsed = api::parse_native(body, context);
  auto* batch = std::get_if<api::parsed_batch>(&parsed);
  if (batch == nullptr || !batch->rejected.empty())
    return failure{errc::bad_request, "the load is not understood"};
  return std::move(*batch);
}

double seconds_since(clock::time_point from) {
  return std::chrono::duration<double>(clock::now() - from).count();
}

/// Shares events out to chunks of their shards, as a commit round has them.
std::vector<std::shared_ptr<chunk>> chunks_of(const api::parsed_batch& batch, std::uint32_t first,
                                              std::uint32_t count) {
  std::vector<std::shared_ptr<chunk>> by_shard(shard_count);
  for (auto i = first; i < first + count; ++i) {
    const auto& e = batch.events[i];
    auto& c = by_shard[shard_of(e.merchant_hash)];
    if (!c) c = std::make_shared<chunk>();
    c->header.shard = shard_of(e.merchant_hash);
    c->header.count += 1;
    byte_writer out{c->payload};
    out.text(std::string_view{batch.bytes}.substr(e.begin, e.size));
  }
  std::erase(by_shard, nullptr);
  return by_shard;
}

}  // namespace

result<double> journal_ceiling(const std::string& folder, std::uint32_t round_events,
                               double seconds) {
  const auto law = sample_law();
  const auto batch = parse(body_of(law, 0, sample_events));
  if (!batch) return batch.error();
  persistence::journal_options options;
  options.path = folder;
  auto log = persistence::journal::open(options);
  if (!log) return log.error();
  std::vector<persistence::shard_end> ends(shard_count);
  std::uint64_t events = 0;
  const auto from = clock::now();
  while (seconds_since(from) < seconds) {
    const auto first = static_cast<std::uint32_t>(events % (sample_events - round_events));
    std::vector<chunk_ptr> round;
    for (auto& c : chunks_of(*batch, first, round_events)) {
      auto& end = ends[c->header.shard];
      c->header.epoch = 1;
      c->header.base = end.next_offset;
      persistence::seal(*c, end.chain);
      end.next_offset += c->header.count;
      end.chain = c->header.chain;
      round.push_back(std::move(c));
    }
    if (auto written = (*log)->append(round, {}); !written) return written.error();
    events += round_events;
  }
  const auto took = seconds_since(from);
  if (auto closed = (*log)->close(); !closed) return closed.error();
  return static_cast<double>(events) / took;
}

result<double> parse_ceiling(double seconds) {
  const auto law = sample_law();
  const auto body = body_of(law, 0, body_events);
  std::uint64_t events = 0;
  const auto from = clock::now();
  while (seconds_since(from) < seconds) {
    const auto batch = parse(body);
    if (!batch) return batch.error();
    events += batch->events.size();
  }
  return static_cast<double>(events) / seconds_since(from);
}

result<double> server_ceiling(std::uint32_t batch, std::size_t connections, double seconds) {
  api::http_options options;
  options.listen = {"127.0.0.1:0"};
  auto server = api::http_server::start(options, [](api::http_request&&, const api::respond& say) {
    say({.body = R"({"accepted":0,"duplicate":0,"rejected":[],"ack":""})"});
  });
  if (!server) return server.error();
  const auto law = sample_law();
  const auto request = api::load_request("/v1/events", "none", body_of(law, 0, batch));
  const auto from = clock::now();
  auto driven = api::drive(
      {"127.0.0.1:" + std::to_string((*server)->port()), connections},
      [&] {
        return seconds_since(from) < seconds ? std::string_view{request} : std::string_view{};
      },
      [](std::string_view) {});
  if (!driven) return driven.error();
  return driven->per_second() * batch;
}

}  // namespace tally::apps

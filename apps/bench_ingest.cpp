#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <thread>

#include "apps/bench.hpp"

namespace tally::apps {
namespace {

using clock = std::chrono::steady_clock;

constexpr double plausible_events_per_s = 600'000;  // what is made beforehand suffices for
constexpr double plausible_requests_per_s = 120'000;

/// The number after `"accepted":` in a receipt.
std::uint64_t accepted_in(std::string_view receipt) {
  constexpr std::string_view field = "\"accepted\":";
  const auto at = receipt.find(field);
  std::uint64_t number = 0;
  if (at != std::string_view::npos)
    std::from_chars(receipt.data() + at + field.size(), receipt.data() + receipt.size(), number);
  return number;
}

std::string cell_name(std::uint32_t batch, std::size_t connections) {
  return "ingest, " + std::to_string(batch) + " a batch, " + std::to_string(connections) +
         (connections == 1 ? " connection" : " connections");
}

}  // namespace

bench_requests::bench_requests(const load_law& law, std::uint64_t first, std::uint64_t count,
                               std::uint32_t batch, std::string_view key, bool live)
    : count_{count}, batch_{batch} {
  const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const auto parts = std::max(1U, std::thread::hardware_concurrency());
  const auto total = (count + batch - 1) / batch;
  requests_.resize(total);
  std::vector<std::thread> makers;
  for (std::uint64_t part = 0; part < parts; ++part) {
    makers.emplace_back([&, part] {
      std::string body;
      for (auto i = part; i < total; i += parts) {
        body.clear();
        for (auto e = i * batch; e < std::min(count, (i + 1) * batch); ++e) {
          if (live) law.append_line_live(body, first + e, now);
          if (!live) law.append_line(body, first + e);
        }
        requests_[i] = api::load_request("/v1/events", key, body);
      }
    });
  }
  for (auto& maker : makers) maker.join();
}

std::string_view bench_requests::next(clock::time_point until) {
  if (at_ == requests_.size() || clock::now() >= until) return {};
  events_given_ = std::min<std::uint64_t>(count_, events_given_ + batch_);
  return requests_[at_++];
}

result<ingest_run> run_ingest(const bench_node& node, bench_requests& requests,
                              std::size_t connections, double seconds, double requests_per_s) {
  ingest_run run;
  const auto cpu = node.cpu_seconds();
  const auto until = clock::now() + std::chrono::duration_cast<clock::duration>(
                                        std::chrono::duration<double>{seconds});
  const auto given = requests.events_given();
  auto answers = api::drive(
      {node.http(), connections, requests_per_s}, [&] { return requests.next(until); },
      [&](std::string_view body) { run.events += accepted_in(body); });
  if (!answers) return answers.error();
  run.answers = std::move(*answers);
  if (run.answers.failures != 0)
    return failure{errc::unavailable, "the node refused: " + run.answers.first_failure};
  if (const auto sent = requests.events_given() - given; run.events != sent)
    return failure{errc::corrupt_record, std::to_string(sent) + " events were sent, " +
                                             std::to_string(run.events) + " accepted"};
  run.events_per_s = static_cast<double>(run.events) / run.answers.seconds;
  run.cpu_us_per_event = (node.cpu_seconds() - cpu) * 1e6 /
                         static_cast<double>(std::max<std::uint64_t>(1, run.events));
  return run;
}

namespace {

/// One cell of the table: its own part of the load, so that no event was seen before.
status bench_cell(bench_node& node, const bench_options& options, const load_law& law,
                  std::uint64_t& used, std::uint32_t batch, std::size_t connections, double ceiling,
                  figures& into) {
  const auto count = static_cast<std::uint64_t>(
      options.seconds * std::min(plausible_events_per_s, plausible_requests_per_s * batch));
  bench_requests requests{law, used, count, batch, node.key(), false};
  used += count;
  const auto run = run_ingest(node, requests, connections, options.seconds);
  if (!run) return run.error();
  char note[128];
  std::snprintf(note, sizeof note, "p50 %.1f ms, p99 %.1f ms, %.1f us of processor an event",
                run->answers.quantile_us(0.5) / 1e3, run->answers.quantile_us(0.99) / 1e3,
                run->cpu_us_per_event);
  into.push_back({cell_name(batch, connections), "events/s", run->events_per_s, ceiling,
                  "empty server", note});
  return done{};
}

/// Wakes the merchants of the load, so that the cells measure a node at work; how fast that goes is
/// a figure of its own.
status wake_all(bench_node& node, const bench_options& options, const load_law& law,
                std::uint64_t& used, figures& into) {
  const std::uint64_t count = 10ULL * options.merchants;
  bench_requests requests{law, used, count, 1'000, node.key(), false};
  used += count;
  const auto run = run_ingest(node, requests, 16, 600);
  if (!run) return run.error();
  const auto status = node.run({"status"});
  if (!status) return status.error();
  char note[96];
  std::snprintf(note, sizeof note, "%u merchants seen for the first time on the way",
                status->value("live_merchants", 0U));
  into.push_back({"ingest, 1000 a batch, 16 connections, first events of a load", "events/s",
                  run->events_per_s, 0, "", note});
  return done{};
}

}  // namespace

status bench_ingest(bench_node& node, const bench_options& options, figures& into) {
  load_options load;
  load.merchants = options.merchants;
  load.events = std::uint64_t{1} << 30U;  // never used up: each cell takes the next ones
  load.seed = 7;
  const load_law law{load};
  std::uint64_t used = 0;
  if (auto awake = wake_all(node, options, law, used, into); !awake) return awake;
  for (const auto batch : options.batches)
    for (const auto many : options.connections) {
      const auto ceiling = server_ceiling(batch, many, options.seconds / 3);
      if (!ceiling) return ceiling.error();
      auto good = bench_cell(node, options, law, used, batch, many, *ceiling, into);
      if (!good) return good;
    }
  return done{};
}

}  // namespace tally::apps

#include <chrono>
#include <filesystem>
#include <thread>

#include "apps/bench.hpp"

namespace tally::apps {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t live_merchants = 20'000;
constexpr std::uint32_t events_of_a_small_merchant = 10;
constexpr std::uint32_t visitors_of_a_small_merchant = 3;
constexpr std::uint32_t batch = 1'000;
constexpr std::uint32_t warm_rounds = 150;  // of `batch` events: more than the log buffers

std::string small_event(std::uint32_t merchant, std::uint32_t number, event_time now) {
  // The last hour, spread evenly.
  const auto at = to_ms(now) - 3'500'000 +
                  350'000 * static_cast<std::int64_t>(number % events_of_a_small_merchant);
  return R"({"merchant":"s)" + std::to_string(merchant) + R"(","id":"e)" + std::to_string(number) +
         R"(","at":)" + std::to_string(at) + R"(,"name":"page_view","visitor":"v)" +
         std::to_string(number % visitors_of_a_small_merchant) + R"(","url":"https://s.example/p)" +
         std::to_string(number) + "\"}\n";
}

status send_all(const bench_node& node, const std::vector<std::string>& requests,
                std::size_t connections) {
  std::size_t at = 0;
  auto sent = api::drive(
      {node.http(), connections},
      [&]() -> std::string_view {
        if (at == requests.size()) return {};
        return requests[at++];
      },
      [](std::string_view) {});
  if (!sent) return sent.error();
  if (sent->failures != 0) return failure{errc::unavailable, sent->first_failure};
  return done{};
}

/// Merchants first..last-1 send one event each, their `number`-th.
status touch(const bench_node& node, std::uint32_t first, std::uint32_t last,
             std::uint32_t number = 0) {
  const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  std::vector<std::string> requests;
  for (auto m = first; m < last;) {
    std::string body;
    for (std::uint32_t i = 0; i < batch && m < last; ++i, ++m) body += small_event(m, number, now);
    requests.push_back(api::load_request("/v1/events", node.key(), body));
  }
  return send_all(node, requests, 8);
}

/// Returns once everything is saved and sealed: a node that is ended before has merchants to bring
/// up to date when it starts, and those are not idle.
status settle(bench_node& node) {
  constexpr int tries_max = 10;  // each waits a minute for as many merchants as there are
  status sealed{done{}};
  for (int i = 0; i < tries_max; ++i) {
    const auto reply = node.run({"seal"});
    if (reply && reply->contains("sealed_before_round")) return done{};
    sealed = reply ? failure{errc::unavailable, reply->dump()} : reply.error();
  }
  return sealed;
}

/// Bytes of the node once every merchant sleeps: restarted, each shard asked once.
result<std::uint64_t> idle_bytes(bench_node& node) {
  if (auto settled = settle(node); !settled) return settled.error();
  if (auto restarted = node.restart(false); !restarted) return restarted.error();
  const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  std::vector<std::string> requests;
  for (std::uint32_t m = 0; m < 256; ++m)
    requests.push_back(api::load_request("/v1/events", node.key(), small_event(m, 1, now)));
  if (auto sent = send_all(node, requests, 8); !sent) return sent.error();
  const auto status = node.run({"status"});
  if (!status) return status.error();
  if (const auto live = status->value("live_merchants", 0U); live != requests.size())
    return failure{errc::corrupt_record, std::to_string(live) + " merchants are awake, not " +
                                             std::to_string(requests.size())};
  return node.resident_bytes();
}

status bench_live(const std::string& folder, figures& into) {
  auto node = bench_node::start(folder);
  if (!node) return node.error();
  // The log's buffers have a limit of their own, whoever writes: they are full before.
  for (std::uint32_t i = 0; i < warm_rounds; ++i)
    if (auto warm = touch(**node, live_merchants, live_merchants + batch, i); !warm) return warm;
  const auto before = (*node)->resident_bytes();
  const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  std::vector<std::string> requests;
  for (std::uint32_t m = 0; m < live_merchants; m += batch / events_of_a_small_merchant) {
    std::string body;
    for (auto i = m; i < m + batch / events_of_a_small_merchant; ++i)
      for (std::uint32_t n = 0; n < events_of_a_small_merchant; ++n) body += small_event(i, n, now);
    requests.push_back(api::load_request("/v1/events", (*node)->key(), body));
  }
  if (auto sent = send_all(**node, requests, 8); !sent) return sent;
  const auto status = (*node)->run({"status"});
  if (!status) return status.error();
  if (const auto live = status->value("live_merchants", 0U); live < live_merchants)
    return failure{errc::corrupt_record, "only " + std::to_string(live) + " merchants are awake"};
  const auto grown = (*node)->resident_bytes() - before;
  into.push_back({"a small live merchant: 10 events of 3 visitors in the last hour", "bytes",
                  static_cast<double>(grown) / live_merchants, 0, "",
                  "resident growth by 20,000 of them, the log's buffers full before; bar: 4,096"});
  return done{};
}

}  // namespace

status bench_memory(const bench_options& options, figures& into) {
  const auto folder = options.folder + "/memory";
  if (auto live = bench_live(folder + "/live", into); !live) return live;
  auto node = bench_node::start(folder + "/idle");
  if (!node) return node.error();
  const auto few = options.idle_merchants / 10;
  if (auto sent = touch(**node, 0, few); !sent) return sent;
  const auto before = idle_bytes(**node);
  if (!before) return before.error();
  if (auto sent = touch(**node, few, options.idle_merchants); !sent) return sent;
  const auto after = idle_bytes(**node);
  if (!after) return after.error();
  into.push_back({"resident growth from " + std::to_string(few) + " to " +
                      std::to_string(options.idle_merchants) + " idle merchants",
                  "MiB", (static_cast<double>(*after) - static_cast<double>(*before)) / (1 << 20),
                  0, "", "bar: 32; " + std::to_string(*after >> 20U) + " MiB in all"});
  return done{};
}

}  // namespace tally::apps

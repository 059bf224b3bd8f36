#include <chrono>
#include <thread>

#include "apps/bench.hpp"

namespace tally::apps {
namespace {

using clock = std::chrono::steady_clock;
using nlohmann::json;

constexpr std::uint32_t merchants = 10'000;
constexpr std::uint64_t load_events = 1'000'000;
constexpr std::uint32_t batch = 1'000;
constexpr std::size_t ingest_connections = 16;

load_law questions_law() {
  load_options load;
  load.merchants = merchants;
  load.events = load_events * 16;
  load.seed = 11;
  return load_law{load};
}

/// The questions of the standard load that rows answer, in turn: page views and visitors an hour,
/// revenue and orders a day, events of the last minutes by name.
std::string question(const load_law& law, std::uint64_t number, bool each_once) {
  const auto merchant =
      each_once ? static_cast<std::uint32_t>(number % merchants) : law.draw_merchant(number);
  json q{{"site_id", load_merchant_name(merchant)}};
  switch (number % 3) {
    case 0:
      q.update({{"metrics", {"pageviews", "visitors"}},
                {"dimensions", {"time:hour"}},
                {"date_range", {"2025-11-19", "2025-11-19"}}});
      break;
    case 1:
      q.update({{"metrics", {"total_sales", "orders"}},
                {"dimensions", {"time:day"}},
                {"date_range", {"2025-10-21", "2025-11-19"}}});
      break;
    default:
      q.update({{"metrics", {"events"}},
                {"dimensions", {"event:name"}},
                {"date_range", {"2025-11-19", "2025-11-19"}}});
  }
  return q.dump();
}

struct asked {
  api::drive_result answers;
  std::uint64_t with_rows = 0;
};

/// Asks for `seconds`, or once for each merchant.
result<asked> ask(const bench_node& node, const load_law& law, std::size_t connections,
                  double seconds, bool each_once, double per_second = 0) {
  asked sum;
  std::uint64_t number = 0;
  std::vector<std::string> asking(4'096);
  const auto until = clock::now() + std::chrono::duration_cast<clock::duration>(
                                        std::chrono::duration<double>{seconds});
  auto answers = api::drive(
      {node.http(), connections, per_second},
      [&]() -> std::string_view {
        if (clock::now() >= until || (each_once && number == merchants)) return {};
        auto& place = asking[number % asking.size()];
        place = api::load_request("/api/v2/query", node.key(), question(law, number, each_once));
        ++number;
        return place;
      },
      [&](std::string_view body) { sum.with_rows += body.find("\"dimensions\"") != body.npos; });
  if (!answers) return answers.error();
  if (answers->failures != 0) return failure{errc::unavailable, answers->first_failure};
  sum.answers = std::move(*answers);
  if (sum.with_rows * 3 < sum.answers.answers * 2)
    return failure{errc::corrupt_record, "questions are answered without rows"};
  return sum;
}

void add(figures& into, const std::string& what, const asked& a) {
  char note[96];
  std::snprintf(note, sizeof note, "p50 %.2f ms, %.0f a second", a.answers.quantile_us(0.5) / 1e3,
                a.answers.per_second());
  into.push_back({what + ", p99", "ms", a.answers.quantile_us(0.99) / 1e3, 0, "", note});
}

/// Questions while events come at half of what the node can take.
status ask_at_half_load(bench_node& node, const load_law& law, const bench_options& options,
                        figures& into) {
  const auto count = static_cast<std::uint64_t>(options.seconds * 400'000);
  bench_requests full{law, load_events, count, batch, node.key(), false};
  const auto whole = run_ingest(node, full, ingest_connections, options.seconds);
  if (!whole) return whole.error();
  const auto half = whole->events_per_s / 2 / batch;
  bench_requests more{law, load_events + count, count, batch, node.key(), false};
  result<ingest_run> beside{failure{}};
  std::thread sender{
      [&] { beside = run_ingest(node, more, ingest_connections, options.seconds + 1, half); }};
  const auto answered = ask(node, law, 4, options.seconds, false, 500);
  sender.join();
  if (!answered) return answered.error();
  if (!beside) return beside.error();
  char what[96];
  std::snprintf(what, sizeof what, "questions, hot, beside %.0f events/s (half load)",
                beside->events_per_s);
  add(into, what, *answered);
  return done{};
}

}  // namespace

status bench_questions(bench_node& node, const bench_options& options, figures& into) {
  const auto law = questions_law();
  bench_requests load{law, 0, load_events, batch, node.key(), false};
  if (auto filled = run_ingest(node, load, ingest_connections, 600); !filled) return filled.error();
  for (const std::size_t connections : {1U, 16U, 64U}) {
    const auto hot = ask(node, law, connections, options.seconds, false);
    if (!hot) return hot.error();
    add(into, "questions, hot, " + std::to_string(connections) + " connections", *hot);
  }
  if (auto asked_beside = ask_at_half_load(node, law, options, into); !asked_beside)
    return asked_beside;
  // A drained node has every merchant in a snapshot and none awake.
  if (auto restarted = node.restart(false); !restarted) return restarted.error();
  const auto cold = ask(node, law, 1, options.seconds * 4, true);
  if (!cold) return cold.error();
  add(into, "questions to sleeping merchants (wake-up)", *cold);
  return done{};
}

status bench_recovery(bench_node& node, const bench_options&, figures& into) {
  load_options load;
  load.merchants = 50'000;
  load.events = 500'000;
  load.seed = 13;
  const load_law law{load};
  bench_requests requests{law, 0, load.events, batch, node.key(), false};
  const auto run = run_ingest(node, requests, ingest_connections, 600);
  if (!run) return run.error();
  const auto ready = node.restart(true);
  if (!ready) return ready.error();
  const auto status = node.run({"merchant", "inspect", load_merchant_name(0)});
  if (!status) return status.error();
  into.push_back(
      {"ready after kill -9, 500,000 events sent just before", "s", *ready, 0, "", "bar: 5 s"});
  return done{};
}

}  // namespace tally::apps

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

#include "apps/bench.hpp"
#include "domain/load_law.hpp"

namespace tally::apps {

namespace {

constexpr std::size_t buffer_bytes = 1U << 20;

struct typed_load {
  load_options options;
  std::uint64_t first = 0, count = 0, rate = 0;
  std::int64_t only = -1;
  bool live = false;
};

event_time wall_clock() {
  return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

bool write_all(std::string& buffer) {
  const bool good = std::fwrite(buffer.data(), 1, buffer.size(), stdout) == buffer.size();
  buffer.clear();
  return good;
}

int generate(typed_load typed) {
  auto& options = typed.options;
  if (typed.only >= 0) options.only_merchant = static_cast<std::uint32_t>(typed.only);
  const load_law law{options};
  const auto end =
      typed.count == 0 ? options.events : std::min(options.events, typed.first + typed.count);
  const auto started = std::chrono::steady_clock::now();
  std::string buffer;
  buffer.reserve(buffer_bytes + 4'096);
  for (auto i = typed.first; i < end; ++i) {
    if (typed.rate != 0) {
      const auto due =
          started + std::chrono::nanoseconds{(i - typed.first) * 1'000'000'000ULL / typed.rate};
      if (due > std::chrono::steady_clock::now()) {
        if (!write_all(buffer) || std::fflush(stdout) != 0) return exit_failure;
        std::this_thread::sleep_until(due);
      }
    }
    if (typed.live) {
      law.append_line_live(buffer, i, wall_clock());
    } else {
      law.append_line(buffer, i);
    }
    if (buffer.size() >= buffer_bytes && !write_all(buffer)) return exit_failure;
  }
  return write_all(buffer) && std::fflush(stdout) == 0 ? exit_ok : exit_failure;
}

}  // namespace

void add_bench_generate(CLI::App& bench, action& chosen) {
  auto* command = bench.add_subcommand("generate", "Write the standard load as NDJSON to stdout");
  command->footer(
      "Deterministic: event i depends on the flags and i alone.\n"
      "Example:\n  tally bench generate --events 1000000 --merchants 1000 --seed 7 > load.ndjson");
  auto typed = std::make_shared<typed_load>();
  auto& options = typed->options;
  command->add_option("--events", options.events, "Events of the load [1000000]")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 40U));
  command->add_option("--merchants", options.merchants, "Merchants of the load [100000]")
      ->check(CLI::Range(1, 10'000'000));
  command->add_option("--seed", options.seed, "Another seed, another load [1]");
  command->add_flag("--uniform", options.uniform, "Draw merchants evenly, not by Zipf");
  command->add_option("--only-merchant", typed->only,
                      "All events are this merchant's, and name none");
  command->add_option("--first", typed->first, "Begin at this event [0]");
  command->add_option("--count", typed->count, "Write so many [up to the end]");
  command->add_flag("--live", typed->live, "Event times at the wall clock while writing");
  command->add_option("--rate", typed->rate, "Events a second [as fast as can be]");
  command->callback([&chosen, typed] { chosen = [typed] { return generate(*typed); }; });
}

}  // namespace tally::apps

// simulate --seeds N [--from S] [--trace]: runs the simulator over N seeds and says what it saw.
// Ends with 1 at the first violation, after printing its seed and its trace.
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>

#include "tests/simulation/simulation.hpp"

namespace {

using tally::simulation::add_counts;
using tally::simulation::run_outcome;

struct arguments {
  std::uint64_t seeds = 1'000, from = 1;
  bool traces = false;
};

void print(const run_outcome& sum, std::uint64_t seeds, std::uint64_t stuck) {
  std::cout << seeds << " seeds, " << sum.steps << " steps, " << sum.commits << " commits, "
            << sum.acknowledged << " acknowledged, " << sum.leaders << " leaders, "
            << sum.truncations << " truncations, " << sum.crashes << " crashes, " << sum.lost_disks
            << " lost disks, " << sum.doubtful_swaps << " doubtful swaps, " << sum.handovers
            << " hand-overs asked, " << sum.fetched_copies << " copies fetched, " << sum.reads
            << " reads, " << stuck << " stuck by loss\n";
}

int usage() {
  std::cerr << "usage: simulate --seeds N [--from S] [--trace]\n";
  return 2;
}

bool parse(int count, char** words, arguments& out) {
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    const bool has_value = i + 1 < count;
    if (word == "--trace") {
      out.traces = true;
    } else if (word == "--seeds" && has_value) {
      out.seeds = std::strtoull(words[++i], nullptr, 10);
    } else if (word == "--from" && has_value) {
      out.from = std::strtoull(words[++i], nullptr, 10);
    } else {
      return false;
    }
  }
  return out.seeds > 0;
}

}  // namespace

int main(int count, char** words) {
  arguments args;
  if (!parse(count, words, args)) return usage();
  run_outcome sum;
  std::uint64_t stuck = 0;
  for (auto seed = args.from; seed < args.from + args.seeds; ++seed) {
    auto outcome = tally::simulation::run({.seed = seed, .rules = {}, .keeps_trace = args.traces});
    add_counts(sum, outcome);
    stuck += outcome.is_stuck_by_loss ? 1 : 0;
    const bool failed = !outcome.violation.empty();
    if (failed && !args.traces) {
      outcome = tally::simulation::run({.seed = seed, .rules = {}, .keeps_trace = true});
    }
    for (const auto& line : outcome.trace) std::cout << line << '\n';
    if (failed) {
      std::cout << "seed " << seed << ": " << outcome.violation << '\n';
      return 1;
    }
    if ((seed - args.from + 1) % 100'000 == 0) print(sum, seed - args.from + 1, stuck);
  }
  print(sum, args.seeds, stuck);
}

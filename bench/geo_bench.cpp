#include <arpa/inet.h>
#include <benchmark/benchmark.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "api/geo_database.hpp"

/// What it costs an event to learn the country of its address, in libloc's database as its package
/// installs it.
namespace tally::api {
namespace {

constexpr std::size_t visitors_at_once = 20'000;
constexpr std::size_t events_a_visitor = 8;

geo_database& world() {
  static const auto opened = geo_database::open("");
  if (!opened) {
    std::fprintf(stderr, "%s\n", opened.error().text().c_str());
    std::exit(1);
  }
  return **opened;
}

std::string random_address(std::mt19937& random) {
  std::array<char, INET_ADDRSTRLEN> text{};
  const auto address = static_cast<in_addr_t>(random());
  inet_ntop(AF_INET, &address, text.data(), text.size());
  return text.data();
}

/// Nobody comes twice: every address is read from the file.
void strangers(benchmark::State& state) {
  std::mt19937 random{1};
  std::vector<std::string> addresses;
  for (int i = 0; i < 1'000'000; ++i) addresses.push_back(random_address(random));
  std::size_t at = 0, known = 0;
  for (auto _ : state) known += world().find(addresses[at++ % addresses.size()]).country.size() / 2;
  if (known == 0 && state.iterations() > 1'000) state.SkipWithError("no address has a country");
  state.counters["known"] = static_cast<double>(known) / static_cast<double>(state.iterations());
}
BENCHMARK(strangers)->Unit(benchmark::kMicrosecond);

/// Twenty thousand visitors are there at once, each with eight events, then another one comes.
void visitors(benchmark::State& state) {
  std::mt19937 random{static_cast<unsigned>(state.thread_index() + 1)};
  struct visitor {
    std::string address;
    std::size_t left = 0;
  };
  std::vector<visitor> there(visitors_at_once);
  for (auto& v : there) v = {random_address(random), 1 + random() % events_a_visitor};
  std::size_t known = 0;
  for (auto _ : state) {
    auto& v = there[random() % there.size()];
    if (v.left == 0) v = {random_address(random), events_a_visitor};
    --v.left;
    known += world().find(v.address).country.size() / 2;
  }
  if (known == 0 && state.iterations() > 1'000) state.SkipWithError("no address has a country");
}
BENCHMARK(visitors)->Unit(benchmark::kMicrosecond)->UseRealTime()->ThreadRange(1, 4);

}  // namespace
}  // namespace tally::api

BENCHMARK_MAIN();

#include <benchmark/benchmark.h>

#include <array>
#include <random>

#include "domain/client_time.hpp"
#include "domain/ensure.hpp"
#include "domain/scan.hpp"

namespace tally {
namespace {

constexpr std::size_t block_rows = 65'536;
constexpr std::size_t blocks = 16;
constexpr std::size_t visitors = 50'000;

/// A month of a shop: what the standard load is made of, as columns with dictionaries.
struct shop_month {
  std::vector<event_columns> columns;
  merchant_facts facts;
  std::int64_t german_events = 0, people = 0, german_gross = 0;
};

void add_text(event_columns& block, text_field f, const std::vector<std::string>& texts) {
  auto& column = block.texts[static_cast<std::size_t>(f)];
  column.words.assign(texts.begin(), texts.end());
  column.codes.reserve(block_rows);
}

const shop_month& month() {
  static const auto made = [] {
    static std::vector<std::string> names{"page_view", "add_to_cart", "purchase"};
    static std::vector<std::string> countries{"DE", "GB", "FR", "US", "PL", ""};
    static std::vector<std::string> urls, people, none{""};
    for (int i = 0; i < 500; ++i) urls.push_back("https://shop.example/p/" + std::to_string(i));
    for (std::size_t i = 0; i < visitors; ++i) people.push_back("visitor-" + std::to_string(i));
    std::mt19937 random{1};
    shop_month m;
    const auto begin = parse_client_time("2026-10-01T00:00:00Z")->at;
    auto at = to_ms(begin);
    std::vector<bool> seen(visitors);
    for (std::size_t b = 0; b < blocks; ++b) {
      event_columns block;
      block.rows = block_rows;
      block.newest_before_ms = at;
      for (std::size_t f = 0; f < text_fields; ++f) {
        auto& column = block.texts[f];
        column.words.assign(none.begin(), none.end());
        column.codes.assign(block_rows, 0);
      }
      for (const auto f :
           {text_field::name, text_field::country, text_field::url, text_field::visitor})
        block.texts[static_cast<std::size_t>(f)].codes.clear();
      add_text(block, text_field::name, names);
      add_text(block, text_field::country, countries);
      add_text(block, text_field::url, urls);
      add_text(block, text_field::visitor, people);
      for (auto& numbers : block.numbers) numbers.assign(block_rows, no_number);
      const auto number = [&](number_field f) -> std::vector<std::int64_t>& {
        return block.numbers[static_cast<std::size_t>(f)];
      };
      const auto code = [&](text_field f, std::size_t c) {
        block.texts[static_cast<std::size_t>(f)].codes.push_back(static_cast<std::uint32_t>(c));
      };
      block.items.begins.assign(block_rows + 1, 0);
      for (std::size_t i = 0; i < block_rows; ++i) {
        at += static_cast<std::int64_t>(random() % 4'000);
        const auto name = random() % 20 == 0 ? 2 : random() % 8 == 0 ? 1 : 0;
        const auto country = random() % countries.size();
        const auto who = random() % visitors;
        number(number_field::offset)[i] = static_cast<std::int64_t>(b * block_rows + i + 1);
        number(number_field::at)[i] = at;
        number(number_field::outcome)[i] = 0;
        code(text_field::name, static_cast<std::size_t>(name));
        code(text_field::country, country);
        code(text_field::url, random() % urls.size());
        code(text_field::visitor, who);
        if (name == 2) number(number_field::subtotal)[i] = 10'000'000;
        m.german_events += country == 0 ? 1 : 0;
        m.german_gross += country == 0 && name == 2 ? 10'000'000 : 0;
        if (!seen[who]) ++m.people;
        seen[who] = true;
      }
      m.columns.push_back(std::move(block));
    }
    m.facts.reporting_zone = &zone::utc();
    m.facts.currency = "EUR";
    m.facts.any = true;
    m.facts.oldest = begin;
    m.facts.newest = time_from_ms(at);
    return m;
  }();
  return made;
}

event_filter german() {
  event_filter f;
  f.op = filter_op::is;
  f.field = "visit:country";
  f.values = {"DE"};
  return f;
}

answer run(benchmark::State& state, const question& q) {
  const auto& m = month();
  auto made = make_scan_plan(q, m.facts, m.facts.newest, ruleset{});
  ensure(made.ok(), "a question of the bench must be answered");
  const auto plan = std::make_shared<const scan_plan>(*made);
  answer a;
  for (auto _ : state) {
    scan s{plan};
    for (const auto& block : m.columns) ensure(s.add(block).ok(), "a block that is too much");
    a = *s.finish();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(blocks * block_rows));
  return a;
}

question ask(std::vector<std::string> metrics, std::vector<std::string> dimensions) {
  question q;
  q.metrics = std::move(metrics);
  q.dimensions = std::move(dimensions);
  return q;
}

// A filter of events: the country is one of visits.
event_filter one_page() {
  auto f = german();
  f.field = "event:page";
  f.op = filter_op::contains;
  f.values = {"/p/1"};
  return f;
}

void count_and_sum_with_a_filter(benchmark::State& state) {
  auto q = ask({"events", "gross_sales"}, {});
  q.filters = {one_page()};
  const auto a = run(state, q);
  ensure(a.rows.size() == 1 && a.rows[0].metrics[0].number > 0, "nothing was counted");
}
BENCHMARK(count_and_sum_with_a_filter)->Unit(benchmark::kMillisecond);

void count_by_day_and_name(benchmark::State& state) {
  const auto a = run(state, ask({"events"}, {"time:day", "event:name"}));
  int128 all = 0;
  for (const auto& row : a.rows) all += row.metrics[0].number;
  ensure(all == int128{blocks} * int128{block_rows}, "an event was not counted");
}
BENCHMARK(count_by_day_and_name)->Unit(benchmark::kMillisecond);

void uniques(benchmark::State& state) {
  const auto a = run(state, ask({"visitors"}, {}));
  const auto estimate = static_cast<double>(a.rows[0].metrics[0].number);
  const auto people = static_cast<double>(month().people);
  ensure(estimate > people * 0.96 && estimate < people * 1.04, "the estimate is off");
}
BENCHMARK(uniques)->Unit(benchmark::kMillisecond);

void uniques_by_page(benchmark::State& state) {
  const auto a = run(state, ask({"visitors"}, {"event:page"}));
  ensure(a.total_rows == 500, "every page must be there");
}
BENCHMARK(uniques_by_page)->Unit(benchmark::kMillisecond);

void visits_by_country(benchmark::State& state) {
  const auto a = run(state, ask({"visits", "bounce_rate"}, {"visit:country"}));
  ensure(a.total_rows >= 5, "every country must be there");
}
BENCHMARK(visits_by_country)->Unit(benchmark::kMillisecond);

void events_of_visits_from_one_country(benchmark::State& state) {
  auto q = ask({"events", "gross_sales"}, {});
  q.filters = {german()};
  const auto a = run(state, q);
  ensure(a.rows[0].metrics[0].number >= month().german_events, "an event was not counted");
}
BENCHMARK(events_of_visits_from_one_country)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tally

BENCHMARK_MAIN();

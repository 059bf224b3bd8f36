#include <string>

#include "api/query_json.hpp"
#include "domain/ensure.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using namespace tally;

namespace {

constexpr const char* zones[] = {"UTC", "Europe/London", "Asia/Kathmandu", "Australia/Lord_Howe"};

merchant_facts facts_of(std::uint8_t choice) {
  merchant_facts facts;
  facts.reporting_zone = zone::find(zones[choice % 4]);
  facts.currency = "GBP";
  facts.names = {"page_view", "purchase"};
  facts.currencies = {"GBP", "JPY"};
  facts.any = (choice & 4) != 0;
  facts.oldest = time_from_ms(1'291'190'400'000);
  facts.newest = time_from_ms(1'301'270'400'000);
  return facts;
}

/// One row in each range that the plan asks for.
row_set rows_for(const plan& p) {
  row_set rows;
  for (const auto& range : p.ranges) {
    ensure(range.from < range.to, "a range of rows that is empty");
    const row_set::address at{{range.width, range.tag}, range.from};
    switch (range.kind) {
      case row_kind::traffic:
        rows.traffic[at].events = 3;
        break;
      case row_kind::commerce:
        rows.commerce[at].gross_sales = 12'345'678;
        break;
      case row_kind::name:
        rows.names[at].events = 2;
        break;
      case row_kind::operations:
        rows.operations[at].accepted = 5;
        break;
    }
  }
  return rows;
}

}  // namespace

// The first byte chooses the merchant, the rest is the question's body.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto request = api::parse_query(testing::as_bytes(data + 1, size - 1));
  if (!request) {
    const auto problem = api::describe(request.error());
    ensure(problem.status >= 400 && problem.status < 500, "a bad question is its sender's fault");
    return 0;
  }
  const auto p = make_plan(request->q, facts_of(data[0]), time_from_ms(1'301'274'000'000));
  if (!p) {
    const auto problem = api::describe(p.error());
    ensure(problem.status == 400 || problem.status == 422, "a plan is refused by 400 or 422");
    return 0;
  }
  ensure(p->from < p->to && p->buckets.size() <= buckets_max + 1, "a plan beyond its limits");
  const auto a = evaluate(*p, rows_for(*p));
  ensure(a.rows.size() <= named_buckets_max, "an answer beyond its limits");
  for (const auto& row : a.rows)
    ensure(row.metrics.size() == request->q.metrics.size(), "a row without all its metrics");
  return 0;
}

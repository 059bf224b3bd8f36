#include <cstdio>
#include <nlohmann/json.hpp>

#include "api/query_json.hpp"
#include "api/reply_table.hpp"
#include "apps/client.hpp"

namespace tally::apps {

namespace {

using nlohmann::json;

/// A question as flags give it.
struct typed_question {
  std::string merchant, range = "7d", timezone, currency, compare, filters;
  std::vector<std::string> metrics, dimensions, order;
  std::uint32_t limit = 0, offset = 0;
  bool totals = false;
};

std::string question_json(const typed_question& typed) {
  json q{{"site_id", typed.merchant}, {"metrics", typed.metrics}};
  if (!typed.dimensions.empty()) q["dimensions"] = typed.dimensions;
  const auto comma = typed.range.find(',');
  if (comma == std::string::npos) {
    q["date_range"] = typed.range;
  } else {
    q["date_range"] = {typed.range.substr(0, comma), typed.range.substr(comma + 1)};
  }
  if (!typed.timezone.empty()) q["timezone"] = typed.timezone;
  if (!typed.currency.empty()) q["currency"] = typed.currency;
  if (!typed.compare.empty()) q["compare"] = typed.compare;
  if (!typed.filters.empty()) q["filters"] = json::parse(typed.filters, nullptr, false);
  for (const auto& one : typed.order) {
    const bool rising = one.ends_with(":asc");
    const bool falling = one.ends_with(":desc");
    const auto name = one.substr(0, one.size() - (rising ? 4 : falling ? 5 : 0));
    q["order_by"].push_back({name, rising ? "asc" : "desc"});
  }
  if (typed.limit != 0) q["pagination"]["limit"] = typed.limit;
  if (typed.offset != 0) q["pagination"]["offset"] = typed.offset;
  if (typed.totals) q["include"]["totals"] = true;
  return q.dump(-1, ' ', false, json::error_handler_t::replace);
}

int ask(const typed_question& typed, const client_flags& flags) {
  const bool as_json = flags.output() == "json";
  const auto client = flags.connect();
  if (!client) return report(client.error());
  const auto reply =
      (*client)->run({"query", question_json(typed), as_json ? "application/json" : "text/csv"});
  if (!reply) {
    const auto code = report(reply.error());
    const auto status = api::describe(reply.error()).status;
    return status == 400 || status == 422 ? exit_usage : code;
  }
  if (as_json) {
    std::puts(reply->c_str());
  } else if (flags.output() == "csv") {
    std::fputs(reply->c_str(), stdout);
  } else {
    auto table = api::csv_table(*reply);
    const bool chart = flags.output() == "chart";
    if (chart) table = api::with_joined_labels(table, typed.dimensions.size());
    std::fputs((chart ? api::render_chart(table, terminal_width()) : api::render(table)).c_str(),
               stdout);
  }
  return exit_ok;
}

}  // namespace

void add_query(CLI::App& root, action& chosen) {
  auto* command = root.add_subcommand("query", "Ask about a merchant's numbers");
  command->footer(
      "Examples:\n"
      "  tally query --merchant shop --metrics visitors,pageviews --dimensions time:hour --range "
      "day\n"
      "  tally query --merchant shop --metrics net_sales,orders --dimensions time:day --range "
      "2026-01-01,2026-01-31 -o chart");
  auto typed = std::make_shared<typed_question>();
  command->add_option("--merchant", typed->merchant, "ID")->required();
  command->add_option("--metrics", typed->metrics, "Names, separated by commas")
      ->required()
      ->delimiter(',');
  command->add_option("--dimensions", typed->dimensions, "time:day, event:name and the like")
      ->delimiter(',');
  command->add_option("--range", typed->range,
                      "day, 7d, 30d, month, 12mo, year, all, or FROM,TO with both included [7d]");
  command->add_option("--timezone", typed->timezone, "Zone of days and hours [the merchant's]");
  command->add_option("--currency", typed->currency, "Of the money shown [the merchant's]");
  command->add_option("--compare", typed->compare, "previous_period or year_over_year");
  command->add_option("--order-by", typed->order, "METRIC:desc, DIMENSION:asc")->delimiter(',');
  command->add_option("--filters", typed->filters, "JSON, as in POST /api/v2/query");
  command->add_option("--limit", typed->limit, "Rows at most");
  command->add_option("--offset", typed->offset, "Rows left out at the start");
  command->add_flag("--totals", typed->totals, "Ask for totals too (-o json)");
  command->callback(
      [&chosen, typed, flags = client_flags{*command, {"table", "json", "csv", "chart"}}] {
        chosen = [typed, flags] { return ask(*typed, flags); };
      });
}

}  // namespace tally::apps

#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "api/query_json.hpp"
#include "api/reply_table.hpp"
#include "apps/client.hpp"

namespace tally::apps {

namespace {

using nlohmann::json;

/// A question as flags give it.
struct typed_question {
  std::string merchant, range = "7d", timezone, currency, compare, filters, refunds_on;
  std::vector<std::string> metrics, dimensions, order;
  std::uint32_t limit = 0, offset = 0;
  bool totals = false, in_one_currency = false;
  // Instead of metrics:
  std::vector<std::string> funnel;  // steps: a filter as JSON, or the name of an event
  std::uint32_t window_s = 0;
  bool strict = false;
  std::string retention;  // day, week, month
  bool of_customers = false;
  std::string after, before, by;  // journeys: the anchor as a step of a funnel
  std::vector<std::string> through;
  std::uint32_t steps = 0;
  bool identity = false;
  [[nodiscard]] bool of_journeys() const { return !after.empty() || !before.empty(); }
};

/// Fields that all questions have.
json common_json(const typed_question& typed) {
  json q{{"site_id", typed.merchant}};
  const auto comma = typed.range.find(',');
  if (comma == std::string::npos) {
    q["date_range"] = typed.range;
  } else {
    q["date_range"] = {typed.range.substr(0, comma), typed.range.substr(comma + 1)};
  }
  if (!typed.timezone.empty()) q["timezone"] = typed.timezone;
  if (!typed.filters.empty()) q["filters"] = json::parse(typed.filters, nullptr, false);
  return q;
}

std::string text_of(const json& question) {
  return question.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string question_json(const typed_question& typed) {
  auto q = common_json(typed);
  q["metrics"] = typed.metrics;
  if (!typed.dimensions.empty()) q["dimensions"] = typed.dimensions;
  if (!typed.currency.empty()) q["currency"] = typed.currency;
  if (!typed.compare.empty()) q["compare"] = typed.compare;
  if (!typed.refunds_on.empty()) q["refunds_on"] = typed.refunds_on;
  if (typed.in_one_currency) q["convert"] = false;
  for (const auto& one : typed.order) {
    const bool rising = one.ends_with(":asc");
    const bool falling = one.ends_with(":desc");
    const auto name = one.substr(0, one.size() - (rising ? 4 : falling ? 5 : 0));
    q["order_by"].push_back({name, rising ? "asc" : "desc"});
  }
  if (typed.limit != 0) q["pagination"]["limit"] = typed.limit;
  if (typed.offset != 0) q["pagination"]["offset"] = typed.offset;
  if (typed.totals) q["include"]["totals"] = true;
  return text_of(q);
}

std::string funnel_json(const typed_question& typed) {
  auto q = common_json(typed);
  for (const auto& step : typed.funnel) {
    if (step.starts_with("["))
      q["steps"].push_back(json::parse(step, nullptr, false));
    else
      q["steps"].push_back(
          {{"label", step}, {"filter", {"is", "event:name", json::array({step})}}});
  }
  if (typed.window_s != 0) q["window_seconds"] = typed.window_s;
  if (typed.strict) q["strict"] = true;
  if (!typed.dimensions.empty()) q["dimensions"] = typed.dimensions;
  if (typed.limit != 0) q["pagination"]["limit"] = typed.limit;
  if (typed.offset != 0) q["pagination"]["offset"] = typed.offset;
  return text_of(q);
}

std::string retention_json(const typed_question& typed) {
  auto q = common_json(typed);
  q["period"] = typed.retention;
  q["of"] = typed.of_customers ? "customers" : "visitors";
  if (!typed.currency.empty()) q["currency"] = typed.currency;
  return text_of(q);
}

/// A filter as JSON, or the name of an event.
json anchor_json(const std::string& typed) {
  if (typed.starts_with("[")) return json::parse(typed, nullptr, false);
  return {"is", "event:name", json::array({typed})};
}

std::string journeys_json(const typed_question& typed) {
  auto q = common_json(typed);
  if (!typed.after.empty()) q["start"] = anchor_json(typed.after);
  if (!typed.before.empty()) q["end"] = anchor_json(typed.before);
  if (!typed.by.empty()) q["by"] = typed.by;
  if (typed.steps != 0) q["steps"] = typed.steps;
  if (typed.limit != 0) q["top"] = typed.limit;
  if (typed.window_s != 0) q["window_seconds"] = typed.window_s;
  if (!typed.through.empty()) q["through"] = typed.through;
  if (typed.identity) q["identity"] = true;
  return text_of(q);
}

/// Why the flags do not go together; empty where they do.
std::string wrong_flags(const typed_question& typed) {
  const int kinds = (typed.metrics.empty() ? 0 : 1) + (typed.funnel.empty() ? 0 : 1) +
                    (typed.retention.empty() ? 0 : 1) + (typed.of_journeys() ? 1 : 0);
  if (kinds != 1) return "one of --metrics, --funnel, --retention, --after and --before is needed";
  if (typed.funnel.empty() && typed.strict) return "--strict is of a funnel";
  if (typed.funnel.empty() && !typed.of_journeys() && typed.window_s != 0)
    return "--window is of a funnel or journeys";
  const bool of_steps =
      !typed.by.empty() || typed.steps != 0 || !typed.through.empty() || typed.identity;
  if (!typed.of_journeys() && of_steps)
    return "--by, --steps, --through and --identity go with --after or --before";
  if (typed.retention.empty() && typed.of_customers) return "--customers is of --retention";
  if (!typed.metrics.empty()) return {};
  if (!typed.order.empty() || typed.totals || !typed.compare.empty() || !typed.refunds_on.empty())
    return "--order-by, --totals, --compare and --refunds-on go with --metrics";
  if ((!typed.retention.empty() || typed.of_journeys()) && !typed.dimensions.empty())
    return "--retention, --after and --before have no --dimensions";
  return {};
}

/// An answer as JSON gives a table; where it is none, it says what is wrong.
result<api::text_table> table_of(const typed_question& typed, const std::string& reply) {
  if (!typed.funnel.empty()) return api::funnel_table(reply);
  if (typed.of_journeys()) return api::journeys_table(reply);
  return typed.retention.empty() ? api::csv_table(reply) : api::retention_table(reply);
}

std::vector<std::string> words_of(const typed_question& typed, bool as_json) {
  if (!typed.funnel.empty()) return {"funnel", funnel_json(typed)};
  if (!typed.retention.empty()) return {"retention", retention_json(typed)};
  if (typed.of_journeys()) return {"journeys", journeys_json(typed)};
  return {"query", question_json(typed), as_json ? "application/json" : "text/csv"};
}

int ask(const typed_question& typed, const client_flags& flags) {
  const bool as_json = flags.output() == "json";
  if (const auto wrong = wrong_flags(typed); !wrong.empty()) {
    report(failure{errc::bad_request, wrong});
    return exit_usage;
  }
  const auto client = flags.connect();
  if (!client) return report(client.error());
  const auto reply = (*client)->run(words_of(typed, as_json));
  if (!reply) {
    const auto code = report(reply.error());
    const auto status = api::describe(reply.error()).status;
    return status == 400 || status == 422 ? exit_usage : code;
  }
  if (as_json) {
    std::puts(reply->c_str());
    return exit_ok;
  }
  if (flags.output() == "csv" && !typed.metrics.empty()) {
    std::fputs(reply->c_str(), stdout);
    return exit_ok;
  }
  auto table = table_of(typed, *reply);
  if (!table) return report(table.error());
  const bool chart = flags.output() == "chart";
  const std::size_t labels =
      typed.of_journeys() ? 2 : typed.dimensions.size() + (typed.funnel.empty() ? 0 : 1);
  if (chart && labels > 0) *table = api::with_joined_labels(*table, labels);
  const auto text = chart                     ? api::render_chart(*table, terminal_width())
                    : flags.output() == "csv" ? api::render_csv(*table)
                                              : api::render(*table);
  std::fputs(text.c_str(), stdout);
  return exit_ok;
}

/// Flags of funnels, retention and journeys.
void add_report_flags(CLI::App& command, typed_question& typed) {
  // CLI11 cuts what stands in brackets, which filters do, where an option takes several values.
  command
      .add_option("--funnel", typed.funnel,
                  "A step, once for each: a filter as JSON, or the name of an event")
      ->expected(1)
      ->take_all()
      ->allow_extra_args(false);
  const std::map<std::string, std::uint32_t> units{
      {"s", 1}, {"m", 60}, {"h", 3'600}, {"d", 86'400}};
  command
      .add_option("--window", typed.window_s,
                  "From a funnel's first step to its last [14d], of journeys [1d]")
      ->transform(CLI::AsNumberWithUnit(units));
  command.add_flag("--strict", typed.strict, "Each step is the visitor's very next event");
  command.add_option("--retention", typed.retention, "Who comes back, by day, week or month")
      ->check(CLI::IsMember({"day", "week", "month"}));
  command.add_flag("--customers", typed.of_customers, "Retention of customers, by their orders");
  command.add_option("--after", typed.after,
                     "What visitors did next: a filter as JSON, or the name of an event");
  command.add_option("--before", typed.before, "What they did before that")->excludes("--after");
  command.add_option("--by", typed.by, "What a step of journeys is [event:page]")
      ->check(CLI::IsMember({"event:page", "event:name"}));
  command.add_option("--steps", typed.steps, "Steps of journeys [5]");
  command.add_option("--through", typed.through, "The first of these steps, one each")
      ->expected(1)
      ->take_all()
      ->allow_extra_args(false);
  command.add_flag("--identity", typed.identity,
                   "Take visitors for the users that they were seen with");
}

}  // namespace

void add_query(CLI::App& root, action& chosen) {
  auto* command = root.add_subcommand("query", "Ask about a merchant's numbers");
  command->footer(
      "Examples:\n"
      "  tally query --merchant shop --metrics visitors,pageviews --dimensions time:hour --range "
      "day\n"
      "  tally query --merchant shop --metrics net_sales,orders --dimensions time:day --range "
      "2026-01-01,2026-01-31 -o chart\n"
      "  tally query --merchant shop --funnel page_view --funnel add_to_cart --funnel purchase "
      "--range 30d -o chart\n"
      "  tally query --merchant shop --retention month --customers --range year\n"
      "  tally query --merchant shop --before purchase --steps 3 --range 30d");
  auto typed = std::make_shared<typed_question>();
  command->add_option("--merchant", typed->merchant, "ID")->required();
  command->add_option("--metrics", typed->metrics, "Names, separated by commas")->delimiter(',');
  command->add_option("--dimensions", typed->dimensions, "time:day, event:name and the like")
      ->delimiter(',');
  command->add_option("--range", typed->range,
                      "day, 7d, 30d, month, 12mo, year, all, or FROM,TO with both included [7d]");
  command->add_option("--timezone", typed->timezone, "Zone of days and hours [the merchant's]");
  command->add_option("--currency", typed->currency, "Of the money shown [the merchant's]");
  command->add_flag("--no-convert", typed->in_one_currency,
                    "Leave out the money of other currencies");
  command->add_option("--compare", typed->compare, "previous_period or year_over_year");
  command->add_option("--refunds-on", typed->refunds_on, "On which day refunds count")
      ->check(CLI::IsMember({"refund", "order"}));
  command->add_option("--order-by", typed->order, "METRIC:desc, DIMENSION:asc")->delimiter(',');
  command->add_option("--filters", typed->filters, "JSON, as in POST /api/v2/query");
  command->add_option("--limit", typed->limit, "Rows at most");
  command->add_option("--offset", typed->offset, "Rows left out at the start");
  command->add_flag("--totals", typed->totals, "Ask for totals too (-o json)");
  add_report_flags(*command, *typed);
  command->callback(
      [&chosen, typed, flags = client_flags{*command, {"table", "json", "csv", "chart"}}] {
        chosen = [typed, flags] { return ask(*typed, flags); };
      });
}

}  // namespace tally::apps

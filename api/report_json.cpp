#include "api/report_json.hpp"

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/question_reader.hpp"
#include "domain/client_time.hpp"
#include "persistence/filter_json.hpp"

namespace tally::api {
namespace {

using nlohmann::json;
using out_json = nlohmann::ordered_json;

constexpr std::uint32_t window_seconds_max =
    static_cast<std::uint32_t>(std::chrono::seconds{funnel_window_max}.count());

constexpr std::uint32_t journey_window_seconds_max =
    static_cast<std::uint32_t>(std::chrono::seconds{journey_window_max}.count());

/// What every question about a merchant has.
void read_common(object_reader& body, query_request& request, status& outcome) {
  auto& q = request.q;
  body.text("site_id", q.merchant);
  read_date_range(body, q);
  body.text("timezone", q.timezone);
  if (const auto* const filters = body.take("filters"); filters != nullptr && outcome) {
    auto read = persistence::read_filters(*filters, "/filters");
    if (read) {
      q.filters = std::move(*read);
    } else {
      outcome = read.error();
    }
  }
  read_consistency(body, request, outcome);
  read_generation(body, request);
}

/// A filter, or several of which all must hold.
result<event_filter> read_step_filter(const json& value, const std::string& pointer) {
  auto filters = persistence::read_filters(value, pointer);
  if (!filters) return filters.error();
  if (filters->size() == 1) return std::move(filters->front());
  event_filter all;
  all.pointer = pointer;
  all.parts = std::move(*filters);
  return all;
}

void read_anchor(object_reader& body, journeys_question& into, status& outcome) {
  const auto* const start = body.take("start");
  const auto* const end = body.take("end");
  if (!outcome) return;
  if ((start == nullptr) == (end == nullptr))
    return body.fail("start", "is required, or end, and only one of them");
  into.backwards = start == nullptr;
  auto read = read_step_filter(into.backwards ? *end : *start, into.backwards ? "/end" : "/start");
  if (!read) {
    outcome = read.error();
    return;
  }
  into.anchor = std::move(*read);
}

void read_step(const json& value, std::size_t index, funnel_question& into, status& outcome) {
  const auto pointer = at("/steps", index);
  auto label = "step " + std::to_string(index + 1);
  const auto* filter = &value;
  if (value.is_object()) {
    object_reader step{value, pointer, outcome};
    step.text("label", label);
    filter = step.take("filter");
    if (filter == nullptr) step.fail("filter", "is required");
    step.finish();
    if (!outcome) return;
  }
  auto read = read_step_filter(*filter, value.is_object() ? pointer + "/filter" : pointer);
  if (!read) {
    outcome = read.error();
    return;
  }
  into.steps.push_back(std::move(*read));
  into.labels.push_back(std::move(label));
}

void read_steps(object_reader& body, funnel_question& into, status& outcome) {
  const auto* const steps = body.take("steps");
  if (steps == nullptr) return body.fail("steps", "is required");
  if (!steps->is_array() || steps->size() < funnel_steps_min || steps->size() > funnel_steps_max)
    return body.fail("steps", "must be an array of 2 to 10 steps");
  for (std::size_t i = 0; i < steps->size() && outcome; ++i)
    read_step((*steps)[i], i, into, outcome);
}

out_json number_of(const metric_value& v) {
  if (v.is == metric_value::form::null) return nullptr;
  return static_cast<double>(static_cast<std::int64_t>(v.number)) / 10;  // tenths of a percent
}

out_json steps_of(const std::vector<funnel_step>& steps, const std::vector<std::string>& labels) {
  auto list = out_json::array();
  for (std::size_t i = 0; i < steps.size(); ++i)
    list.push_back({{"label", labels[i]},
                    {"visitors", steps[i].visitors},
                    {"conversion", number_of(steps[i].conversion)},
                    {"from_previous", number_of(steps[i].from_previous)},
                    {"drop_off", steps[i].drop_off}});
  return list;
}

out_json meta_of(const actors::query_reply& reply) {
  return {{"as_of", format_rfc3339(reply.as_of)},
          {"complete_through", format_rfc3339(reply.complete_through)},
          {"generation", reply.generation},
          {"exact", true},
          {"cost", {{"events", reply.events_read}, {"blocks_skipped", reply.blocks_skipped}}}};
}

std::string dump(const out_json& value) {
  return value.dump(-1, ' ', false, out_json::error_handler_t::replace);
}

}  // namespace

result<funnel_request> parse_funnel(std::string_view body) {
  const auto value = parse_question_json(body);
  if (!value) return value.error();
  funnel_request request;
  auto& funnel = request.funnel;
  status outcome{done{}};
  object_reader members{*value, "", outcome};
  read_common(members, request.common, outcome);
  read_steps(members, funnel, outcome);
  auto window = static_cast<std::uint32_t>(funnel.window.count());
  members.number("window_seconds", 1, window_seconds_max, window);
  members.flag("strict", funnel.strict);
  members.texts("dimensions", request.common.q.dimensions);
  read_pagination(members, request.common.q, outcome);
  members.finish();
  if (!outcome) return outcome.error();
  funnel.window = std::chrono::seconds{window};
  funnel.asked = request.common.q;
  return request;
}

result<retention_request> parse_retention(std::string_view body) {
  const auto value = parse_question_json(body);
  if (!value) return value.error();
  retention_request request;
  auto& retention = request.retention;
  status outcome{done{}};
  object_reader members{*value, "", outcome};
  read_common(members, request.common, outcome);
  members.text("currency", request.common.q.currency);
  members.flag("convert", request.common.q.converts);
  std::string period = "week", of = "visitors";
  members.text("period", period);
  members.text("of", of);
  const auto width = granularity_from(period);
  if (!width ||
      (*width != granularity::day && *width != granularity::week && *width != granularity::month))
    members.fail("period", "must be day, week or month");
  if (of != "visitors" && of != "customers") members.fail("of", "must be visitors or customers");
  members.finish();
  if (!outcome) return outcome.error();
  retention.period = *width;
  retention.of_orders = of == "customers";
  retention.asked = request.common.q;
  return request;
}

result<journeys_request> parse_journeys(std::string_view body) {
  const auto value = parse_question_json(body);
  if (!value) return value.error();
  journeys_request request;
  auto& journeys = request.journeys;
  status outcome{done{}};
  object_reader members{*value, "", outcome};
  read_common(members, request.common, outcome);
  read_anchor(members, journeys, outcome);
  members.text("by", journeys.by);
  members.number("steps", 1, journey_steps_max, journeys.steps);
  members.number("top", 1, journey_top_max, journeys.top);
  auto window = static_cast<std::uint32_t>(journeys.window.count());
  members.number("window_seconds", 1, journey_window_seconds_max, window);
  members.texts("through", journeys.through);
  members.flag("identity", journeys.identity);
  members.finish();
  if (!outcome) return outcome.error();
  journeys.window = std::chrono::seconds{window};
  journeys.asked = request.common.q;
  return request;
}

std::string to_json(const funnel_question& q, const actors::funnel_reply& reply) {
  const auto& table = reply.table;
  auto rows = out_json::array();
  for (const auto& row : table.rows)
    rows.push_back({{"dimensions", {row.value}}, {"steps", steps_of(row.steps, q.labels)}});
  auto meta = meta_of(reply.meta);
  meta["total_rows"] = table.total_rows;
  return dump({{"results", {{"steps", steps_of(table.steps, q.labels)}, {"rows", rows}}},
               {"meta", meta},
               {"query",
                {{"site_id", q.asked.merchant},
                 {"date_range", {table.from, table.to}},
                 {"timezone", table.zone},
                 {"window_seconds", q.window.count()},
                 {"strict", q.strict},
                 {"dimensions", q.asked.dimensions}}}});
}

std::string to_json(const retention_question& q, const actors::retention_reply& reply) {
  const auto& table = reply.table;
  const auto places = currency_places(table.currency);
  auto rows = out_json::array();
  for (const auto& row : table.rows) {
    auto cells = out_json::array();
    for (const auto& cell : row.cells) {
      out_json one{{"people", cell.people}};
      if (q.of_orders) one["revenue"] = format_decimal(cell.revenue, places);
      cells.push_back(std::move(one));
    }
    rows.push_back({{"cohort", row.cohort}, {"size", row.size}, {"cells", cells}});
  }
  return dump({{"results", rows},
               {"meta", meta_of(reply.meta)},
               {"query",
                {{"site_id", q.asked.merchant},
                 {"date_range", {table.from, table.to}},
                 {"timezone", table.zone},
                 {"currency", table.currency},
                 {"period", to_string(q.period)},
                 {"of", q.of_orders ? "customers" : "visitors"}}}});
}

std::string to_json(const journeys_question& q, const actors::journeys_reply& reply) {
  const auto& table = reply.table;
  auto steps = out_json::array(), ways = out_json::array();
  for (std::size_t i = 0; i < table.steps.size(); ++i) {
    const auto& step = table.steps[i];
    auto values = out_json::array();
    for (const auto& v : step.values)
      values.push_back(
          {{"value", v.value}, {"visitors", v.visitors}, {"share", number_of(v.share)}});
    steps.push_back({{"step", i + 1},
                     {"visitors", step.visitors},
                     {"drop_off", step.drop_off},
                     {"values", std::move(values)},
                     {"others", step.others}});
  }
  for (const auto& way : table.ways)
    ways.push_back({{"values", way.values}, {"visitors", way.visitors}});
  auto meta = meta_of(reply.meta);
  meta["total_ways"] = table.total_ways;
  return dump({{"results", {{"visitors", table.visitors}, {"steps", steps}, {"ways", ways}}},
               {"meta", meta},
               {"query",
                {{"site_id", q.asked.merchant},
                 {"date_range", {table.from, table.to}},
                 {"timezone", table.zone},
                 {"anchor", q.backwards ? "end" : "start"},
                 {"by", q.by},
                 {"steps", q.steps},
                 {"top", q.top},
                 {"window_seconds", q.window.count()},
                 {"through", q.through},
                 {"identity", q.identity}}}});
}

}  // namespace tally::api

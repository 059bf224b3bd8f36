#include "api/query_json.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "api/ack_token.hpp"
#include "api/question_reader.hpp"

namespace tally::api {
namespace {

using nlohmann::json;
using namespace std::string_view_literals;

void read_compare(object_reader& body, question& q) {
  const auto* const v = body.take("compare");
  if (v == nullptr) return;
  if (*v == "previous_period") {
    q.compare = comparison::previous_period;
  } else if (*v == "year_over_year") {
    q.compare = comparison::year_over_year;
  } else if (is_pair_of_texts(*v)) {
    q.compare = comparison::custom;
    q.compare_from = (*v)[0].get<std::string>();
    q.compare_to = (*v)[1].get<std::string>();
  } else {
    body.fail("compare", "must be previous_period, year_over_year or two dates or times");
  }
}

void read_refunds_on(object_reader& body, question& q) {
  std::string day = "refund";
  body.text("refunds_on", day);
  if (day != "refund" && day != "order") body.fail("refunds_on", "must be refund or order");
  q.refunds_on_order_day = day == "order";
}

void read_order_by(object_reader& body, question& q) {
  const auto* const v = body.take("order_by");
  if (v == nullptr) return;
  if (!v->is_array()) return body.fail("order_by", "must be an array");
  for (std::size_t i = 0; i < v->size(); ++i) {
    const auto& pair = (*v)[i];
    if (!is_pair_of_texts(pair) || (pair[1] != "asc" && pair[1] != "desc"))
      return body.fail(at("order_by", i), R"(must be ["metric or dimension", "asc" or "desc"])");
    q.order_by.emplace_back(pair[0].get<std::string>(), pair[1] == "desc");
  }
}

void read_include(object_reader& body, question& q, status& outcome) {
  const auto* const v = body.take("include");
  if (v == nullptr) return;
  object_reader include{*v, "/include", outcome};
  include.flag("totals", q.include_totals);
  include.flag("time_labels", q.include_time_labels);
  include.flag("total_rows", q.include_total_rows);
  include.flag("exactness", q.include_exactness);
  bool imports = false;  // what was imported here is counted like everything else
  include.flag("imports", imports);
  if (q.compare == comparison::none) read_compare(include, q);
  include.flag("compare_match_day_of_week", q.match_day_of_week);
  include.finish();
}

status read_question(const json& value, query_request& request) {
  status outcome{done{}};
  auto& q = request.q;
  object_reader body{value, "", outcome};
  body.text("site_id", q.merchant);
  if (outcome && body.take("metrics") == nullptr) body.fail("metrics", "is required");
  body.texts("metrics", q.metrics);
  body.texts("dimensions", q.dimensions);
  read_date_range(body, q);
  body.text("timezone", q.timezone);
  body.text("currency", q.currency);
  read_question_filters(body, q, outcome);
  read_compare(body, q);
  body.flag("match_day_of_week", q.match_day_of_week);
  read_refunds_on(body, q);
  body.flag("convert", q.converts);
  read_order_by(body, q);
  read_pagination(body, q, outcome);
  read_include(body, q, outcome);
  read_consistency(body, request, outcome);
  read_generation(body, request);
  body.finish();
  return outcome;
}

unsigned http_status(errc code) {
  switch (code) {
    case errc::bad_request:
      return 400;
    case errc::unauthorized:
      return 401;
    case errc::forbidden:
      return 403;
    case errc::not_found:
      return 404;
    case errc::conflict:
      return 409;
    case errc::unsupported:
      return 422;
    case errc::over_limit:
      return 429;
    case errc::unavailable:
    case errc::disk_full:
      return 503;
    default:
      return 500;
  }
}

}  // namespace

result<query_request> parse_query(std::string_view body) {
  const auto value = parse_question_json(body);
  if (!value) return value.error();
  query_request request;
  if (const auto fine = read_question(*value, request); !fine) return fine.error();
  return request;
}

result<asked_when> when_of(const query_request& request) {
  asked_when when;
  when.wait_max = request.max_wait;
  if (!request.after.empty()) {
    auto positions = decode_ack(request.after);
    if (!positions) return failure{errc::bad_request, "/consistency/after: not an ack token"};
    when.after = std::move(*positions);
  }
  if (request.generation != "current")
    when.generation =
        static_cast<std::uint32_t>(std::strtoul(request.generation.c_str(), nullptr, 10));
  return when;
}

event_time wall_clock() {
  return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

query_problem describe(const failure& why) {
  query_problem problem{http_status(why.code), std::string{to_string(why.code)}, "", why.detail};
  auto& detail = problem.detail;
  const auto cut_front = [&]() {
    const auto colon = detail.find(": ");
    auto front = detail.substr(0, colon);
    detail.erase(0, colon + 2);
    return front;
  };
  constexpr std::array codes{"too_fine: "sv, "not_yet: "sv, "too_many_buckets: "sv,
                             "too_many_groups: "sv, "too_much_memory: "sv};
  const bool coded =
      std::ranges::any_of(codes, [&](std::string_view c) { return detail.starts_with(c); });
  if (why.code == errc::unsupported && coded) problem.code = cut_front();
  if (detail.starts_with("/") && detail.find(": ") != std::string::npos)
    problem.pointer = cut_front();
  else if (detail.starts_with(": "))
    detail.erase(0, 2);
  return problem;
}

}  // namespace tally::api

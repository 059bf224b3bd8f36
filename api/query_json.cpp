#include "api/query_json.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>

#include "api/query_filters.hpp"
#include "domain/query_metrics.hpp"

namespace tally::api {
namespace {

using nlohmann::json;
using namespace std::string_view_literals;

constexpr int depth_max = 16;
constexpr std::size_t text_bytes_max = 1'024;

failure bad(const std::string& pointer, std::string_view text) {
  return {errc::bad_request, pointer + ": " + std::string{text}};
}

/// As RFC 6901 escapes it.
std::string escaped(std::string_view name) {
  std::string text;
  for (const char c : name) {
    if (c == '~') {
      text += "~0";
    } else if (c == '/') {
      text += "~1";
    } else {
      text += c;
    }
  }
  return text;
}

std::string at(const std::string& pointer, std::size_t index) {
  return pointer + "/" + std::to_string(index);
}

/// Takes members out of a JSON object one by one and remembers the first thing that was wrong.
class object_reader {
 public:
  object_reader(const json& value, std::string pointer, status& outcome)
      : value_{value}, pointer_{std::move(pointer)}, outcome_{outcome} {
    if (!value.is_object()) fail("", "must be an object");
  }

  /// The member, or null where it is absent, null, or something is wrong already.
  const json* take(std::string_view name) {
    known_.push_back(name);
    if (!outcome_ || !value_.is_object()) return nullptr;
    const auto found = value_.find(name);
    return found == value_.end() || found->is_null() ? nullptr : &*found;
  }
  void text(std::string_view name, std::string& into) {
    const auto* const v = take(name);
    if (v == nullptr) return;
    if (!v->is_string()) return fail(name, "must be a text");
    into = v->get<std::string>();
    if (into.size() > text_bytes_max) fail(name, "is too long");
  }
  void flag(std::string_view name, bool& into) {
    const auto* const v = take(name);
    if (v == nullptr) return;
    if (!v->is_boolean()) return fail(name, "must be true or false");
    into = v->get<bool>();
  }
  void number(std::string_view name, std::uint32_t least, std::uint32_t most, std::uint32_t& into) {
    const auto* const v = take(name);
    if (v == nullptr) return;
    const bool fine = v->is_number_unsigned() && v->get<std::uint64_t>() >= least &&
                      v->get<std::uint64_t>() <= most;
    if (!fine)
      return fail(name, "must be a whole number from " + std::to_string(least) + " to " +
                            std::to_string(most));
    into = v->get<std::uint32_t>();
  }
  void texts(std::string_view name, std::vector<std::string>& into) {
    const auto* const v = take(name);
    if (v == nullptr) return;
    if (!v->is_array()) return fail(name, "must be an array of texts");
    for (std::size_t i = 0; i < v->size(); ++i) {
      const auto& element = (*v)[i];
      if (!element.is_string() || element.get_ref<const std::string&>().size() > text_bytes_max) {
        outcome_ = bad(at(path(name), i), "must be a text");
        return;
      }
      into.push_back(element.get<std::string>());
    }
  }
  /// Fails on members that nobody took.
  void finish() {
    if (!outcome_) return;
    for (const auto& member : value_.items()) {
      const std::string_view name = member.key();
      if (std::ranges::find(known_, name) != known_.end()) continue;
      const auto shown = name.substr(0, 64);
      const auto nearest = std::ranges::min_element(
          known_, {}, [&](std::string_view k) { return edit_distance(shown, k); });
      outcome_ = bad(path(escaped(shown)),
                     "there is no such field; the nearest is '" + std::string{*nearest} + "'");
      return;
    }
  }
  void fail(std::string_view name, std::string_view text) {
    if (outcome_) outcome_ = bad(path(name), text);
  }
  [[nodiscard]] std::string path(std::string_view name) const {
    return name.empty() ? pointer_ : pointer_ + "/" + std::string{name};
  }

 private:
  const json& value_;
  std::string pointer_;
  status& outcome_;
  std::vector<std::string_view> known_;
};

bool is_pair_of_texts(const json& v) {
  return v.is_array() && v.size() == 2 && v[0].is_string() && v[1].is_string();
}

void read_date_range(object_reader& body, question& q) {
  const auto* const v = body.take("date_range");
  if (v == nullptr) return body.fail("date_range", "is required");
  if (v->is_string()) {
    q.date_range = v->get<std::string>();
    if (q.date_range == "custom") body.fail("date_range", "needs two dates or times");
  } else if (is_pair_of_texts(*v)) {
    q.date_range = "custom";
    q.from = (*v)[0].get<std::string>();
    q.to = (*v)[1].get<std::string>();
  } else {
    body.fail("date_range", "must be a name or two dates or times");
  }
}

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

void read_question_filters(object_reader& body, question& q, status& outcome) {
  const auto* const v = body.take("filters");
  if (v == nullptr) return;
  auto filters = read_filters(*v, "/filters");
  if (!filters) {
    outcome = filters.error();
    return;
  }
  q.names = names_asked(*filters);
  if (q.names.empty()) q.filters = std::move(*filters);
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

void read_pagination(object_reader& body, question& q, status& outcome) {
  const auto* const v = body.take("pagination");
  if (v == nullptr) return;
  object_reader pagination{*v, "/pagination", outcome};
  pagination.number("limit", 1, buckets_max, q.limit);
  pagination.number("offset", 0, 1'000'000'000, q.offset);
  pagination.finish();
}

void read_consistency(object_reader& body, query_request& request, status& outcome) {
  const auto* const v = body.take("consistency");
  if (v == nullptr) return;
  object_reader consistency{*v, "/consistency", outcome};
  consistency.text("after", request.after);
  auto wait_ms = static_cast<std::uint32_t>(request.max_wait.count());
  consistency.number("max_wait_ms", 0, static_cast<std::uint32_t>(query_wait_max.count()), wait_ms);
  request.max_wait = std::chrono::milliseconds{wait_ms};
  consistency.finish();
}

void read_generation(object_reader& body, query_request& request) {
  const auto* const v = body.take("generation");
  if (v != nullptr && v->is_number_unsigned()) {
    request.generation = std::to_string(v->get<std::uint64_t>());
    return;
  }
  body.text("generation", request.generation);
  const auto& g = request.generation;
  const bool number = !g.empty() && g.front() != '0' && g.size() < 10 &&
                      g.find_first_not_of("0123456789") == std::string::npos;
  if (g != "current" && !number) body.fail("generation", "must be \"current\" or a number");
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
  read_order_by(body, q);
  read_pagination(body, q, outcome);
  read_include(body, q, outcome);
  read_consistency(body, request, outcome);
  read_generation(body, request);
  body.finish();
  return outcome;
}

result<json> parse_json(std::string_view body) {
  if (body.size() > query_bytes_max) return bad("byte 65536", "the question is longer than 64 KiB");
  bool too_deep = false;
  const auto watch = [&](int depth, json::parse_event_t, json&) {
    too_deep = too_deep || depth > depth_max;
    return !too_deep;
  };
  try {
    auto value = json::parse(body.begin(), body.end(), watch);
    if (too_deep) return bad("", "is nested more than 16 deep");
    return value;
  } catch (const json::parse_error& e) {
    return bad("byte " + std::to_string(e.byte), "the question is no JSON");
  } catch (const json::exception&) {
    return bad("", "holds a number that is too large");
  }
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
  const auto value = parse_json(body);
  if (!value) return value.error();
  query_request request;
  if (const auto fine = read_question(*value, request); !fine) return fine.error();
  return request;
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
  constexpr std::array codes{"too_fine: "sv, "not_yet: "sv, "too_many_buckets: "sv};
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

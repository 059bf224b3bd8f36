#include "api/question_reader.hpp"

#include <algorithm>
#include <utility>

#include "domain/query_metrics.hpp"
#include "persistence/filter_json.hpp"

namespace tally::api {
namespace {

using nlohmann::json;

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

}  // namespace

std::string at(const std::string& pointer, std::size_t index) {
  return pointer + "/" + std::to_string(index);
}

object_reader::object_reader(const json& value, std::string pointer, status& outcome)
    : value_{value}, pointer_{std::move(pointer)}, outcome_{outcome} {
  if (!value.is_object()) fail("", "must be an object");
}

const json* object_reader::take(std::string_view name) {
  known_.push_back(name);
  if (!outcome_ || !value_.is_object()) return nullptr;
  const auto found = value_.find(name);
  return found == value_.end() || found->is_null() ? nullptr : &*found;
}

void object_reader::text(std::string_view name, std::string& into) {
  const auto* const v = take(name);
  if (v == nullptr) return;
  if (!v->is_string()) return fail(name, "must be a text");
  into = v->get<std::string>();
  if (into.size() > text_bytes_max) fail(name, "is too long");
}

void object_reader::flag(std::string_view name, bool& into) {
  const auto* const v = take(name);
  if (v == nullptr) return;
  if (!v->is_boolean()) return fail(name, "must be true or false");
  into = v->get<bool>();
}

void object_reader::number(std::string_view name, std::uint32_t least, std::uint32_t most,
                           std::uint32_t& into) {
  const auto* const v = take(name);
  if (v == nullptr) return;
  const bool fine = v->is_number_unsigned() && v->get<std::uint64_t>() >= least &&
                    v->get<std::uint64_t>() <= most;
  if (!fine)
    return fail(name, "must be a whole number from " + std::to_string(least) + " to " +
                          std::to_string(most));
  into = v->get<std::uint32_t>();
}

void object_reader::texts(std::string_view name, std::vector<std::string>& into) {
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

void object_reader::finish() {
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

void object_reader::fail(std::string_view name, std::string_view text) {
  if (outcome_) outcome_ = bad(path(name), text);
}

std::string object_reader::path(std::string_view name) const {
  return name.empty() ? pointer_ : pointer_ + "/" + std::string{name};
}

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

void read_question_filters(object_reader& body, question& q, status& outcome) {
  const auto* const v = body.take("filters");
  if (v == nullptr) return;
  auto filters = persistence::read_filters(*v, "/filters");
  if (!filters) {
    outcome = filters.error();
    return;
  }
  q.names = persistence::names_asked(*filters);
  if (q.names.empty()) q.filters = std::move(*filters);
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

result<json> parse_question_json(std::string_view body) {
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

}  // namespace tally::api

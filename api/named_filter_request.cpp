#include "api/named_filter_request.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/problem.hpp"
#include "api/query_json.hpp"
#include "domain/client_time.hpp"

namespace tally::api {
namespace {

using nlohmann::json;
using answer = std::variant<named_filter_wish, http_response>;

struct place {
  std::string_view root;
  filter_use use;
  std::string_view one, all;  // words of the console and of answers
};
constexpr std::array<place, 2> places{
    place{"/v1/goals", filter_use::goal, "goal", "goals"},
    place{"/v1/segments", filter_use::segment, "segment", "segments"}};

const place& place_of(filter_use use) {
  return places[use == filter_use::goal ? 0 : 1];
}

const place* find_place(std::string_view path) {
  const auto* const found = std::ranges::find_if(places, [&](const place& p) {
    return path == p.root || (path.starts_with(p.root) && path[p.root.size()] == '/');
  });
  return found == places.end() ? nullptr : found;
}

http_response bad(const std::string& pointer, const std::string& detail) {
  return problem(400, "bad_request", detail, {{pointer, detail}});
}

http_response wrong_method(std::string allowed) {
  auto refused = problem(405, "method_not_allowed", "this path takes another method");
  refused.headers.emplace_back("Allow", std::move(allowed));
  return refused;
}

/// The text of a member that says what a goal is: an event's name or a path.
bool is_text(const json& value) {
  return value.is_string() && !value.get_ref<const std::string&>().empty() &&
         value.get_ref<const std::string&>().size() <= filter_value_bytes_max;
}

/// A failure of a name or a filter begins with the member at fault, which becomes its pointer.
http_response refusal(failure why) {
  for (const std::string_view member : {"filter", "name"})
    if (why.detail.starts_with(member) && why.code == errc::bad_request) why.detail.insert(0, "/");
  auto told = describe(why);
  std::vector<pointer_error> errors;
  if (!told.pointer.empty()) errors.push_back({told.pointer, told.detail});
  auto response = problem(told.status, told.code, told.detail, errors);
  return told.status == 503 ? retry_later(std::move(response), 1) : response;
}

/// Reads what the name is to stand for.
answer read_filter(named_filter_wish wish, const http_request& request) {
  if (request.body.size() > query_bytes_max)
    return problem(413, "too_large",
                   "more than " + std::to_string(query_bytes_max) + " bytes for a filter");
  const auto body = json::parse(request.body, nullptr, false);
  if (!body.is_object()) return bad("", "the body must be a JSON object");
  const bool goal = wish.use == filter_use::goal;
  for (const auto& member : body.items()) {
    const auto& key = member.key();
    if (key != "filter" && !(goal && (key == "event" || key == "page")))
      return bad("/" + key.substr(0, 64), "is no field of this request");
  }
  if (body.size() != 1)
    return bad("", goal ? "needs one of filter, event and page" : "needs filter");
  const auto& key = body.begin().key();
  const auto& value = body.begin().value();
  if (key != "filter" && !is_text(value))
    return bad("/" + key,
               "must be a text of 1 to " + std::to_string(filter_value_bytes_max) + " bytes");
  wish.filter = key == "filter"  ? value.dump()
                : key == "event" ? persistence::filter_of_event(value.get<std::string>())
                                 : persistence::filter_of_page(value.get<std::string>());
  const auto made = persistence::make_filter_record({wish.use, {}, wish.name, wish.filter});
  if (made) return wish;
  auto why = made.error();
  if (key != "filter" && why.detail.starts_with("filter"))
    why.detail = "/" + key + why.detail.substr(why.detail.find(": "));
  return refusal(std::move(why));
}

json shown(const persistence::filter_record& f) {
  return {{"name", f.name},
          {"filter", json::parse(f.filter)},
          {"created", format_rfc3339(time_from_ms(f.created_ms))}};
}

http_response as_json(const json& body) {
  return {200, "application/json", body.dump(), {}, false, false};
}

}  // namespace

bool is_named_filter_path(std::string_view path) {
  return find_place(path) != nullptr;
}

answer read_named_filter(const http_request& request) {
  const std::string_view path = request.path;
  const auto& at = *find_place(path);
  named_filter_wish wish;
  wish.use = at.use;
  const bool get = request.method == http_method::get || request.method == http_method::head;
  const auto below = path.substr(std::min(path.size(), at.root.size() + 1));
  if (below.empty()) {
    if (get) return wish;
    return wrong_method("GET, HEAD, OPTIONS");
  }
  if (below.find('/') != std::string_view::npos)
    return problem(404, "not_found", "no such path; a slash within a name is written as %2F");
  wish.name = percent_decode(below, false);
  if (get) return wish;
  if (request.method == http_method::put) return read_filter(std::move(wish), request);
  if (request.method != http_method::delete_)
    return wrong_method("GET, HEAD, PUT, DELETE, OPTIONS");
  wish.remove = true;
  return wish;
}

std::vector<std::string> command_of(const named_filter_wish& wish, const std::string& merchant) {
  const std::string kind{place_of(wish.use).one};
  if (wish.remove) return {kind, "remove", "--", merchant, wish.name};
  // A filter begins with a bracket, so it is never taken for an option.
  return {kind, "add", "--filter", wish.filter, "--", merchant, wish.name};
}

http_response answer_of_change(const named_filter_wish& wish, const std::string& merchant,
                               result<std::string> said) {
  if (said) return {200, "application/json", std::move(*said), {}, false, false};
  if (wish.remove && said.error().code == errc::not_found)
    return as_json({{"merchant", merchant}, {"name", wish.name}, {"removed", false}});
  return refusal(said.error());
}

http_response answer_of_list(const named_filter_wish& wish,
                             const std::vector<persistence::filter_record>& all) {
  const auto& kind = place_of(wish.use);
  if (!wish.name.empty()) {
    const auto one = std::ranges::find(all, wish.name, &persistence::filter_record::name);
    if (one != all.end()) return as_json(shown(*one));
    return problem(404, "not_found", "the merchant has no such " + std::string{kind.one});
  }
  auto rows = json::array();
  for (const auto& f : all) rows.push_back(shown(f));
  return as_json(json{{kind.all, rows}});
}

}  // namespace tally::api

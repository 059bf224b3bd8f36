#include "api/admin_command.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/problem.hpp"
#include "api/rates_body.hpp"
#include "domain/event.hpp"
#include "domain/money.hpp"

namespace tally::api {
namespace {

using nlohmann::json;
using words = std::vector<std::string>;
using answer = std::variant<words, http_response>;

constexpr std::string_view reprocess = "/v1/reprocess", rulesets = "/v1/rulesets",
                           rates = "/v1/rates";
constexpr std::size_t merchants_max = 100'000;
constexpr std::array<std::string_view, 5> changes{"pause", "resume", "promote", "rollback", "drop"};

http_response bad(std::string pointer, std::string detail) {
  return problem(400, "bad_request", detail, {{std::move(pointer), detail}});
}

http_response no_such_path() {
  return problem(404, "not_found", "no such path");
}

http_response wrong_method(std::string allowed) {
  auto refused = problem(405, "method_not_allowed", "this path takes another method");
  refused.headers.emplace_back("Allow", std::move(allowed));
  return refused;
}

bool is_number(std::string_view text) {
  return !text.empty() && text.size() <= 8 &&
         text.find_first_not_of("0123456789") == std::string_view::npos;
}

bool is_get(const http_request& r) {
  return r.method == http_method::get || r.method == http_method::head;
}

/// A ruleset's text as a word of a command. A blank keeps one from being taken for an option or a
/// version; it is no ruleset anyway. Lines and columns of all others stay as they were sent.
std::string text_word(const std::string& text) {
  const bool is_version = text.find_first_not_of("0123456789") == std::string::npos;
  return is_version || text.starts_with("--") ? " " + text : text;
}

/// A ruleset's version, its text, or the same as JSON. Empty where it is none of these.
std::string ruleset_word(const json& ruleset) {
  if (ruleset.is_number_unsigned() || ruleset.is_object()) return ruleset.dump();
  return ruleset.is_string() ? text_word(ruleset.get<std::string>()) : std::string{};
}

answer start(const http_request& request) {
  const auto body = json::parse(request.body, nullptr, false);
  if (!body.is_object()) return bad("", "the body must be a JSON object");
  words all{"reprocess", "start", "--ruleset"};
  for (const auto& member : body.items())
    if (member.key() != "ruleset" && member.key() != "merchants")
      return bad("/" + member.key().substr(0, 64), "is no field of this request");
  const auto ruleset = body.contains("ruleset") ? ruleset_word(body["ruleset"]) : std::string{};
  if (ruleset.empty()) return bad("/ruleset", "must be a version, or a ruleset as TOML or JSON");
  all.push_back(ruleset);
  if (!body.contains("merchants")) return all;
  const auto& merchants = body["merchants"];
  if (!merchants.is_array() || merchants.empty() || merchants.size() > merchants_max)
    return bad("/merchants", "must be an array of 1 to 100000 merchants");
  for (std::size_t i = 0; i < merchants.size(); ++i) {
    const auto id = merchants[i].is_string() ? merchants[i].get<std::string>() : std::string{};
    if (!is_merchant_id(id) || id.starts_with("--"))
      return bad("/merchants/" + std::to_string(i), "is no merchant id");
    all.insert(all.end(), {"--merchant", id});
  }
  return all;
}

/// "/v1/reprocess" and what stands below it.
answer of_generations(const http_request& request, std::string_view below) {
  if (below.empty()) {
    if (is_get(request)) return words{"reprocess", "list"};
    return request.method == http_method::post ? start(request)
                                               : answer{wrong_method("GET, HEAD, POST, OPTIONS")};
  }
  const auto slash = below.find('/');
  const std::string id{below.substr(0, slash)};
  const auto what = slash == std::string_view::npos ? std::string_view{} : below.substr(slash + 1);
  const bool change = std::ranges::find(changes, what) != changes.end();
  const bool whole = slash == std::string_view::npos;
  if (!is_number(id) || (!whole && !change && what != "diff")) return no_such_path();
  if (change) {
    if (request.method != http_method::post) return wrong_method("POST, OPTIONS");
    return words{"reprocess", std::string{what}, id};
  }
  if (!is_get(request)) return wrong_method("GET, HEAD, OPTIONS");
  if (whole) return words{"reprocess", "status", id};
  words all{"reprocess", "diff", id};
  if (const auto limit = request.parameter("limit")) {
    if (!is_number(*limit)) return bad("/limit", "must be a number");
    all.insert(all.end(), {"--limit", *limit});
  }
  return all;
}

answer of_rulesets(const http_request& request, std::string_view below) {
  if (below.empty() && request.method == http_method::post)
    return words{"ruleset", "add", text_word(request.body)};
  if (!is_get(request))
    return wrong_method(below.empty() ? "GET, HEAD, POST, OPTIONS" : "GET, HEAD, OPTIONS");
  if (below.empty()) return words{"ruleset", "list"};
  if (!is_number(below)) return no_such_path();
  return words{"ruleset", "show", std::string{below}};
}

/// "/v1/rates": all that a failure's detail names stands behind a JSON pointer, or is of a line.
answer of_rates(const http_request& request, std::string_view below) {
  if (!below.empty()) return no_such_path();
  if (request.method == http_method::post) {
    auto body = read_rates_body(request.body);
    if (!body) {
      const auto& why = body.error().detail;
      const auto end = why.find(": ");
      return bad(why.substr(0, end), why.substr(end + 2));
    }
    words all{"rates", "import", text_word(body->csv)};
    const auto base = body->base.empty() ? request.parameter("base") : std::optional{body->base};
    if (base && !is_currency(*base)) return bad("/base", "must be three capital letters");
    if (base) all.insert(all.end(), {"--base", *base});
    return all;
  }
  if (!is_get(request)) return wrong_method("GET, HEAD, POST, OPTIONS");
  words all{"rates", "list"};
  for (const auto* name : {"currency", "from", "to", "limit"})
    if (const auto value = request.parameter(name); value && !value->starts_with("--"))
      all.insert(all.end(), {std::string{"--"} + name, *value});
  return all;
}

bool stands_at_or_below(std::string_view path, std::string_view root) {
  return path == root ||
         (path.starts_with(root) && path.size() > root.size() && path[root.size()] == '/');
}

}  // namespace

bool is_admin_path(std::string_view path) {
  return stands_at_or_below(path, reprocess) || stands_at_or_below(path, rulesets) ||
         stands_at_or_below(path, rates);
}

answer admin_command(const http_request& request) {
  const std::string_view path = request.path;
  const auto of = [&](std::string_view root,
                      answer (*read)(const http_request&, std::string_view)) {
    auto below = path.substr(root.size());
    if (below.starts_with("/")) below.remove_prefix(1);
    return read(request, below);
  };
  if (stands_at_or_below(path, reprocess)) return of(reprocess, of_generations);
  return stands_at_or_below(path, rates) ? of(rates, of_rates) : of(rulesets, of_rulesets);
}

}  // namespace tally::api

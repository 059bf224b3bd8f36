#include "api/named_filter_request.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace tally::api {
namespace {

using nlohmann::json;
using words = std::vector<std::string>;

http_request asked(http_method method, std::string path, std::string body = {}) {
  http_request r;
  r.method = method;
  r.path = std::move(path);
  r.body = std::move(body);
  return r;
}

words command(http_method method, std::string path, std::string body = {}) {
  const auto read = read_named_filter(asked(method, std::move(path), std::move(body)));
  if (const auto* refused = std::get_if<http_response>(&read))
    return {std::to_string(refused->status)};
  return command_of(std::get<0>(read), "shop");
}

/// The pointer and the detail with which a filter is refused.
std::pair<std::string, std::string> refused(const std::string& path, const std::string& body) {
  const auto read = read_named_filter(asked(http_method::put, path, body));
  if (read.index() == 0) return {"taken", ""};
  const auto told = json::parse(std::get<1>(read).body);
  EXPECT_EQ(told["status"], 400) << body;
  return {told["errors"][0]["pointer"], told["errors"][0]["detail"]};
}

TEST(named_filter_request, changes_are_commands) {
  EXPECT_EQ(command(http_method::put, "/v1/goals/Sign%20up", R"({"event": "--signup"})"),
            (words{"goal", "add", "--filter", R"(["is","event:name",["--signup"]])", "--", "shop",
                   "Sign up"}));
  EXPECT_EQ(command(http_method::put, "/v1/goals/--Blog%2Fread", R"({"page": "/blog/**"})"),
            (words{"goal", "add", "--filter",
                   R"([["is","event:name",["page_view"]],["matches","event:page",["^/blog/.*$"]]])",
                   "--", "shop", "--Blog/read"}));
  EXPECT_EQ(command(http_method::put, "/v1/segments/Germans",
                    R"({"filter": ["is", "visit:country", ["DE"]]})"),
            (words{"segment", "add", "--filter", R"(["is","visit:country",["DE"]])", "--", "shop",
                   "Germans"}));
  EXPECT_EQ(command(http_method::delete_, "/v1/segments/a+b"),
            (words{"segment", "remove", "--", "shop", "a+b"}));
}

TEST(named_filter_request, a_look_is_at_all_or_at_one) {
  const auto wish = [](std::string path) {
    return std::get<0>(read_named_filter(asked(http_method::get, std::move(path))));
  };
  for (const auto* path : {"/v1/goals", "/v1/goals/"}) {
    EXPECT_EQ(wish(path).name, "");
    EXPECT_FALSE(wish(path).is_change());
  }
  EXPECT_EQ(wish("/v1/segments/Gr%C3%B6%C3%9Fe").name, "Größe");
  EXPECT_EQ(wish("/v1/segments/x").use, filter_use::segment);
  EXPECT_TRUE(is_named_filter_path("/v1/goals/x"));
  for (const auto* path : {"/v1/goal", "/v1/goalsx", "/v1/segment", "/v1"})
    EXPECT_FALSE(is_named_filter_path(path)) << path;
}

TEST(named_filter_request, a_refusal_names_the_member_at_fault) {
  const std::string goal = "/v1/goals/A", segment = "/v1/segments/A";
  EXPECT_EQ(refused(goal, "[]").first, "");
  EXPECT_EQ(refused(goal, "{").first, "");
  EXPECT_EQ(refused(goal, "{}").second, "needs one of filter, event and page");
  EXPECT_EQ(refused(goal, R"({"event": "a", "page": "/"})").first, "");
  EXPECT_EQ(refused(goal, R"({"pages": "/"})").first, "/pages");
  EXPECT_EQ(refused(segment, R"({"event": "a"})").first, "/event");
  EXPECT_EQ(refused(goal, R"({"event": 3})").first, "/event");
  EXPECT_EQ(refused(goal, R"({"event": ""})").first, "/event");
  EXPECT_EQ(refused(goal, json{{"page", std::string(1'001, 'a')}}.dump()).first, "/page");
  EXPECT_EQ(refused(goal, json{{"page", "*" + std::string(999, '.')}}.dump()).first, "/page");
  EXPECT_EQ(refused(goal, R"({"filter": {}})").first, "/filter");
  EXPECT_EQ(refused(goal, R"({"filter": ["is", "event:name", [7]]})").first, "/filter/2/0");
  EXPECT_EQ(refused(goal, R"({"filter": ["is", "visit:source", ["Google"]]})").first, "/filter");
  EXPECT_EQ(refused(segment, R"({"filter": ["is", "segment", ["B"]]})").first, "/filter");
  EXPECT_EQ(refused("/v1/goals/" + std::string(101, 'a'), R"({"event": "a"})").first, "/name");
  EXPECT_EQ(refused("/v1/goals/%FF", R"({"event": "a"})").first, "/name");
  EXPECT_EQ(refused("/v1/goals/a%0Ab", R"({"event": "a"})").first, "/name");
}

TEST(named_filter_request, other_paths_methods_and_sizes_are_refused) {
  EXPECT_EQ(command(http_method::put, "/v1/goals", R"({"event": "a"})"), words{"405"});
  EXPECT_EQ(command(http_method::post, "/v1/goals/a", R"({"event": "a"})"), words{"405"});
  EXPECT_EQ(command(http_method::put, "/v1/goals/a/b", R"({"event": "a"})"), words{"404"});
  EXPECT_EQ(command(http_method::put, "/v1/goals/a", std::string(70'000, ' ')), words{"413"});
}

TEST(named_filter_request, answers_say_what_there_is) {
  const std::vector<persistence::filter_record> all{
      {filter_use::goal, "shop", "A", R"(["is","event:name",["a"]])", 1'000},
      {filter_use::goal, "shop", "B", R"(["is","event:name",["b"]])", 2'000}};
  named_filter_wish wish;
  const auto list = json::parse(answer_of_list(wish, all).body)["goals"];
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[1], (json{{"name", "B"},
                           {"filter", {"is", "event:name", json::array({"b"})}},
                           {"created", "1970-01-01T00:00:02.000Z"}}));
  wish.name = "B";
  EXPECT_EQ(json::parse(answer_of_list(wish, all).body), list[1]);
  wish.name = "C";
  EXPECT_EQ(answer_of_list(wish, all).status, 404u);
}

TEST(named_filter_request, removing_what_is_not_there_may_be_repeated) {
  named_filter_wish wish;
  wish.name = "C";
  wish.remove = true;
  const auto gone = answer_of_change(wish, "shop", failure{errc::not_found, "goal 'C'"});
  EXPECT_EQ(gone.status, 200u);
  EXPECT_EQ(json::parse(gone.body),
            (json{{"merchant", "shop"}, {"name", "C"}, {"removed", false}}));
  EXPECT_EQ(answer_of_change(wish, "shop", failure{errc::unavailable, "no"}).status, 503u);
  wish.remove = false;
  EXPECT_EQ(answer_of_change(wish, "shop", failure{errc::not_found, "merchant"}).status, 404u);
  EXPECT_EQ(answer_of_change(wish, "shop", failure{errc::conflict, "as many"}).status, 409u);
}

}  // namespace
}  // namespace tally::api

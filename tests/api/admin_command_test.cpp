#include "api/admin_command.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace tally::api {
namespace {

using words = std::vector<std::string>;

http_request asked(http_method method, std::string path, std::string body = {},
                   std::string query = {}) {
  http_request r;
  r.method = method;
  r.path = std::move(path);
  r.query = std::move(query);
  r.body = std::move(body);
  return r;
}

words command(const http_request& r) {
  auto made = admin_command(r);
  return made.index() == 0 ? std::get<0>(made) : words{std::to_string(std::get<1>(made).status)};
}

std::string pointer_of(const http_request& r) {
  const auto made = admin_command(r);
  const auto body = nlohmann::json::parse(std::get<1>(made).body);
  return body["errors"][0]["pointer"];
}

TEST(admin_command, paths_are_commands) {
  const auto get = http_method::get, post = http_method::post;
  EXPECT_EQ(command(asked(get, "/v1/reprocess")), (words{"reprocess", "list"}));
  EXPECT_EQ(command(asked(get, "/v1/reprocess/12")), (words{"reprocess", "status", "12"}));
  EXPECT_EQ(command(asked(get, "/v1/reprocess/2/diff", {}, "limit=7")),
            (words{"reprocess", "diff", "2", "--limit", "7"}));
  for (const auto* what : {"pause", "resume", "promote", "rollback", "drop"})
    EXPECT_EQ(command(asked(post, std::string{"/v1/reprocess/3/"} + what)),
              (words{"reprocess", what, "3"}));
  EXPECT_EQ(command(asked(get, "/v1/rulesets")), (words{"ruleset", "list"}));
  EXPECT_EQ(command(asked(get, "/v1/rulesets/4")), (words{"ruleset", "show", "4"}));
  EXPECT_EQ(command(asked(post, "/v1/rulesets", "late_visit_hours = 1")),
            (words{"ruleset", "add", "late_visit_hours = 1"}));
}

TEST(admin_command, a_start_names_ruleset_and_merchants) {
  const auto start = [](std::string body) {
    return asked(http_method::post, "/v1/reprocess", std::move(body));
  };
  EXPECT_EQ(command(start(R"({"ruleset": 2})")), (words{"reprocess", "start", "--ruleset", "2"}));
  EXPECT_EQ(command(start(R"({"ruleset": "--[names]", "merchants": ["a", "b"]})")),
            (words{"reprocess", "start", "--ruleset", " --[names]", "--merchant", "a", "--merchant",
                   "b"}));
  EXPECT_EQ(command(start(R"({"ruleset": {"late_visit_hours": 1}})")).back(),
            R"({"late_visit_hours":1})");
  EXPECT_EQ(pointer_of(start("[]")), "");
  EXPECT_EQ(pointer_of(start("{}")), "/ruleset");
  EXPECT_EQ(pointer_of(start(R"({"ruleset": -1})")), "/ruleset");
  EXPECT_EQ(pointer_of(start(R"({"ruleset": 1, "merchants": []})")), "/merchants");
  EXPECT_EQ(pointer_of(start(R"({"ruleset": 1, "merchants": ["a", "--all"]})")), "/merchants/1");
  EXPECT_EQ(pointer_of(start(R"({"ruleset": 1, "merchants": ["a,b"]})")), "/merchants/0");
  EXPECT_EQ(pointer_of(start(R"({"ruleset": 1, "merchant": "a"})")), "/merchant");
}

TEST(admin_command, rates_come_as_csv_or_json) {
  const auto get = http_method::get, post = http_method::post;
  EXPECT_EQ(command(asked(get, "/v1/rates", {}, "currency=USD&limit=5")),
            (words{"rates", "list", "--currency", "USD", "--limit", "5"}));
  EXPECT_EQ(command(asked(post, "/v1/rates", "date,USD\n2010-12-01,1.3\n", "base=EUR")),
            (words{"rates", "import", "date,USD\n2010-12-01,1.3\n", "--base", "EUR"}));
  EXPECT_EQ(command(asked(post, "/v1/rates", R"({"base": "GBP", "rates": [
                {"date": "2010-12-01", "currency": "USD", "rate": 1.30000000000000001},
                {"date": "2010-12-02", "currency": "EUR", "rate": "0.9"}]})")),
            (words{"rates", "import",
                   "date,currency,rate\n2010-12-01,USD,1.30000000000000001\n2010-12-02,EUR,0.9\n",
                   "--base", "GBP"}))
      << "digits as they are written";
  EXPECT_EQ(command(asked(get, "/v1/rates/1")), words{"404"});
  EXPECT_EQ(command(asked(http_method::put, "/v1/rates")), words{"405"});
  const auto wrong = [&](std::string body) { return pointer_of(asked(post, "/v1/rates", body)); };
  EXPECT_EQ(wrong("{"), "");
  EXPECT_EQ(wrong(R"({"rates": []})"), "/rates");
  EXPECT_EQ(wrong(R"({"rates": [1]})"), "/rates/0");
  EXPECT_EQ(wrong(R"({"rates": [{"currency": "USD", "rate": 1}]})"), "/rates/0/date");
  EXPECT_EQ(wrong(R"({"rates": [{"date": "2010-12-32", "currency": "USD", "rate": 1}]})"),
            "/rates/0/date");
  EXPECT_EQ(wrong(R"({"rates": [{"date": "2010-12-01", "currency": "usd", "rate": 1}]})"),
            "/rates/0/currency");
  EXPECT_EQ(wrong(R"({"rates": [{"date": "2010-12-01", "currency": "USD", "rate": 1e3}]})"),
            "/rates/0/rate");
  EXPECT_EQ(wrong(R"({"rates": [{"date": "2010-12-01", "currency": "USD", "rate": 1, "x": 2}]})"),
            "/rates/0/x");
  EXPECT_EQ(pointer_of(asked(post, "/v1/rates", "date,USD\n", "base=euro")), "/base");
}

TEST(admin_command, other_paths_and_methods_are_refused) {
  const auto get = http_method::get, post = http_method::post;
  for (const auto* path : {"/v1/reprocess/x", "/v1/reprocess/1/delete", "/v1/reprocess/1/diff/2",
                           "/v1/reprocess/", "/v1/rulesets/-1", "/v1/reprocess/123456789"}) {
    const bool list = std::string_view{path} == "/v1/reprocess/";
    EXPECT_EQ(command(asked(get, path)), list ? (words{"reprocess", "list"}) : words{"404"})
        << path;
  }
  EXPECT_EQ(command(asked(get, "/v1/reprocess/1/promote")), words{"405"});
  EXPECT_EQ(command(asked(post, "/v1/reprocess/1")), words{"405"});
  EXPECT_EQ(command(asked(post, "/v1/rulesets/1")), words{"405"});
  EXPECT_EQ(pointer_of(asked(get, "/v1/reprocess/1/diff", {}, "limit=-7")), "/limit");
  EXPECT_TRUE(is_admin_path("/v1/reprocess/1/diff"));
  EXPECT_FALSE(is_admin_path("/v1/reprocessing"));
}

}  // namespace
}  // namespace tally::api

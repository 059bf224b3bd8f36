#include "api/web_pages.hpp"

#include <gtest/gtest.h>

#include <regex>
#include <set>

namespace tally::api {
namespace {

std::string field(const http_response& answer, std::string_view name) {
  for (const auto& [key, value] : answer.headers)
    if (key == name) return value;
  return {};
}

http_response get(std::string_view path, std::string_view known = {}) {
  http_request request;
  if (!known.empty()) request.headers.add("If-None-Match", known);
  const auto* const page = find_web_page(path);
  return page == nullptr ? http_response{.status = 404} : answer_with_page(*page, request);
}

std::set<std::string> matches(std::string_view text, const std::string& expression) {
  std::set<std::string> found;
  const std::regex pattern{expression};
  const std::string whole{text};
  for (std::sregex_iterator at{whole.begin(), whole.end(), pattern}, end; at != end; ++at)
    found.insert((*at)[1]);
  return found;
}

TEST(web_pages, are_the_dashboard_and_the_agent) {
  EXPECT_EQ(get("/").content_type, "text/html; charset=utf-8");
  EXPECT_TRUE(get("/").body.starts_with("<!doctype html>"));
  EXPECT_EQ(get("/js/tally.js").content_type, "text/javascript; charset=utf-8");
  EXPECT_EQ(get("/dashboard/dashboard.css").content_type, "text/css; charset=utf-8");
  EXPECT_EQ(get("/dashboard/icon.svg").content_type, "image/svg+xml");
  for (const auto* path : {"/index.html", "/dashboard/", "/dashboard/index.html", "/dashboard/x.js",
                           "/dashboard/../tally.js", "/dashboard/tally.js", "/js/", "/js/chart.js"})
    EXPECT_EQ(get(path).status, 404u) << path;
}

TEST(web_pages, all_that_they_load_is_there_and_of_the_same_node) {
  const auto page = get("/").body;
  const auto loaded = matches(page, R"re((?:src|href)="(/[^"]*)")re");
  EXPECT_GE(loaded.size(), 3u);
  for (const auto& path : loaded) EXPECT_EQ(get(path).status, 200u) << path;
  for (const auto& file : web_files()) {
    for (const auto& name : matches(file.text, R"re(from '\./([^']*)')re"))
      EXPECT_EQ(get("/dashboard/" + name).status, 200u) << file.name << " imports " << name;
    for (const auto& host : matches(file.text, R"re((https?://[^/"' ]*))re"))
      EXPECT_EQ(host, "http://www.w3.org") << file.name;  // the name of SVG, not an address
  }
}

TEST(web_pages, the_dashboard_runs_no_script_but_its_own) {
  const auto policy = field(get("/"), "Content-Security-Policy");
  EXPECT_TRUE(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"));
  EXPECT_EQ(policy.find("unsafe"), std::string::npos);
  EXPECT_NE(policy.find("frame-ancestors 'none'"), std::string::npos);
  const auto page = get("/").body;
  EXPECT_EQ(page.find("style="), std::string::npos);
  EXPECT_TRUE(matches(page, R"re( (on[a-z]+)=)re").empty());
  for (const auto* path : {"/", "/js/tally.js", "/dashboard/chart.js"})
    EXPECT_EQ(field(get(path), "X-Content-Type-Options"), "nosniff") << path;
}

TEST(web_pages, are_kept_by_browsers_as_long_as_they_are_the_same) {
  for (const auto* path : {"/", "/js/tally.js", "/dashboard/chart.js"}) {
    const auto tag = field(get(path), "ETag");
    EXPECT_TRUE(tag.starts_with("W/\"")) << tag;
    for (const auto& known : {tag, "\"x\", " + tag, tag.substr(2), std::string{"*"}}) {
      const auto same = get(path, known);
      EXPECT_EQ(same.status, 304u) << known;
      EXPECT_TRUE(same.body.empty());
      EXPECT_TRUE(same.content_type.empty());
      EXPECT_EQ(field(same, "ETag"), tag);
      EXPECT_EQ(field(same, "Cache-Control"), field(get(path), "Cache-Control"));
    }
    EXPECT_EQ(get(path, "W/\"0000000000000000\"").status, 200u);
  }
  EXPECT_NE(field(get("/"), "ETag"), field(get("/js/tally.js"), "ETag"));
  EXPECT_EQ(field(get("/"), "Cache-Control"), "no-cache");
  EXPECT_EQ(field(get("/js/tally.js"), "Cross-Origin-Resource-Policy"), "cross-origin");
}

TEST(web_pages, the_agent_is_small_and_keeps_nothing_in_the_browser) {
  const auto agent = get("/js/tally.js").body;
  EXPECT_LT(agent.size(), 4'096u);
  for (const auto* storing : {"cookie", "localStorage", "sessionStorage", "indexedDB", "caches"})
    EXPECT_EQ(agent.find(std::string{storing} + "."), std::string::npos) << storing;
}

}  // namespace
}  // namespace tally::api

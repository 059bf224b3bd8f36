#include "api/openapi.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "domain/event_field.hpp"
#include "domain/query_metrics.hpp"
#include "domain/scan_metrics.hpp"

namespace tally::api {
namespace {

using nlohmann::json;

/// Calls f(text) for every "$ref" in the document.
template <class F>
void for_each_reference(const json& value, F&& f) {
  if (value.is_object() && value.contains("$ref")) f(value["$ref"].get<std::string>());
  if (value.is_structured())
    for (const auto& element : value) for_each_reference(element, f);
}

TEST(openapi_document, names_every_metric_that_rows_can_answer) {
  const auto document = json::parse(openapi_document());
  std::vector<std::string> known;
  for (const auto& metric : all_metrics()) known.emplace_back(metric.name);
  EXPECT_EQ(document["components"]["schemas"]["metric"]["enum"], json(known));
}

TEST(openapi_document, names_every_field_and_metric_that_events_answer) {
  const auto document = json::parse(openapi_document());
  const auto& schemas = document["components"]["schemas"];
  EXPECT_EQ(schemas["field"]["enum"], json(scan_field_names()));
  for (const auto& name : schemas["event_metric"]["enum"]) {
    EXPECT_NE(find_scan_metric(name.get<std::string>()), nullptr) << name;
    EXPECT_EQ(find_metric(name.get<std::string>()), nullptr) << name << " is a metric of rows";
  }
}

TEST(openapi_document, has_the_public_paths) {
  const auto document = json::parse(openapi_document());
  EXPECT_EQ(document["openapi"], "3.1.0");
  for (const auto* path : {"/v1/events",
                           "/v1/batch",
                           "/v1/b",
                           "/v1/track",
                           "/v1/t",
                           "/v1/page",
                           "/v1/p",
                           "/v1/screen",
                           "/v1/s",
                           "/v1/identify",
                           "/v1/i",
                           "/v1/group",
                           "/v1/g",
                           "/v1/alias",
                           "/v1/a",
                           "/api/v2/query",
                           "/v1/merchant",
                           "/livez",
                           "/readyz",
                           "/healthz",
                           "/openapi.json",
                           "/api/event",
                           "/api/send",
                           "/api/batch",
                           "/mp/collect",
                           "/debug/mp/collect",
                           "/g/collect",
                           "/batch",
                           "/i/v0/e",
                           "/capture",
                           "/matomo.php",
                           "/api/s/track",
                           "/v1/pixel.gif",
                           "/api/v2/funnel",
                           "/v1/export",
                           "/api/v2/retention",
                           "/api/v2/journeys",
                           "/v1/reprocess",
                           "/v1/reprocess/{id}",
                           "/v1/rulesets",
                           "/v1/rulesets/{version}",
                           "/v1/rates",
                           "/v1/stream",
                           "/v1/live",
                           "/v1/goals",
                           "/v1/goals/{name}",
                           "/v1/segments",
                           "/v1/segments/{name}"})
    EXPECT_TRUE(document["paths"].contains(path)) << path;
}

TEST(openapi_document, refers_only_to_what_it_has) {
  const auto document = json::parse(openapi_document());
  for_each_reference(document, [&](const std::string& reference) {
    ASSERT_TRUE(reference.starts_with("#/")) << reference;
    EXPECT_TRUE(document.contains(json::json_pointer{reference.substr(1)})) << reference;
  });
}

TEST(openapi_document, names_each_operation_once) {
  const auto document = json::parse(openapi_document());
  std::set<std::string> seen;
  for (const auto& path : document["paths"])
    for (const auto& operation : path)
      EXPECT_TRUE(seen.insert(operation["operationId"].get<std::string>()).second);
}

}  // namespace
}  // namespace tally::api

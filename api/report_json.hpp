#pragma once

#include <string>
#include <string_view>

#include "actors/engine.hpp"
#include "api/query_json.hpp"
#include "domain/funnel.hpp"
#include "domain/result.hpp"
#include "domain/retention.hpp"

/// The questions that are no tables: funnels, retention and journeys. docs/reference/query.md has
/// their form.
namespace tally::api {

/// The body of POST /api/v2/funnel. The question's common part is in `common.q`, which
/// `funnel.asked` copies.
struct funnel_request {
  query_request common;
  funnel_question funnel;
};
/// The body of POST /api/v2/retention.
struct retention_request {
  query_request common;
  retention_question retention;
};
/// The body of POST /api/v2/journeys.
struct journeys_request {
  query_request common;
  journeys_question journeys;
};

/// Form only, as parse_query().
result<funnel_request> parse_funnel(std::string_view body);
result<retention_request> parse_retention(std::string_view body);
result<journeys_request> parse_journeys(std::string_view body);

[[nodiscard]] std::string to_json(const funnel_question& q, const actors::funnel_reply& reply);
[[nodiscard]] std::string to_json(const retention_question& q,
                                  const actors::retention_reply& reply);
[[nodiscard]] std::string to_json(const journeys_question& q, const actors::journeys_reply& reply);

}  // namespace tally::api

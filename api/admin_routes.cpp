#include <nlohmann/json.hpp>

#include "api/exposition.hpp"
#include "api/problem.hpp"
#include "api/routes.hpp"

namespace tally::api {
namespace {

http_response plain(unsigned status, std::string text) {
  http_response response{status, "text/plain; charset=utf-8", std::move(text), {}, false, false};
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

http_response readiness(const actors::engine& engine, bool verbose) {
  const auto why = engine.not_ready();
  const unsigned status = why.empty() ? 200 : 503;
  if (!verbose) return plain(status, why.empty() ? "ready\n" : why + "\n");
  const nlohmann::json body{
      {"ready", why.empty()},
      {"checks", {{{"name", "journal"}, {"ok", why.empty()}, {"detail", why}}}}};
  auto response = plain(status, body.dump());
  response.content_type = "application/json";
  return response;
}

}  // namespace

handler admin_routes(actors::engine& engine, const http_stats& stats, const kafka_metrics* kafka) {
  return [&engine, &stats, kafka](http_request&& request, const respond& answer) {
    if (request.method != http_method::get && request.method != http_method::head)
      return answer(problem(405, "method_not_allowed", "only GET here"));
    if (request.path == "/livez") return answer(plain(200, "ok\n"));
    if (request.path == "/readyz" || request.path == "/healthz")
      return answer(readiness(engine, request.query.find("verbose") != std::string::npos));
    if (request.path == "/metrics") {
      auto response = plain(200, prometheus_text(engine.metrics(), {{"public", &stats}}, kafka));
      response.content_type = prometheus_content_type;
      return answer(std::move(response));
    }
    answer(problem(404, "not_found", "no such path"));
  };
}

}  // namespace tally::api

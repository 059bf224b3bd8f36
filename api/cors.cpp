#include "api/cors.hpp"

#include <algorithm>

namespace tally::api {

bool is_ingest_path(const cors_policy& policy, std::string_view path) {
  return std::find(policy.ingest_paths.begin(), policy.ingest_paths.end(), path) !=
         policy.ingest_paths.end();
}

bool is_allowed_origin(const cors_policy& policy, std::string_view path, std::string_view origin) {
  if (origin.empty()) return false;
  if (is_ingest_path(policy, path)) return true;
  return std::find(policy.origins.begin(), policy.origins.end(), origin) != policy.origins.end();
}

std::optional<http_response> answer_options(const cors_policy& policy,
                                            const http_request& request) {
  if (request.method != http_method::options) return std::nullopt;
  const bool ingest = is_ingest_path(policy, request.path);
  const auto origin = request.header("origin");
  const bool preflight = origin && request.header("access-control-request-method");
  if (!ingest && !preflight) return std::nullopt;
  http_response response;
  response.status = 204;
  response.content_type.clear();
  if (!origin) {
    response.headers.emplace_back("Allow", "POST, GET, OPTIONS");
  } else if (is_allowed_origin(policy, request.path, *origin)) {
    response.headers.emplace_back(
        "Access-Control-Allow-Methods",
        ingest ? "POST, GET, OPTIONS" : "GET, POST, PUT, DELETE, OPTIONS");
    response.headers.emplace_back(
        "Access-Control-Allow-Headers",
        ingest ? "authorization, content-type, x-umami-cache, x-retry-count, x-write-key"
               : "authorization, content-type");
    response.headers.emplace_back("Access-Control-Max-Age", "86400");
  }
  return response;
}

void append_cors_headers(std::string& out, const cors_policy& policy, std::string_view path,
                         std::string_view origin) {
  if (origin.empty()) return;
  out += "Vary: Origin\r\n";
  if (!is_allowed_origin(policy, path, origin)) return;
  out.append("Access-Control-Allow-Origin: ").append(origin).append("\r\n");
  out += "Access-Control-Expose-Headers: retry-after, x-request-id\r\n";
}

}  // namespace tally::api

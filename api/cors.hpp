#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/http_message.hpp"

namespace tally::api {

/// Which web pages may call which paths from a browser.
struct cors_policy {
  /// Open to every origin: write keys are public and stand in web pages.
  std::vector<std::string> ingest_paths{
      "/v1/events",      "/v1/batch",     "/v1/track",   "/v1/page",     "/v1/screen",
      "/v1/identify",    "/v1/group",     "/v1/alias",   "/v1/b",        "/v1/t",
      "/v1/p",           "/v1/s",         "/v1/i",       "/v1/g",        "/v1/a",
      "/api/event",      "/api/send",     "/api/batch",  "/mp/collect",  "/g/collect",
      "/batch/",         "/batch",        "/i/v0/e",     "/i/v0/e/",     "/capture/",
      "/capture",        "/matomo.php",   "/piwik.php",  "/api/s/track", "/api/s/page",
      "/api/s/identify", "/v1/pixel.gif", "/js/tally.js"};
  /// Origins ("https://shop.example") that may call every other path. There is no wildcard.
  std::vector<std::string> origins;
};

[[nodiscard]] bool is_ingest_path(const cors_policy& policy, std::string_view path);
/// True where an answer to this path may be read by pages of `origin`.
[[nodiscard]] bool is_allowed_origin(const cors_policy& policy, std::string_view path,
                                     std::string_view origin);
/// The answer to an OPTIONS request on an ingest path or a preflight on any other; nothing where
/// the handler has to answer. Without the origin's own header, see append_cors_headers.
[[nodiscard]] std::optional<http_response> answer_options(const cors_policy& policy,
                                                          const http_request& request);
/// Appends the header lines that let pages of `origin` read the answer.
void append_cors_headers(std::string& out, const cors_policy& policy, std::string_view path,
                         std::string_view origin);

}  // namespace tally::api

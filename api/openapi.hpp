#pragma once

#include <string_view>

namespace tally::api {

/// docs/reference/openapi.json: what GET /openapi.json answers. Lives for ever.
[[nodiscard]] std::string_view openapi_document();

}  // namespace tally::api

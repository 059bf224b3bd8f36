#pragma once

#include <string>

#include "api/http_message.hpp"

namespace tally::api {

/// The key that a request shows: `Authorization: Bearer KEY`, Basic with the key as user (the colon
/// may be missing), or `?key=`. Empty where there is none.
[[nodiscard]] std::string key_of_request(const http_request& request);

}  // namespace tally::api

#pragma once

#include <memory>

#include "api/http_message.hpp"
#include "api/web_socket.hpp"

namespace tally::api {

/// Limits of one /v1/stream.
struct stream_options {
  web_socket_options socket;
  std::size_t messages_max = 16;                     // received and not answered; then it waits
  std::chrono::milliseconds answer_timeout{15'000};  // then 503, as over HTTP
  std::chrono::milliseconds key_timeout{10'000};     // for a first message that has the key
};

/// The user of a WebSocket whose messages are bodies of POST /v1/events. `opening` is the request
/// that asked for it, `key` the key that it showed, or empty: then the first message has it. `post`
/// takes what it makes of each message, as the server would give it to its handler.
[[nodiscard]] std::shared_ptr<web_socket_user> make_stream_ingest(const http_request& opening,
                                                                  std::string key,
                                                                  const stream_options& options,
                                                                  handler post);

}  // namespace tally::api

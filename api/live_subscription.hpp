#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "actors/engine.hpp"
#include "actors/live_feed.hpp"
#include "api/http_message.hpp"
#include "api/web_socket.hpp"

namespace tally::api {

/// Limits of one subscription to live numbers.
struct live_options {
  web_socket_options socket;                     // of which also the time to write
  std::chrono::milliseconds heart_beat{15'000};  // a comment after so much silence
  std::chrono::milliseconds key_check{30'000};   // how often it is asked whether the key is good
};

/// Says later, on the subscription's loop, whether the key is still good.
using key_question = std::function<void(std::function<void(bool)>)>;

/// Who is to be told of a merchant's live numbers.
struct live_subscriber {
  actors::engine* engine = nullptr;  // lives longer than every connection
  std::string merchant;
  actors::live_feed_ptr feed;
  key_question ask_key;
  live_options options;
};

/// The answer that turns the connection into a stream of events: the whole numbers at once, then
/// whenever they changed, at most once a second. To a client that reads slowly the newest only.
[[nodiscard]] http_response stream_live(live_subscriber who);
/// The same messages over a WebSocket, as text.
[[nodiscard]] http_response socket_live(const http_request& request, live_subscriber who);

/// GET /v1/live for a reader who may: a WebSocket where the request asks for one, a stream of
/// events where it accepts that, else the numbers once. 429 or 503 over the limits of
/// subscriptions.
void answer_live(actors::engine& engine, const http_request& request, std::string merchant,
                 key_question ask_key, const live_options& options, respond answer);

}  // namespace tally::api

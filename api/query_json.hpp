#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "actors/engine.hpp"
#include "domain/query.hpp"
#include "domain/result.hpp"

namespace tally::api {

/// Largest body of a question.
constexpr std::size_t query_bytes_max = 65'536;
/// Longest wait for `consistency.after`.
constexpr std::chrono::milliseconds query_wait_max{10'000};

/// The body of POST /api/v2/query.
struct query_request {
  question q;
  std::string after;                        // ack token to wait for; empty: none
  std::chrono::milliseconds max_wait{500};  // for it
  std::string generation = "current";       // or a number; the caller refuses what it has not
};

/// What a question says of when it may be answered, and by whom.
struct asked_when {
  std::vector<actors::ack_position> after;
  std::uint32_t generation = 0;  // 0: the one that serves
  std::chrono::milliseconds wait_max{};

  /// How long the answer may take: as asked where it waits for events, else `timeout`.
  [[nodiscard]] std::chrono::milliseconds wait_of(std::chrono::milliseconds timeout) const {
    return after.empty() ? timeout : wait_max;
  }
};
/// bad_request where `after` is no ack token.
result<asked_when> when_of(const query_request& request);

/// The node's clock, to the millisecond.
[[nodiscard]] event_time wall_clock();

/// Reads a question as docs/reference/query.md describes it: form only, the merchant is not
/// looked at, and empty where the question names none. bad_request with a JSON pointer in front of
/// the detail ("/metrics/0: ...", or "byte 12: ..." where the text is no JSON), unsupported
/// ("not_yet: /filters/0: ...") for filters that rows cannot answer.
result<query_request> parse_query(std::string_view body);

/// What a failed question tells its sender.
struct query_problem {
  unsigned status = 500;  // of HTTP
  std::string code;       // "bad_request", "too_fine", ...
  std::string pointer;    // JSON pointer into the question; empty: none
  std::string detail;
};

/// Takes apart a failure of parse_query(), make_plan() or the engine.
[[nodiscard]] query_problem describe(const failure& why);

}  // namespace tally::api

#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "actors/engine.hpp"
#include "domain/result.hpp"

namespace tally::api {

/// A question whose answer is no table of metrics: a funnel, retention or journeys.
struct report_question {
  std::string merchant;  // empty where the question names none
  /// Asks about that merchant; the text of the answer comes on any thread.
  std::function<void(actors::engine& engine, const std::string& merchant,
                     std::chrono::milliseconds timeout, actors::callback<std::string> then)>
      send;
};

[[nodiscard]] constexpr bool is_report_path(std::string_view path) {
  return path == "/api/v2/funnel" || path == "/api/v2/retention" || path == "/api/v2/journeys";
}

/// Reads the body of a POST to such a path; fails as parse_query() does.
result<report_question> read_report(std::string_view path, std::string_view body);

/// What `tally query` runs for funnels, retention and journeys: as run_query().
void run_report(actors::engine& engine, std::string_view path, const std::string& body,
                actors::callback<std::string> then);

}  // namespace tally::api

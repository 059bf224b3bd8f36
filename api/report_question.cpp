#include "api/report_question.hpp"

#include <memory>
#include <utility>

#include "api/ack_token.hpp"
#include "api/report_json.hpp"

namespace tally::api {
namespace {

event_time wall_clock() {
  return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

/// What a question says of when it may be answered.
struct asked_when {
  std::vector<actors::ack_position> after;
  std::uint32_t generation = 0;
};

result<asked_when> when_of(const query_request& common) {
  asked_when when;
  if (!common.after.empty()) {
    auto positions = decode_ack(common.after);
    if (!positions) return failure{errc::bad_request, "/consistency/after: not an ack token"};
    when.after = std::move(*positions);
  }
  if (common.generation != "current")
    when.generation =
        static_cast<std::uint32_t>(std::strtoul(common.generation.c_str(), nullptr, 10));
  return when;
}

template <class Question, class Reply>
actors::callback<Reply> as_text(Question q, actors::callback<std::string> then) {
  return [q = std::move(q), then = std::move(then)](const result<Reply>& reply) {
    if (!reply) return then(reply.error());
    then(to_json(q, *reply));
  };
}

}  // namespace

result<report_question> read_report(std::string_view path, std::string_view body) {
  report_question made;
  if (path == "/api/v2/funnel") {
    auto request = parse_funnel(body);
    if (!request) return request.error();
    auto when = when_of(request->common);
    if (!when) return when.error();
    made.merchant = request->common.q.merchant;
    made.send = [q = std::move(request->funnel), when = std::move(*when),
                 wait = request->common.max_wait](
                    actors::engine& engine, const std::string& merchant,
                    std::chrono::milliseconds timeout, actors::callback<std::string> then) {
      auto asked = q;
      asked.asked.merchant = merchant;
      asked.asked.generation = when.generation;
      engine.ask_funnel(asked, when.after, when.after.empty() ? timeout : wait, wall_clock(),
                        as_text<funnel_question, actors::funnel_reply>(asked, std::move(then)));
    };
    return made;
  }
  auto request = parse_retention(body);
  if (!request) return request.error();
  auto when = when_of(request->common);
  if (!when) return when.error();
  made.merchant = request->common.q.merchant;
  made.send = [q = std::move(request->retention), when = std::move(*when),
               wait = request->common.max_wait](actors::engine& engine, const std::string& merchant,
                                                std::chrono::milliseconds timeout,
                                                actors::callback<std::string> then) {
    auto asked = q;
    asked.asked.merchant = merchant;
    asked.asked.generation = when.generation;
    engine.ask_retention(
        asked, when.after, when.after.empty() ? timeout : wait, wall_clock(),
        as_text<retention_question, actors::retention_reply>(asked, std::move(then)));
  };
  return made;
}

}  // namespace tally::api

#include "api/report_question.hpp"

#include <utility>

#include "api/report_json.hpp"

namespace tally::api {
namespace {

/// Asks `q` about a merchant by `ask`, one of the engine's functions.
template <class Question, class Reply>
result<report_question> made_of(const query_request& common, Question q,
                                void (actors::engine::*ask)(Question,
                                                            std::vector<actors::ack_position>,
                                                            std::chrono::milliseconds, event_time,
                                                            actors::callback<Reply>)) {
  auto when = when_of(common);
  if (!when) return when.error();
  report_question made;
  made.merchant = common.q.merchant;
  made.send = [q = std::move(q), when = std::move(*when), ask](
                  actors::engine& engine, const std::string& merchant,
                  std::chrono::milliseconds timeout, actors::callback<std::string> then) {
    auto asked = q;
    asked.asked.merchant = merchant;
    asked.asked.generation = when.generation;
    (engine.*ask)(asked, when.after, when.wait_of(timeout), wall_clock(),
                  [asked, then = std::move(then)](const result<Reply>& reply) {
                    if (!reply) return then(reply.error());
                    then(to_json(asked, *reply));
                  });
  };
  return made;
}

}  // namespace

result<report_question> read_report(std::string_view path, std::string_view body) {
  if (path == "/api/v2/funnel") {
    auto request = parse_funnel(body);
    if (!request) return request.error();
    return made_of(request->common, std::move(request->funnel), &actors::engine::ask_funnel);
  }
  if (path == "/api/v2/journeys") {
    auto request = parse_journeys(body);
    if (!request) return request.error();
    return made_of(request->common, std::move(request->journeys), &actors::engine::ask_journeys);
  }
  auto request = parse_retention(body);
  if (!request) return request.error();
  return made_of(request->common, std::move(request->retention), &actors::engine::ask_retention);
}

void run_report(actors::engine& engine, std::string_view path, const std::string& body,
                actors::callback<std::string> then) {
  auto asked = read_report(path, body);
  if (!asked) return then(asked.error());
  if (!is_merchant_id(asked->merchant))
    return then(failure{errc::bad_request, "/site_id: name the merchant"});
  asked->send(engine, asked->merchant, std::chrono::seconds{10}, std::move(then));
}

}  // namespace tally::api

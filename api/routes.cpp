#include "api/routes.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/ack_token.hpp"
#include "api/answer_text.hpp"
#include "api/credentials.hpp"
#include "api/ingest_event.hpp"
#include "api/ingest_native.hpp"
#include "api/ingest_service.hpp"
#include "api/key_cache.hpp"
#include "api/openapi.hpp"
#include "api/problem.hpp"
#include "api/query_json.hpp"
#include "api/rate_limiter.hpp"
#include "api/segment.hpp"

namespace tally::api {
namespace {

using actors::key_facts;
using actors::key_scope;
using request_ptr = std::shared_ptr<http_request>;

event_time wall_clock() {
  return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

http_response not_authorized(const failure& why) {
  if (why.code == errc::unauthorized) {
    auto response = problem(401, "unknown_key", "no such key, or it was revoked");
    response.headers.emplace_back("WWW-Authenticate", "Bearer");
    return response;
  }
  // A key that cannot be checked now is not a wrong key: clients drop their events on 401.
  return retry_later(problem(503, "unavailable", why.detail), 1);
}

http_response from_query(const query_problem& why) {
  std::vector<pointer_error> errors;
  if (!why.pointer.empty()) errors.push_back({why.pointer, why.detail});
  auto response = problem(why.status, why.code, why.detail, errors);
  return why.status == 503 ? retry_later(std::move(response), 1) : response;
}

http_response from_failure(const failure& why) {
  return from_query(describe(why));
}

std::string answer_as(const question& q, const actors::query_reply& reply,
                      std::string_view format) {
  if (format.find("text/csv") != std::string_view::npos) return to_csv(q, reply);
  if (format.find("ndjson") != std::string_view::npos) return to_ndjson(q, reply);
  return to_json(q, reply);
}

std::string type_of(std::string_view format) {
  if (format.find("text/csv") != std::string_view::npos) return "text/csv; charset=utf-8";
  if (format.find("ndjson") != std::string_view::npos) return "application/x-ndjson";
  return "application/json";
}

class routes : public std::enable_shared_from_this<routes> {
 public:
  routes(actors::engine& engine, const routes_options& options)
      : engine_{engine},
        options_{options},
        ingest_{std::make_shared<ingest_service>(engine, std::max<std::size_t>(1, options.loops))} {
  }

  void handle(http_request&& request, respond answer);

 private:
  using allowed = std::function<void(const request_ptr&, const key_facts&, respond)>;

  void with_key(request_ptr request, std::string key, respond answer, allowed then);
  void events(request_ptr request, respond answer);
  void segment(segment_call call, request_ptr request, respond answer);
  void take(const request_ptr& request, const key_facts& key, respond answer,
            std::optional<segment_call> call);
  void query(request_ptr request, respond answer);
  void ask(const request_ptr& request, const key_facts& key, respond answer);
  void merchant(request_ptr request, respond answer);
  void show_merchant(const request_ptr& request, const key_facts& key, respond answer);
  [[nodiscard]] bool may_read(const key_facts& key, std::string& merchant,
                              const respond& answer) const;
  bool within_rate(const key_facts& key, const std::string& merchant, const respond& answer);

  actors::engine& engine_;
  routes_options options_;
  std::shared_ptr<ingest_service> ingest_;
  key_cache keys_;
  rate_limiter reads_;
};

void routes::handle(http_request&& incoming, respond answer) {
  auto request = std::make_shared<http_request>(std::move(incoming));
  const auto& path = request->path;
  const bool get = request->method == http_method::get || request->method == http_method::head;
  const bool post = request->method == http_method::post;
  if (path == "/v1/events" && post) return events(std::move(request), std::move(answer));
  if (const auto call = segment_call_of(path); call && post)
    return segment(*call, std::move(request), std::move(answer));
  if (path == "/api/v2/query" && post) return query(std::move(request), std::move(answer));
  if (path == "/v1/merchant" && get) return merchant(std::move(request), std::move(answer));
  if (path == "/livez" && get) return answer({200, "text/plain", "ok\n", {}, false, false});
  if (path == "/openapi.json" && get)
    return answer({200, "application/json", std::string{openapi_document()}, {}, false, false});
  if (path == "/" && get) {
    const nlohmann::json hello{
        {"name", "tally"}, {"version", TALLY_VERSION}, {"api", "/openapi.json"}};
    return answer({200, "application/json", hello.dump(), {}, false, false});
  }
  const bool posted = path == "/v1/events" || segment_call_of(path) || path == "/api/v2/query";
  const bool got =
      path == "/v1/merchant" || path == "/livez" || path == "/openapi.json" || path == "/";
  if (!posted && !got) return answer(problem(404, "not_found", "no such path"));
  auto refused = problem(405, "method_not_allowed", "this path takes another method");
  refused.headers.emplace_back("Allow", posted ? "POST, OPTIONS" : "GET, HEAD, OPTIONS");
  answer(std::move(refused));
}

void routes::with_key(request_ptr request, std::string key, respond answer, allowed then) {
  if (key.empty()) return answer(not_authorized({errc::unauthorized, "no key"}));
  if (key.starts_with("ts_")) {
    const auto merchant = engine_.check_token(key);
    if (!merchant) return answer(not_authorized(merchant.error()));
    key_facts facts;
    facts.scope = key_scope::read;
    facts.merchant = *merchant;
    return then(request, facts, std::move(answer));
  }
  const auto now = std::chrono::steady_clock::now();
  if (const auto known = keys_.find(key, now)) {
    if (!*known) return answer(not_authorized(known->error()));
    return then(request, **known, std::move(answer));
  }
  auto self = shared_from_this();
  engine_.find_key(key, [self, key, request, answer = std::move(answer),
                         then = std::move(then)](result<key_facts> found) {
    self->keys_.put(key, found, std::chrono::steady_clock::now());
    request->loop.post([self, request, answer, then, found = std::move(found)] {
      if (!found) return answer(not_authorized(found.error()));
      then(request, *found, answer);
    });
  });
}

void routes::events(request_ptr request, respond answer) {
  auto key = key_of_request(*request);
  if (key.empty()) key = find_write_key(request->body);
  with_key(std::move(request), std::move(key), std::move(answer),
           [this](const request_ptr& r, const key_facts& facts, respond to) {
             take(r, facts, std::move(to), std::nullopt);
           });
}

void routes::segment(segment_call call, request_ptr request, respond answer) {
  auto key = key_of_request(*request);
  if (key.empty()) key = find_write_key(request->body);
  with_key(std::move(request), std::move(key), std::move(answer),
           [this, call](const request_ptr& r, const key_facts& facts, respond to) {
             take(r, facts, std::move(to), call);
           });
}

void routes::take(const request_ptr& request, const key_facts& key, respond answer,
                  std::optional<segment_call> call) {
  if (key.scope != key_scope::write && key.scope != key_scope::platform)
    return answer(problem(403, "wrong_scope", "this key cannot write"));
  const auto network = network_of(request->client_address);
  ingest_context context;
  context.merchant = key.merchant;
  context.platform = key.scope == key_scope::platform;
  context.now = wall_clock();
  context.address_network = network;
  context.agent = request->header("User-Agent").value_or(std::string_view{});
  context.idempotency_key = request->header("Idempotency-Key").value_or(std::string_view{});
  context.limits = options_.limits;
  auto parsed =
      call ? parse_segment(*call, request->body, context) : parse_native(request->body, context);
  if (const auto* bad = std::get_if<unreadable_body>(&parsed))
    return answer(problem(static_cast<unsigned>(bad->status), bad->code, bad->detail));
  ingest_request taken;
  taken.batch = std::move(std::get<parsed_batch>(parsed));
  taken.platform = context.platform;
  taken.form = call ? receipt_form::segment : receipt_form::native;
  taken.received_at = context.now;
  taken.key_merchant = key.merchant;
  taken.loop = request->loop;
  taken.answer = std::move(answer);
  ingest_->take(std::move(taken));
}

/// Read and token keys ask about their own merchant; platform and admin keys about any.
bool routes::may_read(const key_facts& key, std::string& merchant, const respond& answer) const {
  if (key.scope == key_scope::write) {
    answer(problem(403, "wrong_scope", "this key can only write"));
    return false;
  }
  if (key.scope == key_scope::read) {
    if (merchant.empty()) merchant = key.merchant;
    if (merchant == key.merchant) return true;
    answer(problem(403, "wrong_merchant", "this key belongs to another merchant"));
    return false;
  }
  if (is_merchant_id(merchant)) return true;
  answer(problem(400, "bad_request", "name the merchant",
                 {{"/site_id", "a platform key must name the merchant"}}));
  return false;
}

bool routes::within_rate(const key_facts& key, const std::string& merchant, const respond& answer) {
  const auto rate = key.queries_per_s != 0 ? key.queries_per_s : options_.read_queries_per_s;
  const auto wait_ms = reads_.take(merchant, rate, std::chrono::steady_clock::now());
  if (wait_ms == 0) return true;
  answer(retry_later(problem(429, "over_rate", "too many questions for this merchant"),
                     (wait_ms + 999) / 1'000));
  return false;
}

void routes::query(request_ptr request, respond answer) {
  auto key = key_of_request(*request);
  with_key(std::move(request), std::move(key), std::move(answer),
           [this](const request_ptr& r, const key_facts& facts, respond to) {
             ask(r, facts, std::move(to));
           });
}

/// Sends a question on its way; `then` gets the text of the answer or why there is none.
void send_question(actors::engine& engine, query_request asked, std::string format,
                   std::chrono::milliseconds timeout,
                   std::function<void(result<std::string>)> then) {
  std::vector<actors::ack_position> after;
  if (!asked.after.empty()) {
    auto positions = decode_ack(asked.after);
    if (!positions) return then(failure{errc::bad_request, "/consistency/after: not an ack token"});
    after = std::move(*positions);
  }
  if (asked.generation != "current" && asked.generation != "1")
    return then(failure{errc::bad_request, "/generation: no such generation"});
  const auto wait = after.empty() ? timeout : asked.max_wait;
  auto q = std::make_shared<question>(std::move(asked.q));
  engine.ask(
      *q, std::move(after), wait, wall_clock(),
      [q, format = std::move(format), then = std::move(then)](result<actors::query_reply> reply) {
        if (!reply) return then(reply.error());
        then(answer_as(*q, *reply, format));
      });
}

void routes::ask(const request_ptr& request, const key_facts& key, respond answer) {
  auto asked = parse_query(request->body);
  if (!asked) return answer(from_failure(asked.error()));
  if (!may_read(key, asked->q.merchant, answer)) return;
  if (!within_rate(key, asked->q.merchant, answer)) return;
  const std::string format{request->header("Accept").value_or(std::string_view{})};
  send_question(engine_, std::move(*asked), format, options_.query_timeout,
                [answer = std::move(answer), format](result<std::string> text) {
                  if (!text) return answer(from_failure(text.error()));
                  answer({200, type_of(format), std::move(*text), {}, false, false});
                });
}

void routes::merchant(request_ptr request, respond answer) {
  auto key = key_of_request(*request);
  with_key(std::move(request), std::move(key), std::move(answer),
           [this](const request_ptr& r, const key_facts& facts, respond to) {
             show_merchant(r, facts, std::move(to));
           });
}

void routes::show_merchant(const request_ptr& request, const key_facts& key, respond answer) {
  auto merchant = request->parameter("merchant").value_or(std::string{});
  if (!may_read(key, merchant, answer)) return;
  if (!within_rate(key, merchant, answer)) return;
  engine_.report(merchant, [answer = std::move(answer)](result<actors::merchant_report> found) {
    if (!found) return answer(from_failure(found.error()));
    const auto& r = *found;
    const nlohmann::json body{{"merchant", r.merchant},
                              {"timezone", r.zone},
                              {"currency", r.currency},
                              {"generation", r.generation},
                              {"as_of", format_rfc3339(r.as_of)},
                              {"complete_through", format_rfc3339(r.complete_through)},
                              {"ledger",
                               {{"accepted", r.ledger.accepted},
                                {"duplicate", r.ledger.duplicate},
                                {"rejected", r.ledger.rejected},
                                {"filtered", r.ledger.filtered},
                                {"late", r.ledger.late}}}};
    answer({200, "application/json", body.dump(), {}, false, false});
  });
}

}  // namespace

handler public_routes(actors::engine& engine, const routes_options& options) {
  auto all = std::make_shared<routes>(engine, options);
  return [all](http_request&& request, respond answer) {
    all->handle(std::move(request), std::move(answer));
  };
}

void run_query(actors::engine& engine, const std::string& body, const std::string& format,
               actors::callback<std::string> then) {
  auto asked = parse_query(body);
  if (!asked) return then(asked.error());
  if (!is_merchant_id(asked->q.merchant))
    return then(failure{errc::bad_request, "/site_id: name the merchant"});
  send_question(engine, std::move(*asked), format, std::chrono::seconds{10}, std::move(then));
}

}  // namespace tally::api

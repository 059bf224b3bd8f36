#include "api/routes.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/admin_command.hpp"
#include "api/answer_text.hpp"
#include "api/credentials.hpp"
#include "api/export_request.hpp"
#include "api/ingest_native.hpp"
#include "api/named_filter_request.hpp"
#include "api/openapi.hpp"
#include "api/problem.hpp"
#include "api/query_json.hpp"
#include "api/relayed_request.hpp"
#include "api/report_question.hpp"
#include "api/routes_impl.hpp"
#include "api/visitor_facts.hpp"
#include "api/web_pages.hpp"
#include "persistence/registry.hpp"

namespace tally::api {
namespace {

http_response not_authorized(const failure& why) {
  if (why.code == errc::unauthorized || why.code == errc::forbidden) {
    auto response = why.code == errc::forbidden
                        ? problem(401, "token_expired", why.detail)
                        : problem(401, "unknown_key", "no such key, or it was revoked");
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

http_response merchant_answer(const actors::merchant_report& r) {
  const nlohmann::json body{{"merchant", r.merchant},
                            {"timezone", r.zone},
                            {"currency", r.currency},
                            {"generation", r.generation},
                            {"as_of", format_rfc3339(r.as_of)},
                            {"complete_through", format_rfc3339(r.complete_through)},
                            {"ledger",
                             {{"accepted", r.ledger.accepted},
                              {"duplicate", r.ledger.duplicate},
                              {"rejected", r.ledger.rejected.all()},
                              {"filtered", r.ledger.filtered.all()},
                              {"late", r.ledger.late}}}};
  return {200, "application/json", body.dump(), {}, false, false};
}

}  // namespace

routes_options routes::options() const {
  const std::lock_guard lock{options_mutex_};
  return options_;
}

void routes::change(const routes_options& options) {
  {
    const std::lock_guard lock{options_mutex_};
    auto relay = std::move(options_.relay);  // stays what it is
    options_ = options;
    options_.relay = std::move(relay);
  }
  keys_.clear(std::chrono::steady_clock::now());
  aliases_->forget();
  foreign_->change({options.limits, options.geo});
}

void routes::handle(http_request&& incoming, respond answer) {
  auto request = std::make_shared<http_request>(std::move(incoming));
  const auto& path = request->path;
  const bool get = request->method == http_method::get || request->method == http_method::head;
  const bool post = request->method == http_method::post;
  if (path == "/v1/events" && post) return events(request, std::move(answer));
  if (const auto call = segment_call_of(path); call && post)
    return segment(*call, std::move(request), std::move(answer));
  if (foreign_routes::knows(path)) return foreign_->handle(std::move(request), std::move(answer));
  if (path == "/api/v2/query" && post)
    return with_request_key(request, std::move(answer), &routes::ask);
  if (is_report_path(path) && post)
    return with_request_key(request, std::move(answer), &routes::ask_report);
  if (path == "/v1/export" && get)
    return with_request_key(request, std::move(answer), &routes::export_page);
  if (path == "/v1/merchant" && get)
    return with_request_key(request, std::move(answer), &routes::show_merchant);
  if (is_admin_path(path)) return with_request_key(request, std::move(answer), &routes::administer);
  if (is_named_filter_path(path))
    return with_request_key(request, std::move(answer), &routes::name_filters);
  if (path == "/v1/stream" && get) return stream(request, std::move(answer));
  if (path == "/v1/live" && get)
    return with_request_key(request, std::move(answer), &routes::show_live);
  if (path == "/livez" && get) return answer({200, "text/plain", "ok\n", {}, false, false});
  if (path == "/openapi.json" && get)
    return answer({200, "application/json", std::string{openapi_document()}, {}, false, false});
  const auto* const page = find_web_page(path);
  if (page != nullptr && get) return answer(answer_with_page(*page, *request));
  const bool posted = path == "/v1/events" || segment_call_of(path) || path == "/api/v2/query" ||
                      is_report_path(path);
  const bool got = path == "/v1/export" || path == "/v1/merchant" || path == "/v1/stream" ||
                   path == "/v1/live" || path == "/livez" || path == "/openapi.json" ||
                   page != nullptr;
  if (!posted && !got) return answer(problem(404, "not_found", "no such path"));
  auto refused = problem(405, "method_not_allowed", "this path takes another method");
  refused.headers.emplace_back("Allow", posted ? "POST, OPTIONS" : "GET, HEAD, OPTIONS");
  answer(std::move(refused));
}

void routes::with_key(const request_ptr& request, const std::string& key, respond answer,
                      allowed then) {
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
  engine_.find_key(key, [self, key, now, request, answer = std::move(answer),
                         then = std::move(then)](result<key_facts> found) {
    self->keys_.put(key, found, now);
    request->loop.post([self, request, answer, then, found = std::move(found)] {
      if (!found) return answer(not_authorized(found.error()));
      then(request, *found, answer);
    });
  });
}

void routes::with_request_key(const request_ptr& request, respond answer, reader then) {
  auto key = key_of_request(*request);
  with_key(request, key, std::move(answer),
           [this, then](const request_ptr& r, const key_facts& facts, respond to) {
             (this->*then)(r, facts, std::move(to));
           });
}

/// A key of another system, which stands for a merchant. Like a write key of ours it may only
/// write.
void routes::with_alias(request_ptr request, std::string_view protocol, std::string key,
                        respond answer, allowed then) {
  auto book = std::make_shared<alias_book>();
  static_cast<void>(book->merchant_of(protocol, key));
  const auto loop = request->loop;
  aliases_->fill(book, loop,
                 [self = shared_from_this(), book, request = std::move(request), protocol,
                  key = std::move(key), answer = std::move(answer),
                  then = std::move(then)](const status& asked) {
                   if (!asked) return answer(not_authorized(asked.error()));
                   const auto* const merchant = book->merchant_of(protocol, key);
                   if (merchant == nullptr)
                     return answer(not_authorized({errc::unauthorized, "unknown key"}));
                   key_facts facts;
                   facts.merchant = *merchant;
                   facts.honours_gpc = book->honours_gpc(*merchant);
                   then(request, facts, answer);
                 });
}

void routes::events(const request_ptr& request, respond answer) {
  auto key = key_of_request(*request);
  if (key.empty()) key = find_write_key(request->body);
  with_key(request, key, std::move(answer),
           [this](const request_ptr& r, const key_facts& facts, respond to) {
             take(r, facts, std::move(to), std::nullopt);
           });
}

void routes::segment(segment_call call, request_ptr request, respond answer) {
  auto key = key_of_request(*request);
  if (key.empty()) key = find_write_key(request->body);
  auto then = [this, call](const request_ptr& r, const key_facts& facts, respond to) {
    take(r, facts, std::move(to), call);
  };
  const bool ours =
      key.empty() || key.starts_with("ts_") || !persistence::claim_of(key).scope.empty();
  if (ours) return with_key(request, key, std::move(answer), std::move(then));
  with_alias(std::move(request), "segment", std::move(key), std::move(answer), std::move(then));
}

void routes::take(const request_ptr& request, const key_facts& key, respond answer,
                  std::optional<segment_call> call) {
  if (key.scope != key_scope::write && key.scope != key_scope::platform)
    return answer(problem(403, "wrong_scope", "this key cannot write"));
  const auto wanted = options();
  const auto facts = facts_of(request->client_address, wanted.geo.get());
  ingest_context context;
  context.merchant = key.merchant;
  context.platform = key.scope == key_scope::platform;
  context.now = wall_clock();
  context.address_network = facts.network;
  context.address_country = facts.country;
  context.geo = wanted.geo.get();
  context.agent = request->header("User-Agent").value_or(std::string_view{});
  context.idempotency_key = request->header("Idempotency-Key").value_or(std::string_view{});
  context.opted_out = opts_out(*request);
  context.is_private = context.opted_out && key.honours_gpc;
  context.limits = wanted.limits;
  std::string visitor;
  if (!context.platform && request->parameter("name_visitors") == "1") {
    visitor =
        foreign_->name_visitor({key.merchant, request->client_address, context.agent}, context.now);
    context.visitor_name = visitor;
  }
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
  if (context.platform) return pass_gate(std::move(taken), key.may_create);
  ingest_->take(std::move(taken));
}

/// A platform key's events go on where their merchants are registered.
void routes::pass_gate(ingest_request taken, bool may_create) {
  auto batch = std::move(taken.batch);
  auto waiting = std::make_shared<ingest_request>(std::move(taken));
  auto self = shared_from_this();
  gate_.pass(std::move(batch), may_create, [self, waiting](result<parsed_batch> passed) {
    if (!passed) {
      return waiting->answer(retry_later(problem(503, "unavailable", passed.error().detail), 1));
    }
    waiting->batch = std::move(*passed);
    if (current_loop() == waiting->loop.index()) return self->ingest_->take(std::move(*waiting));
    waiting->loop.post([self, waiting] { self->ingest_->take(std::move(*waiting)); });
  });
}

/// Read and token keys ask about their own merchant; platform and admin keys about any, which they
/// name in the body at `pointer` (or as a parameter).
bool routes::may_read(const key_facts& key, std::string& merchant, std::string_view pointer,
                      const respond& answer) {
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
  std::vector<pointer_error> errors;
  if (!pointer.empty()) errors.push_back({std::string{pointer}, "this key must name the merchant"});
  answer(problem(400, "bad_request", "name the merchant", errors));
  return false;
}

bool routes::within_rate(const key_facts& key, const std::string& merchant, const respond& answer) {
  const auto rate = key.queries_per_s != 0 ? key.queries_per_s : options().read_queries_per_s;
  const auto wait_ms = reads_.take(merchant, rate, std::chrono::steady_clock::now());
  if (wait_ms == 0) return true;
  answer(retry_later(problem(429, "over_rate", "too many questions for this merchant"),
                     (wait_ms + 999) / 1'000));
  return false;
}

/// In a cluster the node that leads the merchant's shard answers, whichever node is asked.
void routes::with_merchant(const request_ptr& request, const key_facts& key,
                           const std::string& merchant, respond answer,
                           std::function<void(respond)> then) {
  const auto relay = options().relay;
  if (!relay) return with_merchant_here(key, merchant, std::move(answer), std::move(then));
  answer_by_leader(*relay, *request, merchant, std::move(answer),
                   [self = shared_from_this(), key, merchant, then = std::move(then)](respond to) {
                     self->with_merchant_here(key, merchant, std::move(to), then);
                   });
}

/// A key that may ask about any merchant hears that there is none of that name: 404.
void routes::with_merchant_here(const key_facts& key, const std::string& merchant, respond answer,
                                std::function<void(respond)> then) {
  if (key.scope == key_scope::read) return then(std::move(answer));
  auto self = shared_from_this();
  gate_.find(merchant, [self, merchant, answer = std::move(answer),
                        then = std::move(then)](const result<bool>& known) {
    if (!known) return answer(from_failure(known.error()));
    if (*known) return then(answer);
    answer(problem(404, "unknown_merchant", "there is no merchant '" + merchant + "'"));
  });
}

void routes::administer(const request_ptr& request, const key_facts& key, respond answer) {
  if (key.scope != key_scope::admin)
    return answer(problem(403, "wrong_scope", "this needs an admin key"));
  auto asked = admin_command(*request);
  if (auto* const refused = std::get_if<http_response>(&asked)) return answer(std::move(*refused));
  engine_.command(std::get<0>(std::move(asked)),
                  [answer = std::move(answer)](result<std::string> text) {
                    if (!text) return answer(from_failure(text.error()));
                    answer({200, "application/json", std::move(*text), {}, false, false});
                  });
}

namespace {

/// Sends a question on its way; `then` gets the text of the answer or why there is none.
void send_question(actors::engine& engine, query_request asked, std::string format,
                   std::chrono::milliseconds timeout,
                   std::function<void(result<std::string>)> then) {
  auto when = when_of(asked);
  if (!when) return then(when.error());
  const auto wait = when->wait_of(timeout);
  auto q = std::make_shared<question>(std::move(asked.q));
  q->generation = when->generation;
  engine.ask(
      *q, std::move(when->after), wait, wall_clock(),
      [q, format = std::move(format), then = std::move(then)](result<actors::query_reply> reply) {
        if (!reply) return then(reply.error());
        then(answer_as(*q, *reply, format));
      });
}

}  // namespace

void routes::ask(const request_ptr& request, const key_facts& key, respond answer) {
  auto asked = parse_query(request->body);
  if (!asked) return answer(from_failure(asked.error()));
  if (!may_read(key, asked->q.merchant, "/site_id", answer)) return;
  if (!within_rate(key, asked->q.merchant, answer)) return;
  const std::string format{request->header("Accept").value_or(std::string_view{})};
  const auto merchant = asked->q.merchant;
  auto self = shared_from_this();
  auto kept = std::make_shared<query_request>(std::move(*asked));
  with_merchant(request, key, merchant, std::move(answer), [self, kept, format](respond to) {
    send_question(self->engine_, std::move(*kept), format, self->options().query_timeout,
                  [to = std::move(to), format](result<std::string> text) {
                    if (!text) return to(from_failure(text.error()));
                    to({200, type_of(format), std::move(*text), {}, false, false});
                  });
  });
}

void routes::ask_report(const request_ptr& request, const key_facts& key, respond answer) {
  auto asked = read_report(request->path, request->body);
  if (!asked) return answer(from_failure(asked.error()));
  auto merchant = asked->merchant;
  if (!may_read(key, merchant, "/site_id", answer)) return;
  if (!within_rate(key, merchant, answer)) return;
  auto self = shared_from_this();
  with_merchant(request, key, merchant, std::move(answer),
                [self, merchant, send = std::move(asked->send)](respond to) {
                  send(self->engine_, merchant, self->options().query_timeout,
                       [to = std::move(to)](result<std::string> text) {
                         if (!text) return to(from_failure(text.error()));
                         to({200, "application/json", std::move(*text), {}, false, false});
                       });
                });
}

void routes::export_page(const request_ptr& request, const key_facts& key, respond answer) {
  auto merchant = request->parameter("merchant").value_or(std::string{});
  if (!may_read(key, merchant, "/merchant", answer)) return;
  if (!within_rate(key, merchant, answer)) return;
  auto asked = parse_export([&](std::string_view name) { return request->parameter(name); });
  if (!asked) return answer(from_failure(asked.error()));
  asked->wish.merchant = merchant;
  auto self = shared_from_this();
  auto kept = std::make_shared<export_request>(std::move(*asked));
  with_merchant(request, key, merchant, std::move(answer), [self, kept](respond to) {
    const auto format = kept->format;
    run_export(self->engine_, std::move(*kept), self->options().query_timeout,
               [to = std::move(to), format](result<exported_text> page) {
                 if (!page) return to(from_failure(page.error()));
                 to(export_answer(std::move(*page), format));
               });
  });
}

void routes::show_merchant(const request_ptr& request, const key_facts& key, respond answer) {
  auto merchant = request->parameter("merchant").value_or(std::string{});
  if (!may_read(key, merchant, "/merchant", answer)) return;
  if (!within_rate(key, merchant, answer)) return;
  auto self = shared_from_this();
  with_merchant(request, key, merchant, std::move(answer), [self, merchant](const respond& to) {
    self->engine_.report(merchant, [to](const result<actors::merchant_report>& found) {
      to(found ? merchant_answer(*found) : from_failure(found.error()));
    });
  });
}

public_api::public_api(actors::engine& engine, const routes_options& options)
    : all_{std::make_shared<routes>(engine, options)} {}

handler public_api::handle() const {
  return [all = all_](http_request&& request, respond answer) {
    all->handle(std::move(request), std::move(answer));
  };
}

void public_api::change(const routes_options& options) {
  all_->change(options);
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

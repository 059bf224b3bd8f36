#include "api/credentials.hpp"
#include "api/live_subscription.hpp"
#include "api/problem.hpp"
#include "api/routes_impl.hpp"
#include "api/stream_ingest.hpp"

/// Routes of clients that stay connected.
namespace tally::api {

/// A stream's messages take the way of POST /v1/events, with the key that it was opened with.
void routes::stream(const request_ptr& request, respond answer) {
  auto key = key_of_request(*request);
  auto open = [self = shared_from_this(), key](const http_request& r, const respond& to) {
    to(accept_web_socket(
        r, self->options().stream.socket,
        make_stream_ingest(r, key, self->options().stream, [self](http_request&& body, respond t) {
          self->handle(std::move(body), std::move(t));
        })));
  };
  if (key.empty()) return open(*request, answer);
  with_key(request, key, std::move(answer),
           [open](const request_ptr& r, const key_facts& facts, const respond& to) {
             if (facts.scope != key_scope::write && facts.scope != key_scope::platform)
               return to(problem(403, "wrong_scope", "this key cannot write"));
             open(*r, to);
           });
}

void routes::show_live(const request_ptr& request, const key_facts& key, respond answer) {
  auto merchant = request->parameter("merchant").value_or(std::string{});
  if (!may_read(key, merchant, "/merchant", answer)) return;
  if (!within_rate(key, merchant, answer)) return;
  auto self = shared_from_this();
  auto still_good = [self, text = key_of_request(*request),
                     loop = request->loop](const std::function<void(bool)>& then) {
    auto asking = std::make_shared<http_request>();
    asking->loop = loop;
    constexpr unsigned unknown_key = 401;
    self->with_key(
        asking, text, [then](const http_response& r) { then(r.status != unknown_key); },
        [then](const request_ptr&, const key_facts&, const respond&) { then(true); });
  };
  with_merchant(request, key, merchant, std::move(answer),
                [self, request, merchant, still_good](respond to) {
                  answer_live(self->engine_, *request, merchant, still_good, self->options().live,
                              std::move(to));
                });
}

}  // namespace tally::api

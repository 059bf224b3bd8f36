#include "api/relayed_request.hpp"

#include <algorithm>
#include <array>

#include "api/problem.hpp"

namespace tally::api {
namespace {

/// Fields that are about the client's connection, or about bytes that were decoded on arrival.
bool is_of_connection(std::string_view name) {
  static constexpr std::array names{"Connection",
                                    "Keep-Alive",
                                    "Transfer-Encoding",
                                    "Content-Length",
                                    "Content-Encoding",
                                    "Accept-Encoding",
                                    "Expect",
                                    "TE",
                                    "Trailer",
                                    "Upgrade",
                                    "Proxy-Authorization"};
  return std::ranges::any_of(names, [&](const char* each) { return same_token(each, name); });
}

http_method method_of(std::string_view name) {
  for (const auto method : {http_method::get, http_method::head, http_method::post,
                            http_method::put, http_method::patch, http_method::delete_})
    if (to_string(method) == name) return method;
  return http_method::other;
}

http_request read(cluster::relayed_request&& from) {
  http_request request;
  request.method = method_of(from.method);
  request.path = std::move(from.path);
  request.query = std::move(from.query);
  for (const auto& [name, value] : from.headers) request.headers.add(name, value);
  const auto size = from.body.size();
  from.body.append(body_padding, '\0');
  from.body.resize(size);  // the zeros stay behind its end
  request.body = std::move(from.body);
  request.client_address = std::move(from.client_address);
  request.request_id = std::move(from.request_id);
  request.is_relayed = true;
  return request;
}

bool has_sizes_of_fields(const cluster::header_fields& fields) {
  constexpr std::size_t most = 65'535;
  return std::ranges::all_of(
      fields, [](const auto& f) { return f.first.size() <= most && f.second.size() <= most; });
}

}  // namespace

void answer_by_leader(cluster::request_relay& relay, const http_request& request,
                      const std::string& merchant, respond answer,
                      std::function<void(respond)> here) {
  if (!relay.is_elsewhere(merchant)) return here(std::move(answer));
  if (request.is_relayed)
    return answer(problem(cluster::relay_moved_status, "moved", "another node leads this shard"));
  cluster::relayed_request sent{std::string{to_string(request.method)},
                                request.path,
                                request.query,
                                {},
                                request.body,
                                request.client_address,
                                request.request_id};
  request.headers.each([&](std::string_view name, std::string_view value) {
    if (!is_of_connection(name)) sent.headers.emplace_back(name, value);
  });
  relay.send(
      merchant, sent,
      [answer = std::move(answer), here = std::move(here)](cluster::request_relay::outcome came) {
        if (!came) {
          const auto status = came.error().code == errc::over_limit ? 413u : 503u;
          auto refused = problem(status, to_string(came.error().code), came.error().detail);
          return answer(status == 503 ? retry_later(std::move(refused), 1) : std::move(refused));
        }
        if (!*came) return here(answer);
        auto& [from, by] = **came;
        http_response out{from.status,          std::move(from.content_type),
                          std::move(from.body), std::move(from.headers),
                          from.is_problem,      false};
        out.headers.emplace_back("Tally-Node", std::to_string(by.value));
        answer(std::move(out));
      });
}

void serve_relayed(http_server& server, std::size_t loop, const handler& routes,
                   const std::string& bytes,
                   const std::function<void(result<std::string>)>& reply) {
  auto asked = cluster::decode_relayed_request(bytes);
  if (!asked) return reply(asked.error());
  if (!has_sizes_of_fields(asked->headers))
    return reply(failure{errc::bad_request, "a relayed request has a field of too many bytes"});
  auto request = std::make_shared<http_request>(read(std::move(*asked)));
  request->loop = server.loop(loop % server.loops());
  const auto work = [request, routes, reply] {
    routes(std::move(*request), [reply](http_response response) {
      if (response.take_over)
        response = problem(501, "not_relayed",
                           "such an answer does not end; ask the node that leads the shard");
      reply(cluster::encode({response.status, std::move(response.content_type),
                             std::move(response.headers), std::move(response.body),
                             response.is_problem}));
    });
  };
  if (!request->loop.post(work)) reply(failure{errc::unavailable, "the server has ended"});
}

}  // namespace tally::api

#include "api/foreign_routes.hpp"

#include <algorithm>
#include <array>

#include "api/credentials.hpp"
#include "api/ga4.hpp"
#include "api/jitsu.hpp"
#include "api/matomo.hpp"
#include "api/pixel.hpp"
#include "api/plausible.hpp"
#include "api/posthog.hpp"
#include "api/problem.hpp"
#include "api/umami.hpp"
#include "api/visitor_facts.hpp"

namespace tally::api {
namespace {

// Names that a first reading could not see are few: a platform key, a name inside a list.
constexpr unsigned readings_max = 3;

}  // namespace

struct foreign_routes::place {
  std::string_view path;
  foreign_result (*parse)(const foreign_call&);
  bool gets, posts;
};

const foreign_routes::place* foreign_routes::find(std::string_view path) {
  static constexpr std::array places{place{"/api/event", parse_plausible, false, true},
                                     place{"/api/health", nullptr, true, false},
                                     place{"/api/send", parse_umami, false, true},
                                     place{"/api/batch", parse_umami, false, true},
                                     place{"/mp/collect", parse_ga4, false, true},
                                     place{"/debug/mp/collect", parse_ga4, false, true},
                                     place{"/g/collect", parse_gtag, true, true},
                                     place{"/batch/", parse_posthog, false, true},
                                     place{"/batch", parse_posthog, false, true},
                                     place{"/i/v0/e", parse_posthog, false, true},
                                     place{"/i/v0/e/", parse_posthog, false, true},
                                     place{"/capture/", parse_posthog, false, true},
                                     place{"/capture", parse_posthog, false, true},
                                     place{"/matomo.php", parse_matomo, true, true},
                                     place{"/piwik.php", parse_matomo, true, true},
                                     place{"/api/s/track", parse_jitsu, false, true},
                                     place{"/api/s/page", parse_jitsu, false, true},
                                     place{"/api/s/identify", parse_jitsu, false, true},
                                     place{"/v1/pixel.gif", parse_pixel, true, false}};
  const auto* const found =
      std::find_if(places.begin(), places.end(), [&](const place& p) { return p.path == path; });
  return found == places.end() ? nullptr : found;
}

/// One request, from its first reading to its answer.
struct foreign_routes::work {
  const place& where;
  std::shared_ptr<http_request> request;
  respond answer;
  std::string key;
  std::shared_ptr<geo_database> geo;
  address_facts sender{};
  std::shared_ptr<alias_book> book = std::make_shared<alias_book>();
  ingest_context context{};
  unsigned readings = 0;
};

foreign_routes::foreign_routes(actors::engine& engine, foreign_options options,
                               std::shared_ptr<alias_directory> aliases,
                               std::shared_ptr<ingest_service> ingest)
    : engine_{engine},
      options_{std::move(options)},
      aliases_{std::move(aliases)},
      ingest_{std::move(ingest)},
      visitors_{[&engine] { return engine.visitor_salts(); }} {}

bool foreign_routes::knows(std::string_view path) {
  return find(path) != nullptr;
}

void foreign_routes::handle(std::shared_ptr<http_request> request, respond answer) {
  const auto& where = *find(request->path);
  const auto method = request->method;
  const bool get = method == http_method::get || method == http_method::head;
  if (!(get && where.gets) && !(method == http_method::post && where.posts)) {
    answer(problem(405, "method_not_allowed", "this path takes another method"));
    return;
  }
  if (where.parse == nullptr) {
    health(answer);
    return;
  }
  const bool asks_address = request->header("X-Debug-Request").value_or("") == "true";
  if (asks_address && where.parse == parse_plausible) {
    answer(plain_reply(200, "text/plain; charset=utf-8", request->client_address));
    return;
  }
  auto job = std::make_shared<work>(work{where, std::move(request), std::move(answer), {}, {}, {}});
  job->key = key_of_request(*job->request);
  if (job->key.empty()) job->key = job->request->header("X-Write-Key").value_or("");
  auto wanted = options();
  job->geo = std::move(wanted.geo);
  job->sender = facts_of(job->request->client_address, job->geo.get());
  job->context.now =
      std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  job->context.address_network = job->sender.network;
  job->context.address_country = job->sender.country;
  job->context.geo = job->geo.get();
  job->context.agent = job->request->header("User-Agent").value_or(std::string_view{});
  job->context.opted_out = opts_out(*job->request);
  job->context.limits = wanted.limits;
  read(job);
}

void foreign_routes::change(foreign_options options) {
  const std::lock_guard lock{options_mutex_};
  options_ = std::move(options);
}

foreign_options foreign_routes::options() const {
  const std::lock_guard lock{options_mutex_};
  return options_;
}

void foreign_routes::read(const std::shared_ptr<work>& job) {
  auto& r = *job->request;
  auto made = job->where.parse({r.path, r.query, r.body, r.client_address, job->key,
                                r.header("Referer").value_or(std::string_view{}), job->context,
                                *job->book, visitors_});
  if (job->book->missing().empty() || ++job->readings > readings_max) {
    store(job, std::move(made));
    return;
  }
  aliases_->fill(job->book, r.loop, [self = shared_from_this(), job](const status& asked) {
    if (asked) return self->read(job);
    job->answer(retry_later(problem(503, "unavailable", asked.error().detail), 1));
  });
}

void foreign_routes::store(const std::shared_ptr<work>& job, foreign_result made) {
  if (made.batch.count == 0) {
    job->answer(std::move(made.reply));
    return;
  }
  ingest_request taken;
  taken.batch = std::move(made.batch);
  taken.received_at = job->context.now;
  taken.loop = job->request->loop;
  taken.answer = [job, reply = std::move(made.reply)](http_response stored) {
    const bool kept = stored.status == 200 || stored.status == 202;
    if (kept) return job->answer(reply);
    job->answer(std::move(stored));
  };
  ingest_->take(std::move(taken));
}

void foreign_routes::health(const respond& answer) const {
  const auto why = engine_.not_ready();
  if (why.empty()) {
    answer(plain_reply(200, "application/json", R"({"status":"ok"})"));
  } else {
    answer(problem(500, "not_ready", why));
  }
}

}  // namespace tally::api

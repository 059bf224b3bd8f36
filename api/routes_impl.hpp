#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "api/alias_directory.hpp"
#include "api/answer_cache.hpp"
#include "api/foreign_routes.hpp"
#include "api/ingest_service.hpp"
#include "api/merchant_gate.hpp"
#include "api/rate_limiter.hpp"
#include "api/routes.hpp"
#include "api/segment.hpp"

namespace tally::api {

using actors::key_facts;
using actors::key_scope;
using request_ptr = std::shared_ptr<http_request>;

/// Who may do what, and which function does it. For the files of the public API's routes only.
class routes : public std::enable_shared_from_this<routes> {
 public:
  routes(actors::engine& engine, const routes_options& options)
      : engine_{engine},
        options_{options},
        gate_{engine},
        aliases_{std::make_shared<alias_directory>(engine)},
        ingest_{std::make_shared<ingest_service>(engine, std::max<std::size_t>(1, options.loops))},
        foreign_{std::make_shared<foreign_routes>(
            engine, foreign_options{options.limits, options.geo}, aliases_, ingest_)} {}

  void handle(http_request&& incoming, respond answer);
  void change(const routes_options& options);

 private:
  using allowed = std::function<void(const request_ptr&, const key_facts&, respond)>;

  void with_key(const request_ptr& request, const std::string& key, respond answer, allowed then);
  using reader = void (routes::*)(const request_ptr&, const key_facts&, respond);
  void with_request_key(const request_ptr& request, respond answer, reader then);
  void with_alias(request_ptr request, std::string_view protocol, std::string key, respond answer,
                  allowed then);
  void events(const request_ptr& request, respond answer);
  void segment(segment_call call, request_ptr request, respond answer);
  void take(const request_ptr& request, const key_facts& key, respond answer,
            std::optional<segment_call> call);
  void administer(const request_ptr& request, const key_facts& key, respond answer);
  void name_filters(const request_ptr& request, const key_facts& key, respond answer);
  void ask(const request_ptr& request, const key_facts& key, respond answer);
  void ask_report(const request_ptr& request, const key_facts& key, respond answer);
  void export_page(const request_ptr& request, const key_facts& key, respond answer);
  void stream(const request_ptr& request, respond answer);
  void show_live(const request_ptr& request, const key_facts& key, respond answer);
  void show_merchant(const request_ptr& request, const key_facts& key, respond answer);
  void pass_gate(ingest_request taken, bool may_create);
  void with_merchant(const request_ptr& request, const key_facts& key, const std::string& merchant,
                     respond answer, std::function<void(respond)> then);
  void with_merchant_here(const key_facts& key, const std::string& merchant, respond answer,
                          std::function<void(respond)> then);
  [[nodiscard]] static bool may_read(const key_facts& key, std::string& merchant,
                                     std::string_view pointer, const respond& answer);
  bool within_rate(const key_facts& key, const std::string& merchant, const respond& answer);

  [[nodiscard]] routes_options options() const;

  actors::engine& engine_;
  mutable std::mutex options_mutex_;
  routes_options options_;
  merchant_gate gate_;
  std::shared_ptr<alias_directory> aliases_;
  std::shared_ptr<ingest_service> ingest_;
  std::shared_ptr<foreign_routes> foreign_;
  key_cache keys_;
  rate_limiter reads_;
};

}  // namespace tally::api

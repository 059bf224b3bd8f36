#pragma once

#include <memory>
#include <mutex>

#include "actors/engine.hpp"
#include "api/alias_directory.hpp"
#include "api/foreign_event.hpp"
#include "api/geo_database.hpp"
#include "api/ingest_service.hpp"

namespace tally::api {

struct foreign_options {
  ingest_limits limits;
  std::shared_ptr<geo_database> geo;  // null: nothing is known of addresses
};

/// The paths of foreign protocols: which adapter reads them, and which methods they take. Their
/// names of merchants are aliases. Requests that may yet be stored are held open like any other,
/// since most of these clients never send again: 503 means that nothing of it will count.
class foreign_routes : public std::enable_shared_from_this<foreign_routes> {
 public:
  foreign_routes(actors::engine& engine, foreign_options options,
                 std::shared_ptr<alias_directory> aliases, std::shared_ptr<ingest_service> ingest);

  [[nodiscard]] static bool knows(std::string_view path);
  /// For a path that it knows.
  void handle(std::shared_ptr<http_request> request, respond answer);
  /// A visitor's name without cookies, as all these protocols have it. Any thread.
  [[nodiscard]] std::string name_visitor(const visitor_traits& who, event_time now) {
    return visitors_.name(who, now);
  }
  /// For what arrives from now on. Any thread.
  void change(foreign_options options);

 private:
  struct place;
  struct work;
  static const place* find(std::string_view path);
  void read(const std::shared_ptr<work>& job);
  void store(const std::shared_ptr<work>& job, foreign_result made);
  void health(const respond& answer) const;
  [[nodiscard]] foreign_options options() const;

  actors::engine& engine_;
  mutable std::mutex options_mutex_;
  foreign_options options_;
  std::shared_ptr<alias_directory> aliases_;
  std::shared_ptr<ingest_service> ingest_;
  visitor_names visitors_;
};

}  // namespace tally::api

#pragma once

#include <string>
#include <vector>

#include "api/import_job.hpp"

namespace tally::api {

/// Sends batches until every event of them is settled.
class import_sender {
 public:
  explicit import_sender(const import_options& options);

  /// Counts into `summary`; tells `refuse` of events that the node rejected. Stops early, with
  /// summary.stopped, only between two tries.
  status send(std::vector<imported_event> batch, import_summary& summary,
              const std::function<void(refused_line)>& refuse);

 private:
  struct receipt;

  result<receipt> post(const std::string& body);
  static std::vector<imported_event> unsettled(std::vector<imported_event> batch,
                                               const receipt& got, import_summary& summary,
                                               const std::function<void(refused_line)>& refuse);
  status wait(std::chrono::milliseconds length, import_summary& summary);
  [[nodiscard]] bool stopping() const { return options_.stop != nullptr && *options_.stop; }

  const import_options& options_;
  http_client client_;
  std::chrono::milliseconds waited_{0};  // since something was last taken
};

}  // namespace tally::api

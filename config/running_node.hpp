#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "config/node_options.hpp"
#include "domain/result.hpp"

namespace tally::config {

/// A node with its engine, its listeners and its console token: what `tally node` runs.
class running_node {
 public:
  static result<std::unique_ptr<running_node>> start(const node_options& options);
  ~running_node();

  /// Waits for SIGTERM or SIGINT (or a journal that broke). On SIGHUP reads the settings again by
  /// `reload`, takes over the live ones, forgets what it knows of keys, and warns of other changes.
  /// What cannot be read or makes no sense changes nothing. Signals must be blocked in every thread
  /// before start(). Gives the process's exit code after draining; a second signal ends the process
  /// at once.
  int run(const std::function<result<node_options>()>& reload);

  [[nodiscard]] const std::vector<std::string>& endpoints() const;
  [[nodiscard]] std::string admin_endpoint() const;
  [[nodiscard]] std::uint16_t console_port() const;

 private:
  struct impl;
  explicit running_node(std::unique_ptr<impl> i);
  std::unique_ptr<impl> impl_;
};

/// Blocks the signals that run() waits for. Called first, in main's thread.
void block_signals();

/// Says something to systemd where $NOTIFY_SOCKET is set: "READY=1".
void notify_service_manager(const std::string& state);

/// The named crash point of $TALLY_CRASH_AT, empty where unset: for tests only, see
/// CONTRIBUTING.md.
[[nodiscard]] std::string crash_point_to_arm();

/// spdlog as the settings want it: level, text or JSON lines, on stderr.
void start_logging(const std::string& level, const std::string& format);

}  // namespace tally::config

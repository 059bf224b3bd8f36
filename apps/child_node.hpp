#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "domain/result.hpp"

namespace tally::apps {

/// A node run by this process, as `tally node`, with its log in <folder>/node.log. Ends with it.
class child_node {
 public:
  /// Takes the usual ports where they are free, else any.
  static result<child_node> start(const std::string& folder);
  child_node(child_node&& other) noexcept;
  child_node& operator=(child_node&&) = delete;
  ~child_node();

  /// False once the node has ended, for whatever reason.
  [[nodiscard]] bool is_running();
  /// Asks the node to drain and waits; kills it where it takes longer than half a minute.
  void stop();
  /// Ends the node at once, as a crash would.
  void kill();

  [[nodiscard]] const std::string& http() const { return http_; }
  [[nodiscard]] const std::string& console() const { return console_; }
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] std::uint16_t console_port() const { return console_port_; }

 private:
  child_node() = default;

  pid_t pid_ = -1;
  std::string http_, console_;
  std::uint16_t console_port_ = 0;
};

}  // namespace tally::apps

#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "domain/result.hpp"

namespace tally::actors {

/// A client's connection to a node's console actor over CAF. One thread at a time.
class console_client {
 public:
  /// `host_port` such as "127.0.0.1:7700". unavailable where nobody listens, unauthorized where
  /// the token is not the node's.
  static result<std::unique_ptr<console_client>> connect(std::string host_port, std::string token,
                                                         std::chrono::milliseconds timeout);
  ~console_client();

  /// Runs one command, such as {"merchant", "create", "m1", "--timezone", "Europe/London"}, and
  /// gives its JSON text. A command's own failure is a failure with its errc. unavailable as soon
  /// as the node is gone, or where `stop` says so, which is asked about ten times a second: then
  /// the node goes on with the command.
  result<std::string> run(const std::vector<std::string>& words,
                          const std::function<bool()>& stop = {});

 private:
  struct impl;
  explicit console_client(std::unique_ptr<impl> i);
  std::unique_ptr<impl> impl_;
};

}  // namespace tally::actors

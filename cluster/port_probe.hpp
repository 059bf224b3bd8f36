#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace tally::cluster {

enum class port_answer : std::uint8_t {
  open,     // somebody listens
  refused,  // nobody does: no such process
  silent,   // neither within the timeout, or the host cannot be found or reached
};

/// Opens a connection to `host`, a name or an address, and closes it again. Blocks, for at most
/// `timeout` once the name is resolved.
[[nodiscard]] port_answer probe_port(const std::string& host, std::uint16_t port,
                                     std::chrono::milliseconds timeout);

}  // namespace tally::cluster

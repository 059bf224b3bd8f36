#include "cluster/port_probe.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

namespace tally::cluster {
namespace {

using clock = std::chrono::steady_clock;

/// The error with which connecting ends: 0 is a connection, ETIMEDOUT also where `deadline` passes.
int error_of_connecting(const addrinfo& to, clock::time_point deadline) {
  const int fd = ::socket(to.ai_family, to.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  int error = ::connect(fd, to.ai_addr, to.ai_addrlen) == 0 ? 0 : errno;
  while (error == EINPROGRESS) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - clock::now()).count();
    if (left <= 0) {
      error = ETIMEDOUT;
      break;
    }
    pollfd waiting{fd, POLLOUT, 0};
    if (::poll(&waiting, 1, static_cast<int>(left)) <= 0) continue;
    socklen_t size = sizeof error;
    ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  }
  ::close(fd);
  return error;
}

}  // namespace

port_answer probe_port(const std::string& host, std::uint16_t port,
                       std::chrono::milliseconds timeout) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0)
    return port_answer::silent;
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> all{found, ::freeaddrinfo};
  const auto deadline = clock::now() + timeout;
  auto answer = port_answer::silent;
  for (const auto* each = found; each != nullptr; each = each->ai_next) {
    const int error = error_of_connecting(*each, deadline);
    if (error == 0) return port_answer::open;
    if (error == ECONNREFUSED) answer = port_answer::refused;
    // One address that is silent says nothing about the process behind the name.
    if (error != ECONNREFUSED) return port_answer::silent;
  }
  return answer;
}

}  // namespace tally::cluster

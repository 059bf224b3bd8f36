#include "api/http_listener.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <utility>

namespace tally::api {

namespace {

constexpr int backlog = 1'024;

failure system_failure(const std::string& where, int error) {
  return {errc::io_error, "listen " + where + ": " + std::strerror(error)};
}

std::optional<ip_bytes> address_of(const sockaddr_storage& from, std::uint16_t& port) {
  ip_bytes bytes{};
  if (from.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(from);
    std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
    port = ntohs(v6.sin6_port);
    return bytes;
  }
  if (from.ss_family != AF_INET) return std::nullopt;
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(from);
  bytes[10] = bytes[11] = 0xff;
  std::memcpy(bytes.data() + 12, &v4.sin_addr, 4);
  port = ntohs(v4.sin_port);
  return bytes;
}

sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(static_cast<char*>(address.sun_path), path.data(), path.size());
  return address;
}

/// Removes the socket file of a process that is gone. Says why it must not.
status remove_stale(const std::string& path) {
  struct stat facts {};
  if (lstat(path.c_str(), &facts) != 0) return done{};
  if (!S_ISSOCK(facts.st_mode)) return failure{errc::conflict, "listen unix:" + path + ": a file"};
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return system_failure("unix:" + path, errno);
  const auto address = unix_address(path);
  const bool answered =
      connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
      errno != ECONNREFUSED;
  ::close(probe);
  if (answered) return failure{errc::conflict, "listen unix:" + path + ": in use"};
  unlink(path.c_str());
  return done{};
}

}  // namespace

http_listener::http_listener(http_listener&& other) noexcept
    : descriptor_{std::exchange(other.descriptor_, -1)},
      endpoint_{std::move(other.endpoint_)},
      path_{std::exchange(other.path_, {})},
      port_{other.port_} {}

void http_listener::close() {
  if (descriptor_ < 0) return;
  ::close(std::exchange(descriptor_, -1));
  if (!path_.empty()) unlink(path_.c_str());
}

result<http_listener> http_listener::open(const std::string& where) {
  return where.starts_with("unix:") ? open_unix(where.substr(5)) : open_tcp(where);
}

result<http_listener> http_listener::open_unix(const std::string& path) {
  if (path.empty() || path.size() >= sizeof sockaddr_un{}.sun_path)
    return failure{errc::bad_option, "listen unix:" + path + ": path empty or too long"};
  if (auto removed = remove_stale(path); !removed) return removed.error();
  http_listener made;
  made.descriptor_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const auto address = unix_address(path);
  // The mode is set before the file exists, so that nobody else can connect in between.
  if (made.descriptor_ < 0 || fchmod(made.descriptor_, 0660) != 0 ||
      bind(made.descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return system_failure("unix:" + path, errno);
  made.path_ = path;
  made.endpoint_ = "unix:" + path;
  if (chmod(path.c_str(), 0660) != 0 || ::listen(made.descriptor_, backlog) != 0)
    return system_failure("unix:" + path, errno);
  return made;
}

result<http_listener> http_listener::open_tcp(const std::string& where) {
  const auto colon = where.rfind(':');
  unsigned port = 0;
  const char* end = where.data() + where.size();
  if (colon == std::string::npos || colon + 1 == where.size() ||
      std::from_chars(where.data() + colon + 1, end, port).ptr != end || port > 0xffff)
    return failure{errc::bad_option, "listen '" + where + "': not HOST:PORT or unix:PATH"};
  std::string host = where.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const auto digits = std::to_string(port);
  if (host.empty() || getaddrinfo(host.c_str(), digits.c_str(), &hints, &found) != 0)
    return failure{errc::bad_option, "listen '" + where + "': no such host"};
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner{found, &freeaddrinfo};
  int error = 0;
  for (const addrinfo* a = found; a != nullptr; a = a->ai_next) {
    http_listener made;
    made.descriptor_ = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int on = 1;
    if (made.descriptor_ >= 0) {
      setsockopt(made.descriptor_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
      if (a->ai_family == AF_INET6)
        setsockopt(made.descriptor_, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    }
    if (made.descriptor_ < 0 || bind(made.descriptor_, a->ai_addr, a->ai_addrlen) != 0 ||
        ::listen(made.descriptor_, backlog) != 0) {
      error = errno;
      continue;
    }
    sockaddr_storage bound{};
    socklen_t size = sizeof bound;
    getsockname(made.descriptor_, reinterpret_cast<sockaddr*>(&bound), &size);
    const auto address = address_of(bound, made.port_);
    const auto text = address ? to_text(*address) : host;
    made.endpoint_ = (text.find(':') == std::string::npos ? text : "[" + text + "]") + ":" +
                     std::to_string(made.port_);
    return made;
  }
  return system_failure(where, error);
}

int http_listener::accept(http_peer& peer) const {
  sockaddr_storage from{};
  socklen_t size = sizeof from;
  const int fd =
      accept4(descriptor_, reinterpret_cast<sockaddr*>(&from), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return fd;
  std::uint16_t port = 0;
  peer.address = address_of(from, port);
  if (peer.address) {
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    peer.text = to_text(*peer.address);
  }
  return fd;
}

}  // namespace tally::api

#include "apps/child_node.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <thread>
#include <utility>

namespace tally::apps {

namespace {

using namespace std::chrono_literals;
constexpr auto stop_limit = 30s;

/// `wanted` where nobody has it, else a free port; 0 where there is none.
std::uint16_t free_port(std::uint16_t wanted) {
  for (const auto port : {wanted, std::uint16_t{0}}) {
    const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in place{};
    place.sin_family = AF_INET;
    place.sin_port = htons(port);
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof place;
    // As servers do: a connection that has just ended does not make a port taken.
    const int on = 1;
    ::setsockopt(probe, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    auto* address = reinterpret_cast<sockaddr*>(&place);
    const bool free = ::bind(probe, address, size) == 0 && ::listen(probe, 1) == 0 &&
                      ::getsockname(probe, address, &size) == 0;
    ::close(probe);
    if (free) return ntohs(place.sin_port);
  }
  return 0;
}

std::string loopback(std::uint16_t port) {
  return "127.0.0.1:" + std::to_string(port);
}

/// In the child: never returns.
[[noreturn]] void become_node(const std::array<std::string, 9>& words, const std::string& log,
                              pid_t parent) {
  ::setpgid(0, 0);  // Ctrl-C is for the parent, which ends us in order
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(1);
  const int file = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  const int nothing = ::open("/dev/null", O_RDONLY);
  if (file < 0 || nothing < 0) ::_exit(1);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(file, STDOUT_FILENO);
  ::dup2(file, STDERR_FILENO);
  std::array<char*, 10> arguments{};
  for (std::size_t i = 0; i < words.size(); ++i) {
    arguments[i] = const_cast<char*>(words[i].c_str());
  }
  ::execv("/proc/self/exe", arguments.data());
  ::_exit(127);
}

}  // namespace

result<child_node> child_node::start(const std::string& folder) {
  child_node node;
  const auto http = free_port(8080), admin = free_port(9091);
  node.console_port_ = free_port(7700);
  node.http_ = loopback(http);
  node.console_ = loopback(node.console_port_);
  const std::array<std::string, 9> words{
      "tally",          "node",          "--data-dir",
      folder + "/data", "--http",        node.http_,
      "--admin",        loopback(admin), "--console=" + node.console_};
  const auto parent = ::getpid();
  node.pid_ = ::fork();
  if (node.pid_ < 0) return failure{errc::io_error, std::strerror(errno)};
  if (node.pid_ == 0) become_node(words, folder + "/node.log", parent);
  return node;
}

child_node::child_node(child_node&& other) noexcept
    : pid_{std::exchange(other.pid_, -1)},
      http_{std::move(other.http_)},
      console_{std::move(other.console_)},
      console_port_{other.console_port_} {}

child_node::~child_node() {
  stop();
}

bool child_node::is_running() {
  if (pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
  return pid_ > 0;
}

void child_node::stop() {
  if (!is_running()) return;
  ::kill(pid_, SIGTERM);
  const auto limit = std::chrono::steady_clock::now() + stop_limit;
  while (is_running() && std::chrono::steady_clock::now() < limit) {
    std::this_thread::sleep_for(20ms);
  }
  kill();
}

void child_node::kill() {
  if (!is_running()) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

}  // namespace tally::apps

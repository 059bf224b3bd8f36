#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "cluster/etcd_client.hpp"
#include "tests/support/temp_folder.hpp"

namespace tally::cluster {

using namespace std::chrono_literals;

/// Ports that nobody listens at; all are held until all are known.
inline std::vector<int> free_ports(std::size_t count) {
  std::vector<int> sockets, ports;
  for (; count > 0; --count) {
    const int s = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in place{};
    place.sin_family = AF_INET;
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof place;
    if (::bind(s, reinterpret_cast<sockaddr*>(&place), size) != 0) ADD_FAILURE() << "no port";
    ::getsockname(s, reinterpret_cast<sockaddr*>(&place), &size);
    sockets.push_back(s);
    ports.push_back(ntohs(place.sin_port));
  }
  for (const int s : sockets) ::close(s);
  return ports;
}

inline std::string local(int port) {
  return "127.0.0.1:" + std::to_string(port);
}

/// Processes of etcd on loopback, by pid, whose data is deleted at the end.
class etcd_processes {
 public:
  explicit etcd_processes(std::size_t members, std::vector<std::string> more = {})
      : more_{std::move(more)} {
    const auto ports = free_ports(members * 2);
    for (std::size_t i = 0; i < members; ++i) {
      members_.push_back({"m" + std::to_string(i), local(ports[2 * i]), local(ports[2 * i + 1])});
    }
    for (std::size_t i = 0; i < members; ++i) start(i);
  }
  ~etcd_processes() {
    for (std::size_t i = 0; i < members_.size(); ++i) kill(i);
  }

  static bool are_installed() {
    return std::filesystem::exists("/usr/bin/etcd") ||
           std::filesystem::exists("/usr/local/bin/etcd");
  }

  void start(std::size_t i) {
    auto& m = members_[i];
    std::string all;
    for (const auto& other : members_) {
      all += (all.empty() ? "" : ",") + other.name + "=http://" + other.peer;
    }
    const std::string scheme = more_.empty() ? "http://" : "https://";
    std::vector<std::string> words{"etcd", "--name", m.name, "--data-dir", folder_of(i)};
    words.insert(words.end(), {"--listen-client-urls", scheme + m.client});
    words.insert(words.end(), {"--advertise-client-urls", scheme + m.client});
    words.insert(words.end(), {"--listen-peer-urls", "http://" + m.peer});
    words.insert(words.end(), {"--initial-advertise-peer-urls", "http://" + m.peer});
    words.insert(words.end(), {"--initial-cluster", all, "--log-level", "error"});
    words.insert(words.end(), {"--heartbeat-interval", "50", "--election-timeout", "500"});
    words.insert(words.end(), more_.begin(), more_.end());
    std::vector<char*> arguments;
    arguments.reserve(words.size() + 1);
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    m.pid = ::fork();
    if (m.pid != 0) return;
    ::setenv("ETCD_UNSUPPORTED_ARCH", "arm64", 1);
    const int log = ::open("/dev/null", O_WRONLY);
    ::dup2(log, 1);
    ::dup2(log, 2);
    ::execvp("etcd", arguments.data());
    ::_exit(127);
  }
  void kill(std::size_t i) {
    auto& m = members_[i];
    if (m.pid <= 0) return;
    ::kill(m.pid, SIGKILL);
    ::waitpid(m.pid, nullptr, 0);
    m.pid = 0;
  }
  void freeze(std::size_t i) const { ::kill(members_[i].pid, SIGSTOP); }
  void thaw(std::size_t i) const { ::kill(members_[i].pid, SIGCONT); }
  /// Its directory is gone when it starts again.
  void wipe(std::size_t i) {
    kill(i);
    std::filesystem::remove_all(folder_of(i));
  }

  [[nodiscard]] std::size_t size() const { return members_.size(); }
  [[nodiscard]] etcd_options options() const {
    etcd_options o;
    for (const auto& m : members_) o.endpoints.push_back(m.client);
    o.exchange.timeout = 1s;
    o.watchdog_interval = 300ms;
    o.retry_pause = 50ms;
    return o;
  }
  [[nodiscard]] std::string client_of(std::size_t i) const { return members_[i].client; }
  [[nodiscard]] std::string folder_of(std::size_t i) const { return folder_ / members_[i].name; }

 private:
  struct member {
    std::string name, client, peer;
    pid_t pid = 0;
  };
  testing::temp_folder folder_;
  std::vector<std::string> more_;
  std::vector<member> members_;
};

/// Waits for what must come; the limit only ends a test that failed.
inline bool comes(const std::function<bool()>& what) {
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock lock{mutex};
  const auto limit = std::chrono::steady_clock::now() + 60s;
  while (!what()) {
    if (std::chrono::steady_clock::now() > limit) return false;
    never.wait_for(lock, 10ms);
  }
  return true;
}

class etcd_test : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!etcd_processes::are_installed()) GTEST_SKIP() << "etcd is not installed (etcd-server)";
  }
  /// Until a write is answered, so that there is a leader.
  static bool is_ready(etcd_client& client) {
    return comes([&] { return client.run({{}, {{"/ready", "1", 0}}, {}}).ok(); });
  }
};

}  // namespace tally::cluster

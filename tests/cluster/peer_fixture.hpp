#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cluster/peer_links.hpp"
#include "tests/cluster/etcd_fixture.hpp"
#include "tests/cluster/replica_samples.hpp"

namespace tally::cluster {

/// How much goes over a connection. The thread sanitizer takes every word that CAF hands from
/// thread to thread for a race and looks it up among the suppressions, so it is given little.
#ifdef __SANITIZE_THREAD__
inline constexpr std::size_t volume = 1u << 10;
#else
inline constexpr std::size_t volume = 1u << 20;
#endif

inline peer_options quick_options() {
  peer_options o;
  o.retry_pause_min = 10ms;
  o.retry_pause_max = 100ms;
  o.heartbeat_interval = 500ms;
  o.silence_max = 600s;  // so that only the end of a process or of a link is noticed
  return o;
}

inline replica_message numbered(std::uint64_t number) {
  replica_message m;
  m.cluster = 7;
  m.epoch = 1;
  m.body = pull_message{number};
  return m;
}
inline replica_message with_chunk(std::size_t bytes) {
  replica_message m;
  m.cluster = 7;
  m.body = append_message{.config_version = 1,
                          .prev = {},
                          .chunks = {sample_chunk(0, 1, std::string(bytes, 'd'))},
                          .end = 2,
                          .commit = 0,
                          .acked = 0,
                          .sent_at = {}};
  return m;
}

/// A node as its peers see it: notes what it is told, and answers requests by their kind.
class peer_node {
 public:
  explicit peer_node(std::uint32_t self, peer_options options = quick_options(),
                     std::uint64_t cluster = 7)
      : self_{self} {
    auto started = peer_links::start(options, node_id{self}, cluster, told());
    EXPECT_TRUE(started) << started.error().text();
    if (started) links_ = std::move(*started);
  }
  peer_links* operator->() const { return links_.get(); }
  [[nodiscard]] peer_address address() const {
    return {node_id{self_}, "127.0.0.1", links_->port()};
  }

  [[nodiscard]] std::vector<std::string> changes() const {
    const std::scoped_lock lock{mutex_};
    return changes_;
  }
  [[nodiscard]] std::vector<replica_message> messages() const {
    const std::scoped_lock lock{mutex_};
    return messages_;
  }
  [[nodiscard]] std::size_t held() const {
    const std::scoped_lock lock{mutex_};
    return held_.size();
  }
  void release_held() {
    std::vector<std::function<void(result<std::string>)>> held;
    {
      const std::scoped_lock lock{mutex_};
      held.swap(held_);
    }
    for (auto& reply : held) reply(std::string{"released"});
  }
  /// The answer, or its failure as text.
  std::string ask(std::uint32_t to, std::string kind, std::string body = {},
                  std::chrono::milliseconds timeout = 60s) const {
    std::promise<std::string> said;
    links_->ask(node_id{to}, std::move(kind), std::move(body), timeout,
                [&](const result<std::string>& a) { said.set_value(a ? *a : a.error().text()); });
    return said.get_future().get();
  }
  void stop() { links_.reset(); }

 private:
  void note(std::string what) {
    const std::scoped_lock lock{mutex_};
    changes_.push_back(std::move(what));
  }
  peer_links::callbacks told() {
    peer_links::callbacks c;
    c.on_up = [this](node_id peer) { note("up " + std::to_string(peer.value)); };
    c.on_down = [this](node_id peer) { note("down " + std::to_string(peer.value)); };
    c.on_messages = [this](node_id, std::vector<replica_message> more) {
      const std::scoped_lock lock{mutex_};
      for (auto& m : more) messages_.push_back(std::move(m));
    };
    c.on_request = [this](node_id from, const std::string& kind, std::string body, auto reply) {
      if (kind == "echo") return reply(std::move(body));
      if (kind == "who") return reply(std::to_string(from.value) + "->" + std::to_string(self_));
      if (kind == "fail") return reply(failure{errc::conflict, body});
      if (kind == "count") return reply(std::to_string(messages().size()));
      if (kind == "drop") return;
      const std::scoped_lock lock{mutex_};
      held_.push_back(std::move(reply));
    };
    return c;
  }

  std::uint32_t self_;
  mutable std::mutex mutex_;
  std::vector<std::string> changes_;
  std::vector<replica_message> messages_;
  std::vector<std::function<void(result<std::string>)>> held_;
  std::unique_ptr<peer_links> links_;
};

/// A node in a process of its own, which is this program again: see peer_process.DISABLED_runs.
class peer_process {
 public:
  peer_process(std::uint32_t self, std::uint16_t port, const peer_address& peer) : port_{port} {
    const std::vector<std::string> settings{"PEER_SELF=" + std::to_string(self),
                                            "PEER_PORT=" + std::to_string(port),
                                            "PEER_OTHER=" + std::to_string(peer.node.value),
                                            "PEER_OTHER_PORT=" + std::to_string(peer.port)};
    std::vector<std::string> words{"/proc/self/exe", "--gtest_also_run_disabled_tests",
                                   "--gtest_filter=peer_process_main.*"};
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    std::vector<char*> environment;
    for (const auto& each : settings) environment.push_back(const_cast<char*>(each.c_str()));
    for (char** each = environ; *each != nullptr; ++each) environment.push_back(*each);
    environment.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int log = ::open("/dev/null", O_WRONLY);
    ::dup2(log, 1);
    ::execve(words[0].c_str(), arguments.data(), environment.data());
    ::_exit(127);
  }
  ~peer_process() { kill(); }
  peer_process(const peer_process&) = delete;
  peer_process& operator=(const peer_process&) = delete;

  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  void freeze() const { ::kill(pid_, SIGSTOP); }
  void thaw() const { ::kill(pid_, SIGCONT); }
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  std::uint16_t port_;
  pid_t pid_ = 0;
};

}  // namespace tally::cluster

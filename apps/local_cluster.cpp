#include "apps/local_cluster.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "api/http_client.hpp"
#include "cluster/etcd_client.hpp"

namespace tally::apps {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
namespace fs = std::filesystem;

constexpr auto start_limit = 60s, stop_limit = 45s, etcd_stop_limit = 10s;
constexpr auto pause = 50ms;
constexpr std::size_t nodes_max = 16, min_in_sync_max = 2;

failure system_failure(const std::string& what) {
  return {errc::io_error, what + ": " + std::strerror(errno)};
}

std::string loopback(std::uint16_t port) {
  return "127.0.0.1:" + std::to_string(port);
}

/// Holds every port that it gave until it ends, so that all are different.
class port_finder {
 public:
  port_finder() = default;
  ~port_finder() {
    for (const int s : sockets_) ::close(s);
  }
  port_finder(const port_finder&) = delete;
  port_finder& operator=(const port_finder&) = delete;

  /// 0 where there is none.
  std::uint16_t next() {
    const int s = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s < 0) return 0;
    sockets_.push_back(s);
    sockaddr_in place{};
    place.sin_family = AF_INET;
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof place;
    auto* address = reinterpret_cast<sockaddr*>(&place);
    const bool is_free = ::bind(s, address, size) == 0 && ::getsockname(s, address, &size) == 0;
    return is_free ? ntohs(place.sin_port) : std::uint16_t{0};
  }

 private:
  std::vector<int> sockets_;
};

/// Where a program is by $PATH; empty where it is nowhere.
std::string find_program(const std::string& name) {
  const char* variable = std::getenv("PATH");
  std::string path = variable != nullptr ? variable : "";
  path += ":/usr/local/bin:/usr/bin:/usr/sbin";
  while (!path.empty()) {
    const auto end = std::min(path.find(':'), path.size());
    auto file = path.substr(0, end) + "/" + name;
    if (end > 0 && ::access(file.c_str(), X_OK) == 0) return file;
    path.erase(0, std::min(end + 1, path.size()));
  }
  return {};
}

/// In the child: never returns.
[[noreturn]] void become(const std::string& program, const std::vector<char*>& arguments,
                         const std::string& log, int failed) {
  ::setsid();  // it goes on when the terminal closes
  const int file = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  const int nothing = ::open("/dev/null", O_RDONLY);
  if (file < 0 || nothing < 0) ::_exit(1);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(file, STDOUT_FILENO);
  ::dup2(file, STDERR_FILENO);
  ::setenv("ETCD_UNSUPPORTED_ARCH", "arm64", 0);
  ::execv(program.c_str(), arguments.data());
  const int why = errno;
  if (::write(failed, &why, sizeof why) < 0) ::_exit(126);
  ::_exit(127);
}

/// Comes back when the program runs: its command line tells from then on what it is.
result<pid_t> launch(const std::string& program, std::vector<std::string> words,
                     const fs::path& log) {
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  std::array<int, 2> failed{};
  if (::pipe2(failed.data(), O_CLOEXEC) != 0) return system_failure("pipe");
  const auto pid = ::fork();
  if (pid == 0) become(program, arguments, log.string(), failed[1]);
  ::close(failed[1]);
  int why = pid < 0 ? errno : 0;
  if (pid > 0 && ::read(failed[0], &why, sizeof why) < 0) why = errno;
  ::close(failed[0]);
  if (why != 0) return failure{errc::io_error, program + ": " + std::strerror(why)};
  return pid;
}

/// False where `is_there` did not come true in time, or `goes_on` ended.
bool comes(std::chrono::seconds limit, const std::function<bool()>& is_there,
           const std::function<bool()>& goes_on) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (std::chrono::steady_clock::now() < end) {
    if (is_there()) return true;
    if (!goes_on()) return false;
    std::this_thread::sleep_for(pause);
  }
  return false;
}

std::uint16_t port_of(const json& object, const char* field) {
  return object.is_object() ? object.value(field, std::uint16_t{0}) : std::uint16_t{0};
}

}  // namespace

result<local_cluster> local_cluster::open(const std::string& folder) {
  local_cluster cluster;
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error) cluster.folder_ = fs::canonical(folder, error);
  if (error) return failure{errc::io_error, folder + ": " + error.message()};
  const auto lock = (cluster.folder_ / "lock").string();
  cluster.lock_ = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (cluster.lock_ < 0) return system_failure(lock);
  if (::flock(cluster.lock_, LOCK_EX | LOCK_NB) != 0) {
    return failure{errc::locked, "another command works on " + cluster.folder_.string()};
  }
  if (auto loaded = cluster.load(); !loaded) return loaded.error();
  return cluster;
}

local_cluster::local_cluster(local_cluster&& other) noexcept
    : folder_{std::move(other.folder_)},
      lock_{std::exchange(other.lock_, -1)},
      etcd_{other.etcd_},
      nodes_{std::move(other.nodes_)} {}

local_cluster::~local_cluster() {
  if (lock_ >= 0) ::close(lock_);
}

fs::path local_cluster::node_folder(std::size_t i) const {
  return folder_ / ("node-" + std::to_string(i + 1));
}

status local_cluster::load() {
  const auto path = folder_ / "local.json";
  std::ifstream in{path};
  if (!in) return done{};
  const auto content = json::parse(in, nullptr, false);
  const bool is_whole = content.is_object() && content.contains("nodes") &&
                        content["nodes"].is_array() && content["nodes"].size() <= nodes_max &&
                        content.contains("etcd") && content["etcd"].is_object();
  if (!is_whole) return failure{errc::corrupt_record, path.string() + " cannot be understood"};
  try {
    const auto& etcd = content["etcd"];
    etcd_ = {etcd.value("pid", 0), port_of(etcd, "client"), port_of(etcd, "peer")};
    for (const auto& node : content["nodes"]) {
      nodes_.push_back({node.value("pid", 0), port_of(node, "http"), port_of(node, "admin"),
                        port_of(node, "console"), port_of(node, "peer")});
    }
  } catch (const json::exception& error) {
    return failure{errc::corrupt_record, path.string() + ": " + error.what()};
  }
  forget_ended();
  return done{};
}

/// What the process with this pid was started with; a pid may have come to mean another process.
bool local_cluster::runs(pid_t pid, const fs::path& data) {
  if (pid <= 0) return false;
  std::ifstream in{"/proc/" + std::to_string(pid) + "/cmdline", std::ios::binary};
  for (std::string word; std::getline(in, word, '\0');) {
    if (word == data.string()) return true;
  }
  return false;
}

void local_cluster::forget_ended() {
  if (!runs(etcd_.pid, etcd_folder() / "data")) etcd_.pid = 0;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (!runs(nodes_[i].pid, node_folder(i) / "data")) nodes_[i].pid = 0;
  }
}

status local_cluster::save() const {
  auto nodes = json::array();
  for (const auto& node : nodes_) {
    nodes.push_back({{"pid", node.pid},
                     {"http", node.http},
                     {"admin", node.admin},
                     {"console", node.console},
                     {"peer", node.peer}});
  }
  const json content{
      {"nodes", std::move(nodes)},
      {"etcd", {{"pid", etcd_.pid}, {"client", etcd_.client}, {"peer", etcd_.peer}}}};
  const auto path = folder_ / "local.json";
  const auto fresh = folder_ / "local.json.new";
  {
    std::ofstream out{fresh, std::ios::trunc};
    out << content.dump(2) << '\n';
    if (!out.flush()) return failure{errc::io_error, fresh.string() + " cannot be written"};
  }
  std::error_code error;
  fs::rename(fresh, path, error);
  if (error) return failure{errc::io_error, path.string() + ": " + error.message()};
  return done{};
}

std::string local_cluster::to_json() const {
  auto nodes = json::array();
  for (const auto& node : nodes_) {
    nodes.push_back({{"pid", node.pid},
                     {"http", loopback(node.http)},
                     {"console", loopback(node.console)},
                     {"admin", loopback(node.admin)},
                     {"peer", loopback(node.peer)}});
  }
  const json etcd{{"pid", etcd_.pid}, {"client", loopback(etcd_.client)}};
  return json{{"nodes", std::move(nodes)}, {"etcd", json::array({etcd})}}.dump();
}

status local_cluster::choose_ports(std::size_t count) {
  port_finder free;
  const auto choose = [&](std::initializer_list<std::uint16_t*> ports) {
    for (auto* port : ports) {
      if (*port == 0) *port = free.next();
      if (*port == 0) return false;
    }
    return true;
  };
  if (nodes_.size() < count) nodes_.resize(count);
  bool are_found = choose({&etcd_.client, &etcd_.peer});
  for (auto& node : nodes_) {
    are_found = are_found && choose({&node.http, &node.admin, &node.console, &node.peer});
  }
  if (!are_found) return failure{errc::unavailable, "no free port on 127.0.0.1"};
  return save();
}

status local_cluster::start_etcd() {
  if (etcd_.pid != 0) return done{};
  const auto program = find_program("etcd");
  if (program.empty()) {
    return failure{errc::not_found, "etcd is not installed; on Debian: apt install etcd-server"};
  }
  fs::create_directories(etcd_folder());
  const auto client = "http://" + loopback(etcd_.client), peer = "http://" + loopback(etcd_.peer);
  const auto started = launch(program,
                              {"etcd",
                               "--name",
                               "local",
                               "--data-dir",
                               (etcd_folder() / "data").string(),
                               "--listen-client-urls",
                               client,
                               "--advertise-client-urls",
                               client,
                               "--listen-peer-urls",
                               peer,
                               "--initial-advertise-peer-urls",
                               peer,
                               "--initial-cluster",
                               "local=" + peer,
                               "--log-level",
                               "warn",
                               "--auto-compaction-retention",
                               "8h",
                               "--heartbeat-interval",
                               "50",
                               "--election-timeout",
                               "500"},
                              etcd_folder() / "etcd.log");
  if (!started) return started.error();
  etcd_.pid = *started;
  return save();
}

status local_cluster::await_etcd() const {
  cluster::etcd_options options;
  options.endpoints = {loopback(etcd_.client)};
  cluster::etcd_client client{options};
  const bool is_there = comes(
      start_limit, [&] { return client.get("/tally/").ok(); },
      [&] { return runs(etcd_.pid, etcd_folder() / "data"); });
  if (is_there) return done{};
  return failure{errc::unavailable,
                 "etcd does not answer; see " + (etcd_folder() / "etcd.log").string()};
}

status local_cluster::start_node(std::size_t i, std::size_t count) {
  auto& node = nodes_[i];
  if (node.pid != 0) return done{};
  fs::create_directories(node_folder(i));
  const auto started = launch("/proc/self/exe",
                              {"tally",
                               "node",
                               "--data-dir",
                               (node_folder(i) / "data").string(),
                               "--http",
                               loopback(node.http),
                               "--admin",
                               loopback(node.admin),
                               "--console",
                               loopback(node.console),
                               "--cluster-name",
                               "local",
                               "--cluster-node-name",
                               "node-" + std::to_string(i + 1),
                               "--cluster-etcd",
                               loopback(etcd_.client),
                               "--cluster-listen",
                               loopback(node.peer),
                               "--cluster-min-in-sync",
                               std::to_string(std::min(count, min_in_sync_max))},
                              node_folder(i) / "node.log");
  if (!started) return started.error();
  node.pid = *started;
  return save();
}

status local_cluster::await_node(std::size_t i) const {
  const auto& node = nodes_[i];
  api::http_client admin{loopback(node.admin), 2s};
  const bool is_there = comes(
      start_limit,
      [&] {
        const auto reply = admin.send({"GET", "/readyz", "", "", ""});
        return reply && reply->status == 200;
      },
      [&] { return runs(node.pid, node_folder(i) / "data"); });
  if (is_there) return done{};
  return failure{errc::unavailable, "node " + std::to_string(i + 1) + " is not ready; see " +
                                        (node_folder(i) / "node.log").string()};
}

status local_cluster::start(std::size_t count) {
  if (count == 0 || count > nodes_max) {
    return failure{errc::bad_option, "1 to " + std::to_string(nodes_max) + " nodes"};
  }
  if (auto chosen = choose_ports(count); !chosen) return chosen;
  if (auto started = start_etcd(); !started) return started;
  if (auto there = await_etcd(); !there) return there;
  for (std::size_t i = 0; i < count; ++i) {
    if (auto started = start_node(i, count); !started) return started;
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (auto there = await_node(i); !there) return there;
  }
  return done{};
}

status local_cluster::stop() {
  const auto end = [&](pid_t pid, const fs::path& data, std::chrono::seconds limit) {
    if (comes(
            limit, [&] { return !runs(pid, data); }, [] { return true; }))
      return;
    if (runs(pid, data)) ::kill(pid, SIGKILL);
    comes(
        5s, [&] { return !runs(pid, data); }, [] { return true; });
  };
  for (const auto& node : nodes_) {
    if (node.pid != 0) ::kill(node.pid, SIGTERM);
  }
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].pid != 0) end(nodes_[i].pid, node_folder(i) / "data", stop_limit);
  }
  if (etcd_.pid != 0) {
    ::kill(etcd_.pid, SIGTERM);
    end(etcd_.pid, etcd_folder() / "data", etcd_stop_limit);
  }
  forget_ended();
  return save();
}

}  // namespace tally::apps

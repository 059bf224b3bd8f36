#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "domain/result.hpp"

namespace tally::apps {

/// A process that runs in the background. Port 0: not chosen yet; pid 0: not started.
struct local_node {
  pid_t pid = 0;
  std::uint16_t http = 0, admin = 0, console = 0, peer = 0;
};
struct local_etcd {
  pid_t pid = 0;
  std::uint16_t client = 0, peer = 0;
};

/// One etcd and some nodes on loopback, for trying a cluster out. All of it is under one folder:
/// "local.json" names processes and ports, which stay the same over restarts; "etcd/" and
/// "node-1/" have data and logs. One object at a time, also of other processes: it holds a lock.
class local_cluster {
 public:
  /// Locks the folder, which is made where it does not exist, and reads what is there. locked where
  /// another command works on it.
  static result<local_cluster> open(const std::string& folder);
  local_cluster(local_cluster&& other) noexcept;
  local_cluster& operator=(local_cluster&&) = delete;
  ~local_cluster();

  /// Starts etcd and the first `count` nodes where they do not run, and waits until all answer.
  /// not_found where etcd is not installed; unavailable where one of them ends or does not come,
  /// with the file that says why.
  status start(std::size_t count);
  /// Ends what runs, the nodes first, in order; only its own processes, whose command line names
  /// its folder. Kills what does not end in its time.
  status stop();

  /// {"nodes":[{"pid","http","console","admin","peer"}],"etcd":[{"pid","client"}]}; pid 0 where it
  /// does not run.
  [[nodiscard]] std::string to_json() const;

 private:
  local_cluster() = default;

  status load();
  [[nodiscard]] status save() const;
  [[nodiscard]] static bool runs(pid_t pid, const std::filesystem::path& data);
  [[nodiscard]] std::filesystem::path node_folder(std::size_t i) const;
  [[nodiscard]] std::filesystem::path etcd_folder() const { return folder_ / "etcd"; }
  status choose_ports(std::size_t count);
  status start_etcd();
  status start_node(std::size_t i, std::size_t count);
  status await_etcd() const;
  status await_node(std::size_t i) const;
  void forget_ended();

  std::filesystem::path folder_;
  int lock_ = -1;
  local_etcd etcd_;
  std::vector<local_node> nodes_;
};

}  // namespace tally::apps

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/http_exchange.hpp"
#include "domain/replica_types.hpp"
#include "domain/result.hpp"

namespace tally::cluster {

/// How to reach etcd (3.4 or later), through its JSON gateway. docs/reference/cluster.md.
struct etcd_options {
  std::vector<std::string> endpoints;  // host:port; two at least, so that one may fail
  exchange_options exchange;
  std::string user, password;        // both or none
  std::size_t operations_max = 120;  // compares and changes of one transaction; etcd takes 128
  std::size_t value_bytes_max = 1u << 20;
  std::chrono::seconds lease_ttl{2};
  std::chrono::milliseconds watchdog_interval{2'000};  // a look past a watch, at another endpoint
  std::chrono::milliseconds retry_pause{200};          // after a watch or a lease failed
};
/// bad_option that names the field.
[[nodiscard]] status validate(const etcd_options& options);

struct etcd_entry {
  std::string key, value;
  std::uint64_t create_revision = 0, mod_revision = 0;
  std::uint64_t lease = 0;  // 0: none
};
struct etcd_range {
  std::vector<etcd_entry> entries;  // by key
  std::uint64_t revision = 0;       // of the store when it was read
};

/// All `puts` and `deletes`, or nothing where a `compare` does not hold.
struct etcd_transaction {
  struct compare {
    std::string key;
    std::uint64_t mod_revision = 0;  // 0: there is no such key
  };
  struct put {
    std::string key, value;
    std::uint64_t lease = 0;
  };
  std::vector<compare> compares;
  std::vector<put> puts;
  std::vector<std::string> deletes;
};
struct etcd_transaction_reply {
  bool succeeded = false;
  std::uint64_t revision = 0;  // where it succeeded, the mod_revision of its puts
};
struct etcd_swap_reply {
  swap_outcome outcome = swap_outcome::unknown;
  std::uint64_t version = 0;  // where done
};
struct etcd_grant {
  std::uint64_t id = 0;
  std::chrono::seconds ttl{0};  // may be more than asked for
};

/// Requests to etcd, one after another. What only reads goes on to the next endpoint after a
/// failure; what changes something does so only where certainly nothing was sent, else the failure
/// is `unavailable`, which means: it may have happened and may yet happen. Every other failure
/// means that it did not. Blocks, at most `endpoints` times twice the timeout; one thread at a
/// time.
class etcd_client {
 public:
  /// `options` must be valid. Begins with endpoint number `first`.
  explicit etcd_client(etcd_options options, std::size_t first = 0);
  ~etcd_client();

  /// Linearizable.
  result<etcd_range> get(std::string_view key);
  result<etcd_range> get_prefix(std::string_view prefix);
  result<etcd_transaction_reply> run(const etcd_transaction& transaction);
  /// Sent once: `unknown` where no answer came, `refused` where certainly nothing was sent.
  etcd_swap_reply swap(const etcd_transaction::put& put, std::uint64_t expected_version);
  /// Sent until it is known: after an answer that did not come the entry is read. `value` must be
  /// one that nobody else writes. Conflict where another version is there; unavailable where it
  /// stays unknown after `attempts`. Gives the version.
  result<std::uint64_t> swap_surely(const etcd_transaction::put& put,
                                    std::uint64_t expected_version, unsigned attempts = 5);

  result<etcd_grant> grant(std::chrono::seconds ttl);
  /// Seconds left; 0: there is no such lease any more.
  result<std::chrono::seconds> keep_alive(std::uint64_t lease);
  status revoke(std::uint64_t lease);

  /// A token to send along; empty where no user is set.
  result<std::string> token();
  [[nodiscard]] const std::string& endpoint() const;
  void use_next_endpoint();

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace tally::cluster

#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "domain/replica_types.hpp"

namespace tally::simulation {

/// What a run must never show. Keeps the first violation; knows nothing of how copies work.
class checker {
 public:
  /// Every batch that a client sends has another ticket, which its payload repeats.
  [[nodiscard]] static std::uint64_t ticket_of(const log_chunk& c);

  void leader_started(std::uint32_t epoch, node_id node, std::uint64_t incarnation);
  /// A copy says that `c`, which it holds, is committed.
  void committed(const log_chunk& c, bool by_leader);
  /// A leader answered the client.
  void acknowledged(std::uint64_t ticket);
  void truncated(const log_chunk& c);
  /// A leader answered a read from what is committed up to `offset`.
  void read(std::uint64_t offset);
  /// The log of the last leader when all is quiet: it must hold what was acknowledged, each batch
  /// once, as one chain with rising stamps.
  void final_log(const std::vector<log_chunk>& log);
  void equal_logs(const std::vector<log_chunk>& a, const std::vector<log_chunk>& b);

  void fail(std::string what);
  [[nodiscard]] const std::string& violation() const { return violation_; }
  /// A log that may count from now on must hold all that is committed; since logs are chains, its
  /// newest chunk says so.
  [[nodiscard]] bool holds_all_committed(const std::vector<log_chunk>& log) const;
  [[nodiscard]] std::uint64_t commits() const { return chains_.size(); }
  [[nodiscard]] std::uint64_t leaders() const { return leaders_.size(); }
  [[nodiscard]] std::uint64_t acknowledged_count() const { return acknowledged_.size(); }
  [[nodiscard]] bool is_committed(const log_chunk& c) const;

 private:
  std::map<std::uint32_t, std::pair<node_id, std::uint64_t>> leaders_;
  std::map<std::uint64_t, std::uint64_t> chains_;   // committed: last offset -> chain
  std::map<std::uint64_t, std::uint64_t> offsets_;  // committed: ticket -> last offset
  std::set<std::uint64_t> acknowledged_;            // tickets
  std::uint64_t acknowledged_end_ = 0;
  std::string violation_;
};

}  // namespace tally::simulation

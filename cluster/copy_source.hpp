#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "actors/node_env.hpp"
#include "cluster/replicator.hpp"
#include "persistence/shard_copy.hpp"

/// What this node has of a shard, for nodes whose copy is older than the log that is kept.
namespace tally::cluster {

/// The request of a node that fetches one. Begins with version 1 and what is wanted:
///   1 begin: shard u16be  ->  session u64be, offset u64be, epoch u32be, chain u64be, stamp i64be
///   2 read: session u64be, part u8, key text  ->  part u8, key text, crc32c u32be, page text
///   3 end: session u64be  ->  nothing
inline constexpr auto copy_request = "copy";
inline constexpr std::uint8_t copy_version = 1;
enum class copy_wish : std::uint8_t { begin = 1, read, end };

/// The copies that are being fetched of this node. Thread-safe.
class copy_source {
 public:
  /// Gives where the log goes on behind what is sealed, or why that cannot be told.
  using position_finder = std::function<void(std::uint16_t shard, persistence::sealed_end,
                                             std::function<void(result<log_position>)>)>;
  copy_source(actors::node_env_ptr env, const replicator_options& options,
              position_finder find_position);

  /// Answers on another thread.
  void answer(std::string_view body, std::function<void(result<std::string>)> reply);
  /// Ends those that nobody has read from for a while.
  void forget_idle();
  /// Nothing is read after it returns but by what runs already.
  void end();

 private:
  struct session;
  using session_ptr = std::shared_ptr<session>;
  using answerer = std::function<void(result<std::string>)>;

  void begin(std::uint16_t shard, answerer reply);
  void read(std::uint64_t number, persistence::copy_cursor at, answerer reply);
  [[nodiscard]] session_ptr add(std::uint16_t shard, std::uint64_t& number);
  void remove(std::uint64_t number);

  actors::node_env_ptr env_;
  std::uint32_t sessions_max_;
  std::size_t page_bytes_;
  std::chrono::milliseconds idle_max_;
  position_finder find_position_;
  std::mutex mutex_;
  bool has_ended_ = false;
  std::uint64_t begun_ = 0;
  std::map<std::uint64_t, session_ptr> sessions_;
};

}  // namespace tally::cluster

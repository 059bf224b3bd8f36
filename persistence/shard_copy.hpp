#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/result.hpp"
#include "persistence/history.hpp"
#include "persistence/journal.hpp"
#include "persistence/state_store.hpp"

/// What a node knows of a shard beside its log, for another node whose copy is too far behind.
namespace tally::persistence {

/// What an entry of a copy belongs to, in the order in which they are sent.
enum class copy_part : std::uint8_t {
  blocks = 1,
  columns,
  totals,
  snapshot,
  ids,
  rejects,
  merchants,  // of the journal
  platform,   // of the journal's `meta`, with the shard of what belongs to no merchant
  end,
};

/// How far a copy was read.
struct copy_cursor {
  copy_part part = copy_part::blocks;
  std::string after;  // key; empty: the part begins
};

/// The beginnings of the keys in `meta` that all nodes of a cluster share: rulesets, rates,
/// platform and admin keys, what administrators did.
[[nodiscard]] bool is_platform_key(std::string_view key);

/// A shard at one moment: history up to sealed(), and a state that has at least as much. Keeps old
/// files alive, so let go soon. Any thread, one at a time; must end before the databases.
class shard_picture {
 public:
  /// `with_platform` where the shard is that of what belongs to no merchant.
  static result<shard_picture> take(const journal& log, const state_store& state,
                                    const history& past, std::uint16_t shard, bool with_platform);

  [[nodiscard]] sealed_end sealed() const { return history::sealed(past_at_, shard_); }
  /// Appends entries behind `at` to `page` until it has `bytes`, one at least, and moves `at`
  /// behind them; to copy_part::end with the last one.
  status read(copy_cursor& at, std::size_t bytes, std::string& page) const;

 private:
  shard_picture(const state_store& state, const history& past, std::uint16_t shard)
      : state_{&state}, past_{&past}, shard_{shard} {}
  using visitor = std::function<bool(std::string_view key, std::string_view value)>;
  status scan(const copy_cursor& at, const visitor& f) const;

  const state_store* state_;
  const history* past_;
  std::uint16_t shard_;
  history::view_ptr past_at_;
  state_store::view_ptr state_at_;
  std::vector<record> merchants_, platform_;  // in the order of their keys
};

/// A copy on its way, as a file of pages: u32be length, u32be crc32c, bytes; in a page per entry
/// part u8, key and value with varint lengths. Not synced: after a crash it is fetched anew.
class copy_file {
 public:
  /// Makes the file, over an old one.
  static result<copy_file> create(const std::string& path);
  status add(std::string_view page);
  copy_file(copy_file&& other) noexcept;
  copy_file& operator=(copy_file&&) = delete;
  ~copy_file();

 private:
  explicit copy_file(std::string path, int descriptor)
      : path_{std::move(path)}, descriptor_{descriptor} {}

  std::string path_;
  int descriptor_ = -1;
};

/// Puts the history of a copy in place of what is here of the shard. Of the thread that seals;
/// all or nothing, also after a crash.
status install_history(history& past, std::uint16_t shard, const std::string& path);
/// The same with its state; nobody else may write to the shard's. A crash leaves some of both.
status install_state(state_store& state, std::uint16_t shard, const std::string& path);
/// Records of a shard's merchants, and those of the platform where they are the shard's too.
struct copied_registry {
  std::vector<record> merchants, platform;
};
/// All that the journal has of them, in the order of the keys.
result<copied_registry> list_registry(const journal& log, std::uint16_t shard, bool with_platform);
/// What is to be written for the journal to have these and no others: puts, and empty values for
/// what is to go.
result<copied_registry> changes_to(const journal& log, std::uint16_t shard, bool with_platform,
                                   const copied_registry& wanted);
/// The same for those of a copy.
result<copied_registry> read_registry(const journal& log, std::uint16_t shard, bool with_platform,
                                      const std::string& path);
/// Removes what is here of the shard.
status forget_shard(history& past, state_store& state, std::uint16_t shard);

}  // namespace tally::persistence

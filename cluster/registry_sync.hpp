#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/replicator.hpp"
#include "persistence/journal.hpp"
#include "persistence/shard_copy.hpp"

/// Every node knows all merchants, keys and aliases, so that it can tell at once who may do what.
/// Of shards whose copy it has they come with the log; the leaders of the others are asked again
/// and again what is new.
namespace tally::cluster {

/// Request: version 1, number of shards varint, per shard u16be and the offset u64be up to which
/// the asker knows its records. Answer: version 1, per shard with news u16be, offset u64be, whether
/// these are all records of the shard u8, records of merchants text, of the platform text.
inline constexpr auto registry_request = "registry";

/// Whether the records of what belongs to no merchant come with this shard.
[[nodiscard]] bool is_platforms(std::uint16_t shard);

/// The last changes of a shard's records, by the offset of the event that brought them.
class registry_ring {
 public:
  /// What is up to `offset` is not here.
  void begin_at(std::uint64_t offset);
  void add(std::uint64_t offset, bool of_platform, persistence::record what, std::size_t max);
  /// What came behind `offset`, in order; false where some of it is not here any more.
  bool since(std::uint64_t offset, persistence::copied_registry& news) const;

 private:
  struct change {
    std::uint64_t offset = 0;
    bool of_platform = false;
    persistence::record what;
  };
  std::uint64_t from_ = 0;
  std::deque<change> changes_;
};

struct registry_wish {
  std::uint16_t shard = 0;
  std::uint64_t known = 0;
};
struct registry_news {
  std::uint16_t shard = 0;
  std::uint64_t known = 0;  // from now on
  bool is_whole = false;
  persistence::copied_registry records;
};
/// What a leader can say at once, and of which shards all records are to be read.
struct registry_answer {
  std::vector<registry_news> news;
  std::vector<registry_wish> whole;
};

[[nodiscard]] std::string encode_wishes(const std::vector<registry_wish>& wishes);
[[nodiscard]] result<std::vector<registry_wish>> decode_wishes(std::string_view bytes);
[[nodiscard]] std::string encode_news(const std::vector<registry_news>& news);
[[nodiscard]] result<std::vector<registry_news>> decode_news(std::string_view bytes);

/// Answers such a request of another node.
void answer_registry(const std::shared_ptr<replicator::shared>& shared, std::string_view body,
                     std::function<void(result<std::string>)> reply);

}  // namespace tally::cluster
